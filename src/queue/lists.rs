//! Offline lists as Redis lists, read and written by pipelines over one connection.

use std::time::Duration;

use redis::{Connection, ErrorKind, Pipeline, RedisError, Script};

use super::{connect::Redis, keys::Keys};
use crate::domain::{
    ids::ConversationId,
    offline::{Bounds, Entry, Lists, Op, Unavailable},
    people::Person,
};

/// Redis answers within this time, or the store serves alone.
const PATIENCE: Duration = Duration::from_millis(500);

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

pub struct RedisLists {
    redis: Redis,
    connection: Option<Connection>,
    keys: Keys,
    bounds: Bounds,
    trim: Script,
}

impl RedisLists {
    /// Nothing is connected yet.
    pub fn new(redis: Redis, keys: Keys, bounds: Bounds) -> RedisLists {
        RedisLists { redis, connection: None, keys, bounds, trim: Script::new(TRIM) }
    }

    /// Runs `work` on the connection, which is made anew where it has been lost.
    fn with<T>(&mut self, work: impl Fn(&mut Connection) -> Result<T, RedisError>) -> Result<T, Unavailable> {
        let worked = match &mut self.connection {
            Some(connection) => work(connection),
            None => self.connect().and_then(|()| match &mut self.connection {
                Some(connection) => work(connection),
                None => Err((ErrorKind::Io, "not connected").into()),
            }),
        };
        worked.map_err(|error| {
            tracing::warn!(%error, "offline lists are unavailable");
            // An answer that comes late must not be taken for that of the next question.
            self.connection = None;
            Unavailable
        })
    }

    fn connect(&mut self) -> Result<(), RedisError> {
        let mut connection = self.redis.client().get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        self.trim.prepare_invoke().load(&mut connection)?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Lists for RedisLists {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Unavailable> {
        let (keys, bounds, trim) = (self.keys.clone(), self.bounds, self.trim.clone());
        let mut pipeline = Pipeline::new();
        for op in ops {
            match op {
                Op::Push { to, entry } => {
                    let key = keys.offline(&to.uid);
                    let newest = -(bounds.max_messages as isize);
                    pipeline.rpush(&key, format!("{}:{}", entry.conversation, entry.seq)).ignore();
                    pipeline.ltrim(&key, newest, -1).ignore();
                    pipeline.pexpire(&key, bounds.ttl.as_millis() as i64).ignore();
                }
                Op::Trim { of, entry } => {
                    pipeline.cmd("EVALSHA").arg(trim.get_hash()).arg(1).arg(keys.offline(&of.uid));
                    pipeline.arg(entry.conversation.0).arg(entry.seq).ignore();
                }
            }
        }
        self.with(|connection| pipeline.query::<()>(connection))
    }

    fn entries(&mut self, of: &Person) -> Result<Vec<Entry>, Unavailable> {
        let key = self.keys.offline(&of.uid);
        let entries: Vec<String> = self.with(|c| redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).query(c))?;
        let parse = |entry: &String| {
            let (conversation, seq) = entry.split_once(':')?;
            Some(Entry { conversation: ConversationId(conversation.parse().ok()?), seq: seq.parse().ok()? })
        };
        Ok(entries.iter().filter_map(parse).collect())
    }

    fn is_complete(&mut self) -> Result<bool, Unavailable> {
        let key = self.keys.offline_complete();
        self.with(|c| redis::cmd("EXISTS").arg(&key).query(c))
    }

    fn set_complete(&mut self) -> Result<(), Unavailable> {
        let key = self.keys.offline_complete();
        self.with(|c| redis::cmd("SET").arg(&key).arg(1).query(c))
    }
}
