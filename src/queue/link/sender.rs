//! The thread that writes: what is sent, who is here, and a sign of life.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use redis::{RedisError, Value};

use super::{
    GONE, Glimpse, HEARTBEAT, Presence, REMAINS, RETRY, Shared, WHOLE,
    entry::{self, cut},
    lock,
    queue::Waiting,
};
use crate::{
    domain::ids::NodeId,
    queue::{
        batch::Batch,
        connect::{Connection, PATIENCE},
    },
};

/// How many commands and bytes go into one pipeline, about.
const COMMANDS: usize = 512;
const BYTES: usize = 1 << 20;
/// How long what comes after a sending waits for company: each costs Redis and its reader the same, however much is in it.
const COMPANY: Duration = Duration::from_millis(2);
/// How many members a set is given with one command.
const MEMBERS: usize = 5_000;
/// The life of another's stream is prolonged this often by whoever writes to it.
const PROLONGED: Duration = Duration::from_secs(60);
/// How many heartbeats pass between two looks for the master.
const LOOK: u64 = 5;

pub(super) struct Sender {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// Heartbeats succeed.
    up: bool,
    due: Instant,
    beat: u64,
    /// The number of the last entry for each node.
    numbers: HashMap<NodeId, u64>,
    prolonged: HashMap<NodeId, Instant>,
    known: HashMap<NodeId, Known>,
    /// The members of this node's presence set.
    here: HashSet<String>,
    /// Redis may have another set.
    rewrite: bool,
}

/// Another node that has been heard of.
struct Known {
    beat: String,
    heard: Instant,
}

/// A pipeline, and how many payloads there are in it.
type Load = (Batch, usize);

impl Sender {
    pub fn new(shared: Arc<Shared>) -> Sender {
        lock(&shared.queue).closed = true;
        Sender {
            shared,
            connection: None,
            up: false,
            due: Instant::now(),
            beat: 0,
            numbers: HashMap::new(),
            prolonged: HashMap::new(),
            known: HashMap::new(),
            here: HashSet::from([WHOLE.to_owned()]),
            rewrite: true,
        }
    }

    pub fn run(mut self) {
        loop {
            let (waiting, changes, stopping) = self.wait();
            let changes = self.change(&changes);
            let mut loads = self.number(waiting);
            let sends = self.up && !loads.is_empty();
            if self.up {
                let sent = self.carry_out(&changes).and_then(|()| self.send(&mut loads));
                self.note(sent);
            }
            let lost: usize = loads.iter().map(|load| load.1).sum();
            if lost > 0 {
                metrics::counter!("shopbell_link_dropped_total").increment(lost as u64);
            }
            if stopping {
                self.leave();
                return;
            }
            if Instant::now() >= self.due || !self.up {
                let beaten = self.heartbeat();
                self.note(beaten);
            }
            if sends {
                thread::sleep(COMPANY);
            }
        }
    }

