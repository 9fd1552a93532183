//! Offline lists: what is due to users who have no session.
//!
//! A list saves reading; the store decides what is due. The two implementations are a Redis list (`queue`) and a table
//! (`store`), and one suite tests both.

use std::sync::Arc;

use super::{
    ids::{ConversationId, Seq, UserId},
    people::Person,
};

/// One message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub conversation: ConversationId,
    pub seq: Seq,
}

/// Something to be done to a list.
#[derive(Clone, Debug)]
pub enum Op {
    Push {
        to: Arc<Person>,
        entry: Entry,
    },
    /// Removes the entries of a conversation up to `entry.seq`, by comparison and never by count: two devices may be flushing, and a
    /// push may come late.
    Trim {
        of: Arc<Person>,
        entry: Entry,
    },
}

/// The lists are not to be had at the moment. The cause is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offline lists are unavailable")]
pub struct Unavailable;

/// The lists of all users. Calls block, and are made in batches from a thread of their own.
pub trait Lists: Send {
    /// Applies the operations in order. A list keeps its newest `offline.max_messages` entries, for `offline.ttl`.
    ///
    /// # Errors
    /// [`Unavailable`]: some may have been applied, all may be tried again.
    fn apply(&mut self, ops: &[Op]) -> Result<(), Unavailable>;

    /// A user's entries in the order they were pushed; the same entry may stand twice.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn entries(&mut self, of: &Person) -> Result<Vec<Entry>, Unavailable>;

    /// Whether the lists hold all that was pushed since [`Lists::set_complete`]: not so when Redis has lost its memory. Then they are
    /// filled again from the store.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn is_complete(&mut self) -> Result<bool, Unavailable>;

    /// # Errors
    /// [`Unavailable`].
    fn set_complete(&mut self) -> Result<(), Unavailable>;
}

/// How much of a list is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_messages: usize,
    pub ttl: std::time::Duration,
}

/// Marks the user whose list an operation concerns.
impl Op {
    pub fn user(&self) -> UserId {
        match self {
            Op::Push { to, .. } => to.id,
            Op::Trim { of, .. } => of.id,
        }
    }
}
