//! The names of all keys in Redis, in one place. Braces keep one user's keys on one node of a cluster.

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

    /// Present as long as Redis has kept what was pushed.
    pub fn offline_complete(&self) -> String {
        format!("{}offline-complete", self.prefix)
    }
}
