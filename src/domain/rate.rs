//! How much one session may ask of the server.

use std::{collections::VecDeque, time::Duration, time::Instant};

/// A token bucket: `rate` a second, `burst` at once.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(rate: u32, burst: u32, now: Instant) -> Bucket {
        let burst = f64::from(burst.max(1));
        Bucket { rate: f64::from(rate.max(1)), burst, tokens: burst, at: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How many milliseconds until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), u64> {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + elapsed * self.rate).min(self.burst);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - self.tokens) / self.rate * 1_000.0).ceil().max(1.0) as u64)
    }
}

/// Counts refusals, and says when there have been too many in too short a time.
#[derive(Clone, Debug, Default)]
pub struct Strikes(VecDeque<Instant>);

/// This many refusals within [`STRIKES_WITHIN`] end a session.
pub const STRIKES: usize = 100;
pub const STRIKES_WITHIN: Duration = Duration::from_secs(10);

impl Strikes {
    /// Counts one; true when it is one too many.
    pub fn strike(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|&first| now.saturating_duration_since(first) > STRIKES_WITHIN) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() >= STRIKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20, 3, start);
        assert!((0..3).all(|_| bucket.take(start).is_ok()));
        assert_eq!(bucket.take(start), Err(50));
        assert!(bucket.take(start + Duration::from_millis(50)).is_ok());
        assert!(bucket.take(start + Duration::from_millis(50)).is_err());
    }

    #[test]
    fn a_hundred_refusals_in_ten_seconds_are_too_many() {
        let start = Instant::now();
        let mut strikes = Strikes::default();
        assert!((0..99).all(|_| !strikes.strike(start)));
        assert!(!strikes.clone().strike(start + Duration::from_secs(11)));
        assert!(strikes.strike(start + Duration::from_secs(9)));
    }
}
