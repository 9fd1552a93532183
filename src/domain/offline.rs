//! Offline lists: what is due to users who have no session.
//!
//! A list saves reading; the store decides what is due. The two implementations are a Redis list (`queue`) and a table
//! (`store`), and one suite tests both.

use std::{collections::HashMap, sync::Arc};

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

    /// Whether the lists, which all nodes share, hold all that they should.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn fullness(&mut self) -> Result<Fullness, Unavailable>;

    /// Something has been lost, or is about to be filled in.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn set(&mut self, fullness: Fullness) -> Result<(), Unavailable>;

    /// They have been filled: complete, if nothing has been lost since that was begun; else false.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn finish(&mut self) -> Result<bool, Unavailable> {
        let filled = self.fullness()? == Fullness::Filling;
        if filled {
            self.set(Fullness::Complete)?;
        }
        Ok(filled)
    }
}

/// What the lists hold of what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fullness {
    Complete,
    /// Somebody is filling them from the store.
    Filling,
    /// Something is missing: a push failed, a process ended before it, or Redis has lost its memory.
    Lacking,
}

/// What is known to be in lists: those of users who have logged in since they were filled. A trim of anything else has nothing to do.
#[derive(Debug, Default)]
pub struct Listed(HashMap<UserId, HashMap<ConversationId, Seq>>);

/// More users than this and all is forgotten; what stays in their lists leaves them at the next login.
const LISTED_MAX: usize = 100_000;

impl Listed {
    /// A list has been read.
    pub fn note(&mut self, user: UserId, entries: &[Entry]) {
        self.0.remove(&user);
        if self.0.len() >= LISTED_MAX {
            self.0.clear();
        }
        for entry in entries {
            let highest = self.0.entry(user).or_default().entry(entry.conversation).or_default();
            *highest = entry.seq.max(*highest);
        }
    }

    /// Whether an operation has anything to do.
    pub fn concerns(&mut self, op: &Op) -> bool {
        let Op::Trim { of, entry } = op else { return true };
        let Some(list) = self.0.get_mut(&of.id) else { return false };
        let Some(&highest) = list.get(&entry.conversation) else { return false };
        if entry.seq >= highest {
            list.remove(&entry.conversation);
            if list.is_empty() {
                self.0.remove(&of.id);
            }
        }
        true
    }
}

/// How much of a list is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_messages: usize,
    pub ttl: std::time::Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_list_is_known_to_hold_is_trimmed() {
        let ann = Arc::new(Person { id: UserId(1), uid: "ann".into(), name: "Ann".into(), avatar: None });
        let entry = |conversation, seq| Entry { conversation: ConversationId(conversation), seq };
        let trim = |conversation, seq| Op::Trim { of: ann.clone(), entry: entry(conversation, seq) };
        let mut listed = Listed::default();
        assert!(!listed.concerns(&trim(1, 5)), "an ack of somebody who has no list costs nothing");
        listed.note(ann.id, &[entry(1, 3), entry(1, 4), entry(2, 1)]);
        assert!(listed.concerns(&trim(1, 3)));
        assert!(listed.concerns(&trim(1, 9)));
        assert!(!listed.concerns(&trim(1, 10)), "all gone");
        assert!(listed.concerns(&Op::Push { to: ann.clone(), entry: entry(3, 1) }));
        listed.note(ann.id, &[]);
        assert!(!listed.concerns(&trim(2, 1)));
    }
}
