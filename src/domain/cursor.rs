//! How far a side of a conversation has come, and what a session has been given of it.

use super::ids::Seq;

/// One side of a conversation: the buyer or the shop, or one of two users. Its cursors stand for all its devices and agents.
///
/// A side that has nothing left to receive stands at the conversation's last `seq`, its own messages included, so a cursor
/// behind `last_seq` always means that a message of the other side is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// All up to here has arrived.
    pub delivered: Seq,
    /// All up to here has been seen; never above `delivered`.
    pub read: Seq,
    /// The other side's messages above `read`.
    pub unread: i64,
    /// The last message this side has sent.
    pub said: Seq,
}

/// Which of the two sides: the buyer (or the user with the smaller id) is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    First,
    Second,
}

impl Which {
    pub fn other(self) -> Which {
        match self {
            Which::First => Which::Second,
            Which::Second => Which::First,
        }
    }

    /// 0 or 1, as the store has it.
    pub fn index(self) -> i16 {
        match self {
            Which::First => 0,
            Which::Second => 1,
        }
    }

    pub fn from_index(index: i16) -> Which {
        if index == 0 { Which::First } else { Which::Second }
    }
}

/// The messages of one conversation that a session has been given, as disjoint ranges in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Vec<(Seq, Seq)>);

/// More holes than this and the lowest range is forgotten: an ack then counts less far, and the messages come again.
const RANGES_MAX: usize = 16;

impl Given {
    /// Notes that all of `from..=to` has been given.
    pub fn insert(&mut self, from: Seq, to: Seq) {
        if from > to {
            return;
        }
        // The common case: the next message.
        if let Some(last) = self.0.last_mut()
            && from == last.1 + 1
        {
            last.1 = to;
            return;
        }
        let start = self.0.partition_point(|r| r.1 + 1 < from);
        let end = self.0.partition_point(|r| r.0 <= to + 1);
        let merged = self.0[start..end].iter().fold((from, to), |m, r| (m.0.min(r.0), m.1.max(r.1)));
        self.0.splice(start..end, [merged]);
        if self.0.len() > RANGES_MAX {
            self.0.remove(0);
        }
    }

    pub fn contains(&self, seq: Seq) -> bool {
        self.0.iter().any(|r| (r.0..=r.1).contains(&seq))
    }

    /// How far an ack of `seq` counts for a cursor: to the end of what was given without a hole from the cursor on.
    pub fn reach(&self, cursor: Seq, seq: Seq) -> Seq {
        self.0.iter().find(|r| (r.0..=r.1).contains(&(cursor + 1))).map_or(cursor, |r| r.1.min(seq).max(cursor))
    }

    /// Merges what another has been given into this.
    pub fn extend(&mut self, other: &Given) {
        other.0.iter().for_each(|r| self.insert(r.0, r.1));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ack_counts_up_to_the_first_hole() {
        let mut given = Given::default();
        given.insert(5, 10);
        given.insert(15, 20);
        assert_eq!(given.reach(4, 20), 10);
        assert_eq!(given.reach(4, 7), 7);
        assert_eq!(given.reach(3, 20), 3, "4 was never given");
        assert_eq!(given.reach(14, 20), 20, "another device has acked 14");
        given.insert(11, 14);
        assert_eq!(given.reach(4, 20), 20);
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_they_stand_for(parts in prop::collection::vec((1i64..40, 0i64..6), 0..12)) {
            let mut given = Given::default();
            let mut set = std::collections::BTreeSet::new();
            for (from, len) in parts {
                given.insert(from, from + len);
                set.extend(from..=from + len);
            }
            for seq in 0..60 {
                prop_assert_eq!(given.contains(seq), set.contains(&seq));
            }
            prop_assert!(given.0.windows(2).all(|w| w[0].1 + 1 < w[1].0));
        }
    }
}
