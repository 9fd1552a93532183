//! A cluster: which master holds which slot, and batches split among them. All is bounded in time, which the crate's own is not when
//! a master hangs: it waits its full patience for each command of a pipeline.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use redis::{Connection as Socket, RedisError, ServerErrorKind, Value};

use super::{
    batch::Batch,
    connect::{PATIENCE, Redis, io, open, wait_at_most},
};

/// How often a batch follows slots that have moved.
const MOVES: usize = 3;

type Address = (String, u16);

pub(super) struct Cluster {
    redis: Redis,
    /// First and last slot, and their master.
    slots: Vec<(u16, u16, Address)>,
    sockets: BTreeMap<Address, Socket>,
}

/// Somewhere else.
enum Elsewhere {
    Moved(Address),
    Ask(Address),
}

impl Cluster {
    /// Finds the masters; connects to each when it is needed.
    pub fn find(redis: &Redis, deadline: Instant) -> Result<Cluster, RedisError> {
        let slots = redis.ask(deadline, slots)?;
        Ok(Cluster { redis: redis.clone(), slots, sockets: BTreeMap::new() })
    }

    pub fn run(&mut self, batch: &Batch, patience: Duration) -> Result<Vec<Value>, RedisError> {
        let deadline = Instant::now() + patience;
        let mut answers = vec![Value::Nil; batch.len()];
        let mut waiting: Vec<usize> = (0..batch.len()).collect();
        for _ in 0..=MOVES {
            let moved = self.round(batch, &waiting, &mut answers, deadline)?;
            let Some((_, to)) = moved.first() else {
                return answers.into_iter().map(Value::extract_error).collect();
            };
            let to = to.clone();
            self.slots = slots(self.socket(&to, deadline)?, &to.0)?;
            waiting = moved.into_iter().map(|(index, _)| index).collect();
        }
        Err(io("the slots of the cluster are on the move"))
    }

    /// Sends the commands to where their slots are; gives those that belong elsewhere.
    fn round(
        &mut self,
        batch: &Batch,
        waiting: &[usize],
        answers: &mut [Value],
        deadline: Instant,
    ) -> Result<Vec<(usize, Address)>, RedisError> {
        let mut by_master: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for index in waiting {
            let master = self.master(batch.slot(*index)).ok_or_else(|| io("a slot of the cluster has no master"))?;
            by_master.entry(master.clone()).or_default().push(*index);
        }
        for (master, indexes) in &by_master {
            let packed = batch.packed(indexes.iter().copied());
            self.socket(master, deadline)?.send_packed_command(&packed)?;
        }
        let (mut moved, mut asked) = (Vec::new(), Vec::new());
        for (master, indexes) in &by_master {
            let socket = self.socket(master, deadline)?;
            for index in indexes {
                let answer = socket.recv_response()?;
                match elsewhere(&answer, &master.0) {
                    Some(Elsewhere::Moved(to)) => moved.push((*index, to)),
                    Some(Elsewhere::Ask(to)) => asked.push((*index, to)),
                    None => answers[*index] = answer,
                }
            }
        }
        // A slot is just moving, and this key has gone ahead.
        for (index, to) in asked {
            let socket = self.socket(&to, deadline)?;
            socket.send_packed_command(&redis::cmd("ASKING").get_packed_command())?;
            socket.send_packed_command(&batch.packed([index]))?;
            socket.recv_response()?.extract_error()?;
            answers[index] = socket.recv_response()?;
        }
        Ok(moved)
    }

    /// Puts a question to all who are masters now.
    pub fn on_each_master<T>(
        &mut self,
        mut question: impl FnMut(&mut Socket) -> Result<T, RedisError>,
    ) -> Result<Vec<T>, RedisError> {
        let deadline = Instant::now() + 2 * PATIENCE;
        if let Some(((host, _), socket)) = self.sockets.iter_mut().next() {
            wait_at_most(socket, PATIENCE)?;
            self.slots = slots(socket, host)?;
        }
        let mut masters: Vec<Address> = self.slots.iter().map(|(.., master)| master.clone()).collect();
        masters.sort();
        masters.dedup();
        masters.iter().map(|master| question(self.socket(master, deadline)?)).collect()
    }

    fn master(&self, slot: u16) -> Option<&Address> {
        self.slots.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(.., master)| master)
    }

    /// The connection to a server, which answers until the deadline or not at all.
    fn socket(&mut self, to: &Address, deadline: Instant) -> Result<&mut Socket, RedisError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io("the cluster did not answer in time"));
        }
        if !self.sockets.contains_key(to) {
            let socket = open(self.redis.at(&to.0, to.1), left.min(PATIENCE))?;
            self.sockets.insert(to.clone(), socket);
        }
        let socket = self.sockets.get_mut(to).ok_or_else(|| io("not connected"))?;
        wait_at_most(socket, left)?;
        Ok(socket)
    }
}

/// Who holds which slots, as a server knows it that is reached as `host`.
fn slots(socket: &mut Socket, host: &str) -> Result<Vec<(u16, u16, Address)>, RedisError> {
    let answer: Value = redis::cmd("CLUSTER").arg("SLOTS").query(socket)?;
    let Value::Array(ranges) = answer else { return Err(io("not a cluster")) };
    let range = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &parts[..] else { return None };
        let (name, Value::Int(port)) = (master.first()?, master.get(1)?) else { return None };
        let name = match name {
            // Nothing: reached like this one. "?": not known at the moment.
            Value::BulkString(name) if name == b"?" => return None,
            Value::BulkString(name) if !name.is_empty() => String::from_utf8(name.clone()).ok()?,
            _ => host.to_owned(),
        };
        Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, (name, u16::try_from(*port).ok()?)))
    };
    Ok(ranges.iter().filter_map(range).collect())
}

/// Where an answer points that comes from `host`.
fn elsewhere(answer: &Value, host: &str) -> Option<Elsewhere> {
    let Value::ServerError(error) = answer else { return None };
    let (_, to) = error.details()?.split_once(' ')?;
    let (name, port) = to.rsplit_once(':')?;
    let name = if name.is_empty() { host } else { name.trim_matches(['[', ']']) };
    let to = (name.to_owned(), port.parse().ok()?);
    match error.kind()? {
        ServerErrorKind::Moved => Some(Elsewhere::Moved(to)),
        ServerErrorKind::Ask => Some(Elsewhere::Ask(to)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_points_elsewhere() {
        let answer = |text: &[u8]| redis::parse_redis_value(text).unwrap();
        let to = |host: &str, port| (host.to_owned(), port);
        let moved = answer(b"-MOVED 3999 10.0.0.1:6381\r\n");
        assert!(matches!(elsewhere(&moved, "here"), Some(Elsewhere::Moved(a)) if a == to("10.0.0.1", 6381)));
        let asked = answer(b"-ASK 3999 :6381\r\n");
        assert!(matches!(elsewhere(&asked, "here"), Some(Elsewhere::Ask(a)) if a == to("here", 6381)));
        let sixth = answer(b"-MOVED 1 ::1:6381\r\n");
        assert!(matches!(elsewhere(&sixth, "here"), Some(Elsewhere::Moved(a)) if a == to("::1", 6381)));
        assert!(elsewhere(&answer(b"-ERR nothing at:1\r\n"), "here").is_none());
        assert!(elsewhere(&answer(b"+OK\r\n"), "here").is_none());
    }
}
