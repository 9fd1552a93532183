//! Whether a peer is still there: when to ping it, when to give it up.
//!
//! Anything that comes from the peer proves it alive. Pings are what makes a peer with nothing to say answer.

use std::time::{Duration, Instant};

/// How often a peer is pinged, and how long it may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// From one ping to the next.
    pub interval: Duration,
    /// The longest silence before the peer counts as gone; a few intervals.
    pub timeout: Duration,
}

/// What is due for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing yet.
    Rest,
    /// Ping it.
    Ping,
    /// It has been silent for too long.
    Gone,
}

/// When a peer was last heard, and when it was last pinged or would have been.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    heard: Instant,
    pinged: Instant,
}

impl Liveness {
    /// A peer that has just arrived.
    pub fn new(now: Instant) -> Self {
        Self { heard: now, pinged: now }
    }

    /// Something came from the peer.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Decides what is due at `now`. `Ping` is answered once an interval, as long as this is called at least as often;
    /// a call that comes late does not make up for the pings it missed.
    pub fn beat(&mut self, heartbeat: &Heartbeat, now: Instant) -> Beat {
        if now.saturating_duration_since(self.heard) >= heartbeat.timeout {
            return Beat::Gone;
        }
        let since = now.saturating_duration_since(self.pinged);
        if since < heartbeat.interval {
            return Beat::Rest;
        }
        // On the grid of intervals where possible, so that a coarse tick does not stretch them.
        self.pinged = if since < 2 * heartbeat.interval { self.pinged + heartbeat.interval } else { now };
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Heartbeat = Heartbeat { interval: Duration::from_secs(10), timeout: Duration::from_secs(30) };

    fn beats(heard_at: &[u64], asked_at: &[u64]) -> Vec<Beat> {
        let start = Instant::now();
        let at = |seconds: &u64| start + Duration::from_secs(*seconds);
        let mut liveness = Liveness::new(start);
        let mut answers = Vec::new();
        for asked in asked_at {
            if let Some(heard) = heard_at.iter().rfind(|heard| *heard <= asked) {
                liveness.hear(at(heard));
            }
            answers.push(liveness.beat(&HEARTBEAT, at(asked)));
        }
        answers
    }

    #[test]
    fn a_silent_peer_is_pinged_each_interval_and_then_given_up() {
        assert_eq!(
            beats(&[], &[1, 9, 10, 11, 20, 29, 30]),
            [Beat::Rest, Beat::Rest, Beat::Ping, Beat::Rest, Beat::Ping, Beat::Rest, Beat::Gone]
        );
    }

    #[test]
    fn a_peer_that_says_anything_is_kept_and_still_pinged() {
        assert_eq!(beats(&[8, 17, 28], &[10, 20, 30, 40]), [Beat::Ping; 4]);
        assert_eq!(beats(&[8], &[37, 38]), [Beat::Ping, Beat::Gone]);
    }

    #[test]
    fn a_coarse_tick_does_not_stretch_the_interval() {
        assert_eq!(beats(&[11], &[12, 20, 29]), [Beat::Ping, Beat::Ping, Beat::Rest]);
    }

    #[test]
    fn missed_pings_are_not_made_up_for() {
        assert_eq!(beats(&[24], &[25, 26, 34, 35]), [Beat::Ping, Beat::Rest, Beat::Rest, Beat::Ping]);
    }
}
