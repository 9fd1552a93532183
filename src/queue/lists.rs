//! Offline lists as Redis lists, read and written by pipelines over one connection. While Redis does not answer in half a second, the store
//! serves alone.

use redis::{RedisError, Script};

use super::{
    batch::Batch,
    connect::{Connection, PATIENCE, Redis},
    keys::Keys,
};
use crate::domain::{
    ids::ConversationId,
    offline::{Bounds, Entry, Fullness, Lists, Op, Unavailable},
    people::Person,
};

/// Removes the entries of conversation ARGV[1] up to seq ARGV[2], by comparison: two devices may be flushing the same list, and a
/// push may have come after the reading that an ack goes back to.
const TRIM: &str = r"
local kept, removed = {}, 0
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local conversation, seq = string.match(entry, '^(%d+):(%d+)$')
  if conversation == ARGV[1] and tonumber(seq) <= tonumber(ARGV[2]) then
    removed = removed + 1
  else
    kept[#kept + 1] = entry
  end
end
if removed > 0 then
  local ttl = redis.call('PTTL', KEYS[1])
  redis.call('DEL', KEYS[1])
  for i = 1, #kept, 500 do
    redis.call('RPUSH', KEYS[1], unpack(kept, i, math.min(i + 499, #kept)))
  end
  if #kept > 0 and ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
end
return removed
";

/// What stands before the server's identity while lists are filled.
const FILLING: &str = "filling:";
/// Who has not filled the lists by then has died over it.
const FILLED_IN_MS: u64 = 30_000;

pub struct RedisLists {
    redis: Redis,
    connection: Option<Connection>,
    /// The log knows that they are not to be had.
    missed: bool,
    /// The log knows that Redis does not keep what it is given.
    warned: bool,
    keys: Keys,
    bounds: Bounds,
    trim: Script,
}

impl RedisLists {
    /// Nothing is connected yet.
    pub fn new(redis: Redis, keys: Keys, bounds: Bounds) -> RedisLists {
        RedisLists { redis, connection: None, missed: false, warned: false, keys, bounds, trim: Script::new(TRIM) }
    }

    /// Runs `work` on the connection, which is made anew where it has been lost.
    fn with<T>(&mut self, work: impl Fn(&mut Connection) -> Result<T, RedisError>) -> Result<T, Unavailable> {
        let worked = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connect(),
        }
        .and_then(|mut connection| work(&mut connection).map(|done| (done, connection)));
        match worked {
            Ok((done, connection)) => {
                self.connection = Some(connection);
                if std::mem::take(&mut self.missed) {
                    tracing::info!("offline lists are back");
                }
                Ok(done)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.missed, true) {
                    tracing::warn!(%error, "offline lists are unavailable");
                }
                Err(Unavailable)
            }
        }
    }

    fn connect(&mut self) -> Result<Connection, RedisError> {
        let mut connection = self.redis.connect()?;
        connection.load(&self.trim)?;
        if connection.evicts()? && !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "Redis evicts what it holds: a list that is evicted looks empty; set maxmemory-policy noeviction"
            );
        }
        Ok(connection)
    }
}

impl Lists for RedisLists {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Unavailable> {
        let mut batch = Batch::new();
        for op in ops {
            match op {
                Op::Push { to, entry } => {
                    let key = self.keys.offline(&to.uid);
                    batch.on(&key, "RPUSH").arg(format!("{}:{}", entry.conversation, entry.seq));
                    batch.on(&key, "LTRIM").arg(-(self.bounds.max_messages as i64)).arg(-1);
                    batch.on(&key, "PEXPIRE").arg(self.bounds.ttl.as_millis() as i64);
                }
                Op::Trim { of, entry } => {
                    let key = self.keys.offline(&of.uid);
                    let command = batch.beside(&key, "EVALSHA").arg(self.trim.get_hash()).arg(1).arg(&key);
                    command.arg(entry.conversation.0).arg(entry.seq);
                }
            }
        }
        self.with(|connection| connection.run(&batch, PATIENCE).map(drop))
    }

    fn entries(&mut self, of: &Person) -> Result<Vec<Entry>, Unavailable> {
        let mut batch = Batch::new();
        batch.on(&self.keys.offline(&of.uid), "LRANGE").arg(0).arg(-1);
        let entries: Vec<String> = self.with(|connection| connection.one(&batch))?;
        let parse = |entry: &String| {
            let (conversation, seq) = entry.split_once(':')?;
            Some(Entry { conversation: ConversationId(conversation.parse().ok()?), seq: seq.parse().ok()? })
        };
        Ok(entries.iter().filter_map(parse).collect())
    }

    fn fullness(&mut self) -> Result<Fullness, Unavailable> {
        let mut batch = Batch::new();
        batch.on(&self.keys.offline_complete(), "GET");
        self.with(|connection| {
            let said: Option<String> = connection.one(&batch)?;
            let identity = connection.identity()?;
            Ok(match said.as_deref().and_then(|said| said.strip_suffix(identity.as_str())) {
                Some("") => Fullness::Complete,
                Some(FILLING) => Fullness::Filling,
                _ => Fullness::Lacking,
            })
        })
    }

    fn set(&mut self, fullness: Fullness) -> Result<(), Unavailable> {
        let key = self.keys.offline_complete();
        self.with(|connection| {
            let identity = connection.identity()?;
            let mut batch = Batch::new();
            match fullness {
                Fullness::Complete => _ = batch.on(&key, "SET").arg(identity),
                Fullness::Filling => {
                    batch.on(&key, "SET").arg(format!("{FILLING}{identity}")).arg("PX").arg(FILLED_IN_MS);
                }
                Fullness::Lacking => _ = batch.on(&key, "DEL"),
            }
            connection.run(&batch, PATIENCE).map(drop)
        })
    }
}
