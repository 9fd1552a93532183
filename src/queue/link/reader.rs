//! The thread that reads this node's stream.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use redis::{RedisError, Value};

use super::{
    Arrival, HEARTBEAT, RETRY, Shared, WHOLE,
    entry::{self, Entry},
    lock,
    tally::{Seen, Tally},
};
use crate::{
    domain::ids::{NodeId, ShopId, UserId},
    queue::{
        batch::Batch,
        connect::{Connection, PATIENCE},
    },
};

/// How long Redis is asked to wait for something to come.
const BLOCK: Duration = Duration::from_secs(1);
/// How many entries are read at a time.
const COUNT: usize = 200;
/// How old what is known of a node's presence may become.
const REFRESHED: Duration = Duration::from_secs(30);
/// A marker that is not met by then is not going to be.
const OVERDUE: Duration = HEARTBEAT.saturating_add(BLOCK);

pub(super) struct Reader {
    shared: Arc<Shared>,
    tally: Tally,
    /// The nodes that were announced, and when their presence was read.
    present: HashMap<NodeId, Instant>,
    /// Those whose presence is to be read again.
    unread: HashSet<NodeId>,
}

/// A connection, and why it is of no more use. What has been read is taken all the same: it will not be read again.
struct Source {
    connection: Connection,
    broken: Option<RedisError>,
}

impl Reader {
    pub fn new(shared: Arc<Shared>) -> Reader {
        Reader { shared, tally: Tally::default(), present: HashMap::new(), unread: HashSet::new() }
    }

    pub fn run(mut self) {
        while !self.shared.is_stopped() {
            let mut worked = false;
            if let Err(error) = self.follow(&mut worked) {
                tracing::debug!(%error, "the link connects again");
                // A connection that was lost is nothing to speak of, if there is another to be had.
                if !worked {
                    lock(&self.shared.voice).reads(false);
                }
                thread::sleep(RETRY);
            }
        }
    }

    /// Reads until something fails. After a connection was lost the stream may be another, behind the one that was read: it is read
    /// from its beginning, which is not far, since what has been read is taken away with each heartbeat.
    fn follow(&mut self, worked: &mut bool) -> Result<(), RedisError> {
        let mut source = Source { connection: self.shared.redis.connect()?, broken: None };
        let key = self.shared.keys.link(self.shared.settings.me);
        let mut position = "0".to_owned();
        while !self.shared.is_stopped() {
            let mut batch = Batch::new();
            let command = batch.beside(&key, "XREAD").arg("COUNT").arg(COUNT);
            // The first answer is wanted at once: it shows that there is one.
            let patience = if *worked { BLOCK + PATIENCE } else { PATIENCE };
            if *worked {
                command.arg("BLOCK").arg(BLOCK.as_millis() as u64);
            }
            command.arg("STREAMS").arg(&key).arg(&position);
            let answer = source.connection.run(&batch, patience)?.pop().unwrap_or(Value::Nil);
            *worked = true;
            lock(&self.shared.voice).reads(true);
            let entries = entry::read(answer);
            // The clock of Redis has gone back, and what is new stands before what was read.
            if entries.is_empty() && self.is_overdue() {
                "0".clone_into(&mut position);
            }
            for (id, entry) in entries {
                entry.into_iter().for_each(|entry| self.take(&mut source, &id, entry));
                position = id;
            }
            if let Some(error) = source.broken {
                return Err(error);
            }
        }
        Ok(())
    }

    fn is_overdue(&self) -> bool {
        let glimpses = lock(&self.shared.glimpses);
        glimpses.values().next().is_some_and(|glimpse| glimpse.at.elapsed() > OVERDUE)
    }

    fn take(&mut self, source: &mut Source, id: &str, entry: Entry) {
        match entry {
            Entry::Events { from, number, payloads } => {
                match self.tally.see(from, number) {
                    Seen::Again => return,
                    Seen::AfterAGap => self.gap(source, from),
                    Seen::Next if self.present.contains_key(&from) => {}
                    Seen::Next => self.read_presence(source, from),
                }
                metrics::counter!("shopbell_link_received_total").increment(payloads.len() as u64);
                payloads.into_iter().for_each(|payload| self.shared.say(Arrival::Event { from, payload }));
            }
            Entry::Left { from } => self.gone(from),
            Entry::Beat(number) => {
                self.trim(source, id);
                let glimpses = {
                    let mut all = lock(&self.shared.glimpses);
                    let later = all.split_off(&(number + 1));
                    std::mem::replace(&mut *all, later)
                };
                for glimpse in glimpses.into_values() {
                    glimpse.nodes.iter().for_each(|(node, sent)| self.glimpse(source, *node, *sent));
                    glimpse.gone.into_iter().for_each(|node| self.gone(node));
                }
            }
        }
    }

    /// Takes away what has been read, up to the marker that was just read: no position that is remembered, since the ids of a stream
    /// that was lost may begin anew below it.
    fn trim(&self, source: &mut Source, id: &str) {
        let mut batch = Batch::new();
        batch.on(&self.shared.keys.link(self.shared.settings.me), "XTRIM").arg("MINID").arg(id);
        if source.broken.is_none() {
            source.broken = source.connection.run(&batch, PATIENCE).err();
        }
    }

    /// A node is there that has sent so many entries, all of which have been met if they are still to be.
    fn glimpse(&mut self, source: &mut Source, node: NodeId, sent: u64) {
        if self.tally.lacks(node, sent) {
            self.gap(source, node);
        } else if self.unread.contains(&node) || self.present.get(&node).is_none_or(|at| at.elapsed() > REFRESHED) {
            self.read_presence(source, node);
        }
    }

    fn gap(&mut self, source: &mut Source, from: NodeId) {
        metrics::counter!("shopbell_link_gaps_total").increment(1);
        self.shared.say(Arrival::Gap { from });
        self.read_presence(source, from);
    }

    fn gone(&mut self, node: NodeId) {
        self.unread.remove(&node);
        if self.present.remove(&node).is_some() {
            self.shared.say(Arrival::Gone { node });
        }
    }

    /// Reads and tells who is there; later, if that is not to be had now.
    fn read_presence(&mut self, source: &mut Source, node: NodeId) {
        match self.presence(source, node) {
            Ok(Some(there)) => {
                self.unread.remove(&node);
                self.present.insert(node, Instant::now());
                self.shared.say(there);
            }
            Ok(None) => _ = self.unread.insert(node),
            Err(error) => {
                self.unread.insert(node);
                source.broken = Some(error);
            }
        }
    }

    /// None: Redis has lost it, and the node has not written it again yet; or the node has gone.
    fn presence(&self, source: &mut Source, node: NodeId) -> Result<Option<Arrival>, RedisError> {
        if source.broken.is_some() {
            return Ok(None);
        }
        let mut batch = Batch::new();
        batch.on(&self.shared.keys.node(node), "HGET").arg("name");
        batch.on(&self.shared.keys.presence(node), "SMEMBERS");
        let mut answers = source.connection.run(&batch, 4 * PATIENCE)?;
        let members: Vec<String> = redis::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let name: Option<String> = redis::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let Some(name) = name.filter(|_| members.iter().any(|member| member == WHOLE)) else { return Ok(None) };
        let numbers = |kind: char| members.iter().filter_map(move |member| member.strip_prefix(kind)?.parse().ok());
        let (users, shops) = (numbers('u').map(UserId).collect(), numbers('s').map(ShopId).collect());
        Ok(Some(Arrival::Node { node, name, users, shops }))
    }
}
