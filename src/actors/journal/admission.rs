//! Admission control: what a lane would not get to in time is refused where it comes in, before it has cost anything.
//!
//! A node with more to do than it can must spend its time on what it finishes. Little's law says how much may be under way, wherever it
//! waits: as much as is written in the time that a message may take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::domain::{ids::ShopId, refusal::Refusal};

/// A message that is taken in is written in about this time, or sooner.
const BACKLOG: Duration = Duration::from_millis(500);
/// So many may be under way in a lane however slow it is: a server that hesitates for a moment refuses nobody.
const LEAST: usize = 2_000;
/// Over what time it is measured how much a lane writes.
const MEASURED: Duration = Duration::from_millis(250);
/// What a refused sender is told to wait.
pub(super) const FULL: Refusal = Refusal::Unavailable { retry_after_ms: 200 };

/// What is under way in each lane, of what comes from outside. One, shared by the journal and all who send.
#[derive(Clone, Debug)]
pub struct Admission(Arc<[Gate]>);

#[derive(Debug)]
struct Gate {
    under_way: AtomicUsize,
    limit: AtomicUsize,
}

/// A message that has been taken in; to be dropped when it is written, or is refused after all.
#[derive(Debug)]
pub struct Permit {
    gates: Arc<[Gate]>,
    lane: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gates[self.lane].under_way.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    /// With so many lanes, at least one.
    pub fn new(lanes: usize) -> Admission {
        let gate = |_| Gate { under_way: AtomicUsize::new(0), limit: AtomicUsize::new(LEAST) };
        Admission((0..lanes.max(1)).map(gate).collect())
    }

    /// Takes in a message to a shop, or to a user.
    ///
    /// # Errors
    /// `Unavailable`, with a time.
    pub fn admit(&self, shop: Option<ShopId>) -> Result<Permit, Refusal> {
        let lane = self.lane_of(shop);
        let permit = Permit { gates: self.0.clone(), lane };
        let Gate { under_way, limit } = &self.0[lane];
        if under_way.fetch_add(1, Relaxed) < limit.load(Relaxed) {
            return Ok(permit);
        }
        metrics::counter!("shopbell_journal_refused_total").increment(1);
        Err(FULL)
    }

    /// Which lane the conversations of a shop take; direct ones take the first.
    pub(super) fn lane_of(&self, shop: Option<ShopId>) -> usize {
        shop.map_or(0, |ShopId(id)| id.unsigned_abs() as usize % self.0.len())
    }

    fn limit(&self, lane: usize, limit: usize) {
        // The lane for jobs takes no messages.
        if let Some(gate) = self.0.get(lane) {
            gate.limit.store(limit.max(LEAST), Relaxed);
        }
    }
}

/// How many messages a lane writes, which says how many may be under way there.
pub(super) struct Pace {
    admission: Admission,
    lane: usize,
    since: Instant,
    written: usize,
}

impl Pace {
    pub(super) fn of(lane: usize, admission: Admission) -> Pace {
        Pace { admission, lane, since: Instant::now(), written: 0 }
    }

    pub(super) fn has_written(&mut self, messages: usize, now: Instant) {
        self.written += messages;
        let took = now.saturating_duration_since(self.since);
        if took >= MEASURED {
            let in_time = self.written as f64 * BACKLOG.as_secs_f64() / took.as_secs_f64();
            self.admission.limit(self.lane, in_time as usize);
            (self.since, self.written) = (now, 0);
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
        let mut permits: Vec<Permit> = (0..LEAST).map(|_| admission.admit(behind).unwrap()).collect();
        assert_eq!(admission.admit(behind).map(drop), Err(FULL));
        assert_eq!(admission.admit(behind).map(drop), Err(FULL), "who is refused is not counted");
        assert!(admission.admit(other).is_ok() && admission.admit(None).is_ok());
        permits.pop();
        assert!(admission.admit(behind).is_ok());
    }

    #[test]
    fn as_much_is_under_way_as_is_written_in_time() {
        let admission = Admission::new(1);
        let mut pace = Pace::of(0, admission.clone());
        let begun = pace.since;
        pace.has_written(5_000, begun + MEASURED / 2);
        pace.has_written(5_000, begun + MEASURED);
        let mut permits = Vec::new();
        while let Ok(permit) = admission.admit(None) {
            permits.push(permit);
        }
        assert_eq!(permits.len(), 20_000, "40,000 a second");
        pace.has_written(1, begun + 2 * MEASURED);
        permits.truncate(LEAST + 1);
        assert!(admission.admit(None).is_err());
        permits.truncate(LEAST - 1);
        assert!(admission.admit(None).is_ok());
    }
}
