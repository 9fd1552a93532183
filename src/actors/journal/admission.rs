//! Admission control: what a lane does not get to in time is refused where it comes in, before it has cost anything.
//!
//! A server with more to do than it can must spend its time on what it finishes (J. Dean, L. A. Barroso: The Tail at Scale, 2013; RFC 8289
//! measures how long something has waited, not how much waits, since only that means the same on every machine).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::domain::{ids::ShopId, refusal::Refusal};

/// A lane takes nothing more in while more waits than its next batch can hold, and has done so for this long.
pub(super) const BACKLOG: Duration = Duration::from_millis(500);
/// What a refused sender is told to wait.
pub(super) const FULL: Refusal = Refusal::Unavailable { retry_after_ms: 200 };

/// Which lanes take in messages. One, shared by the journal and all who send.
#[derive(Clone, Debug)]
pub struct Admission(Arc<[AtomicBool]>);

impl Admission {
    /// With so many lanes, at least one, all open.
    pub fn new(lanes: usize) -> Admission {
        Admission((0..lanes.max(1)).map(|_| AtomicBool::new(true)).collect())
    }

    /// Whether a message to a shop, or to a user, is taken in.
    ///
    /// # Errors
    /// `Unavailable`, with a time.
    pub fn admit(&self, shop: Option<ShopId>) -> Result<(), Refusal> {
        if self.0[self.lane_of(shop)].load(Ordering::Relaxed) {
            return Ok(());
        }
        metrics::counter!("shopbell_journal_refused_total").increment(1);
        Err(FULL)
    }

    /// Which lane the conversations of a shop take; direct ones take the first.
    pub(super) fn lane_of(&self, shop: Option<ShopId>) -> usize {
        shop.map_or(0, |ShopId(id)| id.unsigned_abs() as usize % self.0.len())
    }

    pub(super) fn set(&self, lane: usize, is_open: bool) {
        // The lane for jobs takes no messages.
        if let Some(open) = self.0.get(lane) {
            open.store(is_open, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_is_behind_keeps_others_going() {
        let admission = Admission::new(3);
        let (behind, other) = (Some(ShopId(4)), Some(ShopId(5)));
        admission.set(admission.lane_of(behind), false);
        assert_eq!(
            (admission.admit(behind), admission.admit(other), admission.admit(None)),
            (Err(FULL), Ok(()), Ok(()))
        );
        admission.set(admission.lane_of(behind), true);
        assert_eq!(admission.admit(behind), Ok(()));
        admission.set(3, false);
    }
}