    /// Waits until there is something to be sent, or something to be done.
    fn wait(&self) -> (HashMap<NodeId, Waiting>, Vec<Presence>, bool) {
        let until = if self.up { self.due } else { Instant::now() + RETRY };
        let mut queue = lock(&self.shared.queue);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let first = self.beat == 0;
            if queue.stopping || left.is_zero() || first || self.up && !queue.is_empty() {
                let (waiting, changes) = queue.take();
                return (waiting, changes, queue.stopping);
            }
            queue = self.shared.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// After success or failure: Redis is to be reached, or it is not and nothing is kept for it.
    fn note(&mut self, done: Result<(), RedisError>) {
        let up = done.is_ok();
        if up == self.up {
            return;
        }
        match done {
            Ok(()) => tracing::debug!("Redis answers the link"),
            Err(error) => tracing::warn!(%error, "Redis does not answer the link"),
        }
        self.up = up;
        lock(&self.shared.queue).closed = !up;
        self.prolonged.clear();
        self.rewrite |= !up;
        lock(&self.shared.voice).sends(up);
    }

    /// Runs a batch; once more, over a new connection, if the first has failed. Nothing is done twice by that which matters: entries
    /// have numbers.
    fn carry_out(&mut self, batch: &Batch) -> Result<(), RedisError> {
        self.run_batch(batch, PATIENCE).map(drop)
    }

    fn run_batch(&mut self, batch: &Batch, patience: Duration) -> Result<Vec<Value>, RedisError> {
        if let Some(connection) = &mut self.connection {
            match connection.run(batch, patience) {
                Ok(answers) => return Ok(answers),
                Err(error) => {
                    self.connection = None;
                    tracing::debug!(%error, "the link connects again");
                }
            }
        }
        let mut connection = self.shared.redis.connect()?;
        let answers = connection.run(batch, patience)?;
        self.connection = Some(connection);
        Ok(answers)
    }

    /// Takes in changes of presence.
    fn change(&mut self, changes: &[Presence]) -> Batch {
        let key = self.shared.keys.presence(self.shared.settings.me);
        let mut batch = Batch::new();
        for change in changes {
            let (member, came) = match change {
                Presence::UserCame(user) => (format!("u{user}"), true),
                Presence::UserWent(user) => (format!("u{user}"), false),
                Presence::ShopUsed(shop) => (format!("s{shop}"), true),
                Presence::ShopLeft(shop) => (format!("s{shop}"), false),
            };
            batch.on(&key, if came { "SADD" } else { "SREM" }).arg(&member);
            if came {
                self.here.insert(member);
            } else {
                self.here.remove(&member);
            }
        }
        batch
    }

    /// Makes entries of what waits.
    fn number(&mut self, waiting: HashMap<NodeId, Waiting>) -> Vec<Load> {
        let (mut loads, mut bytes) = (Vec::<Load>::new(), 0);
        for (to, Waiting { payloads, dropped }) in waiting {
            let key = self.shared.keys.link(to);
            let number = self.numbers.entry(to).or_default();
            for payloads in cut(&payloads) {
                *number += 1;
                if loads.last().is_none_or(|(batch, _)| batch.len() >= COMMANDS || bytes >= BYTES) {
                    loads.push((Batch::new(), 0));
                    bytes = 0;
                }
                let Some((batch, count)) = loads.last_mut() else { continue };
                bytes += payloads.iter().map(|payload| payload.len()).sum::<usize>();
                *count += payloads.len();
                let command = batch.on(&key, "XADD");
                command.arg("MAXLEN").arg("~").arg(self.shared.settings.stream_events).arg("*");
                entry::events(command, self.shared.settings.me, *number, payloads);
                if self.prolonged.get(&to).is_none_or(|at| at.elapsed() > PROLONGED) {
                    batch.on(&key, "PEXPIRE").arg(REMAINS.as_millis() as u64);
                    self.prolonged.insert(to, Instant::now());
                }
            }
            // A number that is never sent is how the receiver sees it.
            *number += u64::from(dropped);
        }
        loads
    }

    /// Sends one load after the other; leaves those that did not go.
    fn send(&mut self, loads: &mut Vec<Load>) -> Result<(), RedisError> {
        while let Some((batch, count)) = loads.first() {
            self.carry_out(batch)?;
            metrics::counter!("shopbell_link_sent_total").increment(*count as u64);
            loads.remove(0);
        }
        Ok(())
    }

    /// Gives a sign of life, writes again what Redis has lost, and looks at the others.
    fn heartbeat(&mut self) -> Result<(), RedisError> {
        self.due = Instant::now() + HEARTBEAT;
        self.beat += 1;
        if self.beat.is_multiple_of(LOOK) {
            self.shared.redis.look_for_master();
        }
        let members = self.live()?;
        let others: Vec<NodeId> = {
            let mut all: HashSet<NodeId> = members.into_iter().chain(self.known.keys().copied()).collect();
            all.remove(&self.shared.settings.me);
            all.into_iter().collect()
        };
        let mut batch = Batch::new();
        for node in &others {
            let field = format!("to:{}", self.shared.settings.me);
            batch.on(&self.shared.keys.node(*node), "HMGET").arg("beat").arg(field);
        }
        let answers = self.run_batch(&batch, PATIENCE)?;
        let glimpse = self.look(&others, answers)?;
        self.mark(glimpse)
    }

    /// Gives the nodes there are.
    fn live(&mut self) -> Result<Vec<NodeId>, RedisError> {
        let (keys, settings) = (&self.shared.keys, &self.shared.settings);
        let (node, presence) = (keys.node(settings.me), keys.presence(settings.me));
        let remains = REMAINS.as_millis() as u64;
        let mut batch = Batch::new();
        let command = batch.on(&node, "HSET").arg("name").arg(&settings.name).arg("beat").arg(self.beat);
        for to in self.known.keys() {
            command.arg(format!("to:{to}")).arg(self.numbers.get(to).copied().unwrap_or_default());
        }
        batch.on(&node, "PEXPIRE").arg(GONE.as_millis() as u64);
        batch.on(&presence, "PEXPIRE").arg(remains);
        batch.on(&keys.nodes(), "SADD").arg(settings.me.0);
        batch.on(&presence, "SISMEMBER").arg(WHOLE);
        batch.on(&presence, "SCARD");
        batch.on(&keys.nodes(), "SMEMBERS");
        let mut answers = self.run_batch(&batch, PATIENCE)?;
        let members: Vec<i64> = redis::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let count: usize = redis::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let whole: bool = redis::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        if self.rewrite || !whole || count != self.here.len() {
            self.rewrite(&presence)?;
        }
        Ok(members.into_iter().map(NodeId).collect())
    }

    /// Writes the presence set whole, so that nobody sees a part of it.
    fn rewrite(&mut self, key: &str) -> Result<(), RedisError> {
        let members: Vec<&String> = self.here.iter().collect();
        let mut batch = Batch::new();
        batch.beside(key, "MULTI");
        batch.on(key, "DEL");
        members.chunks(MEMBERS).for_each(|some| _ = batch.on(key, "SADD").arg(some));
        batch.on(key, "PEXPIRE").arg(REMAINS.as_millis() as u64);
        batch.beside(key, "EXEC");
        self.run_batch(&batch, 4 * PATIENCE)?;
        self.rewrite = false;
        Ok(())
    }

    /// What the others' signs of life say.
    fn look(&mut self, others: &[NodeId], answers: Vec<Value>) -> Result<Glimpse, RedisError> {
        let now = Instant::now();
        let mut glimpse = Glimpse { at: now, nodes: Vec::new(), gone: Vec::new() };
        let mut batch = Batch::new();
        for (node, answer) in others.iter().zip(answers) {
            let (beat, sent): (Option<String>, Option<u64>) = redis::from_redis_value(answer)?;
            match (beat, self.known.get_mut(node)) {
                (Some(beat), Some(known)) if known.beat == beat => {}
                (Some(beat), _) => _ = self.known.insert(*node, Known { beat, heard: now }),
                // Redis may have lost it; whoever is there will write it again.
                (None, Some(_)) => continue,
                (None, None) => {
                    batch.on(&self.shared.keys.nodes(), "SREM").arg(node.0);
                    continue;
                }
            }
            glimpse.nodes.push((*node, sent.unwrap_or_default()));
        }
        // While Redis could not be reached, nobody could be heard of.
        if !self.up {
            self.known.values_mut().for_each(|known| known.heard = now);
        }
        let me = self.shared.keys.node(self.shared.settings.me);
        let gone = self.known.iter().filter(|(_, known)| now.duration_since(known.heard) > GONE).map(|(node, _)| *node);
        glimpse.gone = gone.collect();
        for node in &glimpse.gone {
            self.known.remove(node);
            batch.on(&me, "HDEL").arg(format!("to:{node}"));
            batch.on(&self.shared.keys.link(*node), "PEXPIRE").arg(REMAINS.as_millis() as u64);
        }
        glimpse.nodes.retain(|(node, _)| self.known.contains_key(node));
        self.carry_out(&batch)?;
        Ok(glimpse)
    }

    /// Puts a marker into this node's own stream, by which the reader finds what was seen.
    fn mark(&mut self, glimpse: Glimpse) -> Result<(), RedisError> {
        lock(&self.shared.glimpses).insert(self.beat, glimpse);
        let key = self.shared.keys.link(self.shared.settings.me);
        let mut batch = Batch::new();
        let command = batch.on(&key, "XADD");
        command.arg("MAXLEN").arg("~").arg(self.shared.settings.stream_events).arg("*");
        entry::beat(command, self.beat);
        batch.on(&key, "PEXPIRE").arg(REMAINS.as_millis() as u64);
        self.carry_out(&batch)
    }

    /// Takes leave of those who know this node. If that fails they miss it in ten seconds.
    fn leave(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if !self.up {
            return;
        }
        let (shared, me) = (self.shared.clone(), self.shared.settings.me);
        let (keys, own) = (&shared.keys, shared.keys.link(me));
        let mut batch = Batch::new();
        for node in self.known.keys() {
            let command = batch.on(&keys.link(*node), "XADD");
            command.arg("MAXLEN").arg("~").arg(shared.settings.stream_events).arg("*");
            entry::left(command, me);
        }
        batch.on(&keys.nodes(), "SREM").arg(me.0);
        batch.on(&keys.node(me), "DEL");
        batch.on(&keys.presence(me), "DEL");
        // This wakes the reader.
        entry::beat(batch.on(&own, "XADD").arg("*"), 0);
        let mut last = Batch::new();
        last.on(&own, "DEL");
        let left = self.carry_out(&batch).and_then(|()| self.carry_out(&last));
        if let Err(error) = left {
            tracing::debug!(%error, "left without taking leave");
        }
    }
}
