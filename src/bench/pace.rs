//! How fast a session may send: the generic cell rate algorithm (ITU-T I.371), pure, so that the load generator keeps
//! within a server's limits instead of being refused.

use std::time::{Duration, Instant};

/// The pace of one session.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    tolerance: Duration,
    /// When the next send would be due if all came at their interval.
    due: Option<Instant>,
}

impl Pace {
    /// `rate` sends a second, and as many at once. A tenth of it stays unused, because no two clocks are the same.
    pub fn new(rate: u32) -> Self {
        let rate = f64::from(rate.max(1)) * 0.9;
        let interval = Duration::from_secs_f64(1.0 / rate);
        Self { interval, tolerance: interval.mul_f64((rate - 1.0).max(0.0)), due: None }
    }

    /// How long the next send must wait from `now`; its place is taken.
    pub fn next(&mut self, now: Instant) -> Duration {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + self.interval);
        due.saturating_duration_since(now + self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(10);
        let waits: Vec<_> = (0..11).map(|_| pace.next(now).as_millis()).collect();
        assert!(waits[..9].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[9..], [111, 222]);
        assert_eq!(pace.next(now + Duration::from_secs(10)), Duration::ZERO);
    }
}
