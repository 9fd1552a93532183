//! What lies in a node's stream.

use bytes::Bytes;
use redis::{Cmd, Value};

use crate::domain::ids::NodeId;

/// How many payloads go into one entry, and how many bytes unless one alone is longer.
const PAYLOADS: usize = 64;
const BYTES: usize = 64 << 10;

/// An entry of a stream. Those of one sender to one receiver are numbered 1, 2, 3 …; where numbers are missing, something was lost.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    Events {
        from: NodeId,
        number: u64,
        payloads: Vec<Vec<u8>>,
    },
    /// The sender has left, for good.
    Left {
        from: NodeId,
    },
    /// The receiver's own: what it saw of others with this heartbeat is older than what follows.
    Beat(u64),
}

/// The payloads cut into what fits into one entry each.
pub fn cut(payloads: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
    let mut rest = payloads;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |payload: &&Bytes| {
            let first = bytes == 0;
            bytes += payload.len().max(1);
            first || bytes <= BYTES
        };
        let count = rest.iter().take(PAYLOADS).take_while(fits).count();
        let (cut, left) = rest.split_at(count);
        rest = left;
        (count > 0).then_some(cut)
    })
}

/// Adds the fields of events to an `XADD`.
pub fn events(command: &mut Cmd, from: NodeId, number: u64, payloads: &[Bytes]) {
    command.arg("e").arg(format!("{from}:{number}"));
    payloads.iter().for_each(|payload| _ = command.arg("p").arg(&payload[..]));
}

pub fn left(command: &mut Cmd, from: NodeId) {
    command.arg("l").arg(from.0);
}

pub fn beat(command: &mut Cmd, number: u64) {
    command.arg("b").arg(number);
}

/// The entries in the answer to an `XREAD` of one stream, each with its id. What is none of ours is left out.
pub fn read(answer: Value) -> Vec<(String, Option<Entry>)> {
    let stream = array(answer).into_iter().next().map(array).unwrap_or_default();
    let entries = stream.into_iter().nth(1).map(array).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| {
            let mut parts = array(entry).into_iter();
            let id = String::from_utf8(bytes(parts.next()?)).ok()?;
            Some((id, parts.next().and_then(|fields| entry_of(array(fields)))))
        })
        .collect()
}

fn entry_of(fields: Vec<Value>) -> Option<Entry> {
    let mut fields = fields.into_iter().map(bytes);
    let kind = fields.next()?;
    let value = String::from_utf8(fields.next()?).ok()?;
    match &kind[..] {
        b"e" => {
            let (from, number) = value.split_once(':')?;
            let (from, number) = (NodeId(from.parse().ok()?), number.parse().ok()?);
            let mut payloads = Vec::new();
            while let (Some(_), Some(payload)) = (fields.next(), fields.next()) {
                payloads.push(payload);
            }
            Some(Entry::Events { from, number, payloads })
        }
        b"l" => Some(Entry::Left { from: NodeId(value.parse().ok()?) }),
        b"b" => Some(Entry::Beat(value.parse().ok()?)),
        _ => None,
    }
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_cut_by_count_and_by_size() {
        let sizes = |payloads: &[Bytes]| cut(payloads).map(<[Bytes]>::len).collect::<Vec<_>>();
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&vec![Bytes::from_static(b"x"); 130]), [64, 64, 2]);
        assert_eq!(sizes(&vec![Bytes::from(vec![0; 30 << 10]); 5]), [2, 2, 1]);
        assert_eq!(sizes(&vec![Bytes::from(vec![0; 100 << 10]); 2]), [1, 1], "one alone may be longer");
        assert_eq!(sizes(&vec![Bytes::new(); 3]), [3]);
    }

    #[test]
    fn what_is_written_is_read() {
        let text = |text: &[u8]| Value::BulkString(text.to_vec());
        let entry = |command: &Cmd| {
            let fields = command.args_iter().skip(1).map(|arg| match arg {
                redis::Arg::Simple(bytes) => text(bytes),
                _ => Value::Nil,
            });
            entry_of(fields.collect())
        };
        let mut command = redis::cmd("XADD");
        events(&mut command, NodeId(7), 3, &[Bytes::from_static(b"p"), Bytes::from_static(b"\xff\x00")]);
        let payloads = vec![b"p".to_vec(), b"\xff\x00".to_vec()];
        assert_eq!(entry(&command), Some(Entry::Events { from: NodeId(7), number: 3, payloads }));
        let mut command = redis::cmd("XADD");
        left(&mut command, NodeId(8));
        assert_eq!(entry(&command), Some(Entry::Left { from: NodeId(8) }));
        let mut command = redis::cmd("XADD");
        beat(&mut command, 9);
        assert_eq!(entry(&command), Some(Entry::Beat(9)));
        let foreign = Value::Array(vec![text(b"1-1"), Value::Array(vec![text(b"z"), text(b"1")])]);
        let answer = Value::Array(vec![Value::Array(vec![text(b"key"), Value::Array(vec![foreign])])]);
        assert_eq!(read(answer), [("1-1".to_owned(), None)]);
        assert_eq!(read(Value::Nil), []);
    }
}
