//! The names of all keys in Redis, in one place. Braces keep the keys of one user, and those of one node, in one slot of a cluster.

use crate::domain::ids::NodeId;

/// Key names under `redis.prefix`.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    /// A user's offline list: a list of `conversation:seq`.
    pub fn offline(&self, uid: &str) -> String {
        format!("{}offline:{{{uid}}}", self.prefix)
    }

    /// Which runs of Redis have kept what was pushed.
    pub fn offline_complete(&self) -> String {
        format!("{}offline-complete", self.prefix)
    }

    /// What a node is sent: a stream.
    pub fn link(&self, node: NodeId) -> String {
        format!("{}link:{{{node}}}", self.prefix)
    }

    /// The nodes there are, and some that may be gone: a set of numbers.
    pub fn nodes(&self) -> String {
        format!("{}nodes", self.prefix)
    }

    /// A sign of life: a hash.
    pub fn node(&self, node: NodeId) -> String {
        format!("{}node:{{{node}}}", self.prefix)
    }

    /// Who has to do with a node: a set of `u` and `s` with the numbers of users and shops.
    pub fn presence(&self, node: NodeId) -> String {
        format!("{}presence:{{{node}}}", self.prefix)
    }
}
