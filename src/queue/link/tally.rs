//! What has come of what others sent: by the numbers of their entries.

use std::{cmp::Ordering, collections::HashMap};

use crate::domain::ids::NodeId;

#[derive(Debug, Default)]
pub struct Tally(HashMap<NodeId, u64>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Next,
    /// It has come before, or comes after something later.
    Again,
    /// Others before it have not come, and will not be taken any more.
    AfterAGap,
}

impl Tally {
    pub fn see(&mut self, from: NodeId, number: u64) -> Seen {
        let last = self.0.entry(from).or_default();
        let seen = match number.cmp(&(*last + 1)) {
            Ordering::Less => return Seen::Again,
            Ordering::Equal => Seen::Next,
            Ordering::Greater => Seen::AfterAGap,
        };
        *last = number;
        seen
    }

    /// The sender says that it has sent so many, and all that is to come of them has come: whether some have not.
    pub fn lacks(&mut self, from: NodeId, sent: u64) -> bool {
        let last = self.0.entry(from).or_default();
        let lacks = *last < sent;
        *last = sent.max(*last);
        lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_seen_once_and_what_comes_twice_is_not_taken_twice() {
        let (mut tally, a, b) = (Tally::default(), NodeId(1), NodeId(2));
        assert_eq!(
            [1, 2, 2, 1, 3].map(|n| tally.see(a, n)),
            [Seen::Next, Seen::Next, Seen::Again, Seen::Again, Seen::Next]
        );
        assert_eq!(tally.see(b, 2), Seen::AfterAGap, "the first one is missing");
        assert_eq!([5, 4, 6].map(|n| tally.see(a, n)), [Seen::AfterAGap, Seen::Again, Seen::Next]);
        assert!(!tally.lacks(a, 6));
        assert!(tally.lacks(a, 8), "and nothing came after");
        assert!(!tally.lacks(a, 8));
        assert_eq!(tally.see(a, 9), Seen::Next);
    }
}
