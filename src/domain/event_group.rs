//! A named group of readers that share the work on a shop's events: what each is given, so that everything is worked on, and the events of
//! one subject in their order.

use std::collections::BTreeSet;

use super::{event::Position, ids::Timestamp};

/// An event that a group has not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub position: Position,
    /// Whose order is kept: [`super::event::Event::subject`].
    pub subject: i64,
    /// Until then whoever has been given it has it alone.
    pub until: Timestamp,
    /// How often it has been given to somebody.
    pub attempts: i32,
}

impl Pending {
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

/// What somebody is given who asks now: the first of `pending` (which are in their order), but nothing of a subject of which somebody has
/// something.
pub fn choose(pending: &[Pending], now: Timestamp, limit: usize) -> Vec<Pending> {
    let held: BTreeSet<i64> = pending.iter().filter(|event| event.is_held(now)).map(|event| event.subject).collect();
    pending.iter().filter(|event| !held.contains(&event.subject)).take(limit).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(100);

    fn pending(position: Position, subject: i64, until: i64) -> Pending {
        Pending { position, subject, until: Timestamp(until), attempts: 0 }
    }

    fn chosen(pending: &[Pending], limit: usize) -> Vec<Position> {
        choose(pending, NOW, limit).iter().map(|event| event.position).collect()
    }

    #[test]
    fn nobody_is_given_anything_of_what_somebody_works_on() {
        let all = [pending(1, 7, 0), pending(2, 8, 101), pending(3, 8, 0), pending(4, 7, 0), pending(5, 9, 100)];
        assert_eq!(chosen(&all, 10), [1, 4, 5]);
        assert_eq!(chosen(&all, 2), [1, 4]);
        let again = [pending(2, 8, 100), pending(3, 8, 0)];
        assert_eq!(chosen(&again, 10), [2, 3], "what nobody has done in time comes first");
        assert_eq!(chosen(&[], 10), Vec::<Position>::new());
    }

    proptest! {
        /// Members ask, finish or fail at any time: each subject's events are done in their order, one after the other.
        #[test]
        fn order_is_kept_whoever_works(steps in proptest::collection::vec((0..4_u8, 1..4_usize), 1..200)) {
            let mut left: Vec<Pending> = (1..=40).map(|n| pending(n, n % 5, 0)).collect();
            let mut now = Timestamp(0);
            let mut done: Vec<Position> = Vec::new();
            for (step, limit) in steps {
                match step {
                    // Somebody asks.
                    0 | 1 => for given in choose(&left, now, limit) {
                        let first = left.iter().find(|event| event.subject == given.subject && !event.is_held(now));
                        prop_assert_eq!(first.unwrap().position, given.position);
                        let event = left.iter_mut().find(|event| event.position == given.position).unwrap();
                        event.until = Timestamp(now.0 + 10);
                    },
                    // Somebody has done what it had first.
                    2 => if let Some(at) = left.iter().position(|event| event.is_held(now)) {
                        done.push(left.remove(at).position);
                    },
                    _ => now.0 += 4,
                }
            }
            for subject in 0..5 {
                let of: Vec<Position> = done.iter().copied().filter(|n| n % 5 == subject).collect();
                prop_assert!(of.is_sorted(), "{:?}", of);
            }
        }
    }
}
