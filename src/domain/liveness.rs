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

/// When a peer was last heard and pinged, and when this was last looked at.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    heard: Instant,
    pinged: Instant,
    asked: Instant,
}

impl Liveness {
    /// A peer that has just arrived.
    pub fn new(now: Instant) -> Self {
        Self { heard: now, pinged: now, asked: now }
    }

    /// Something came from the peer.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Decides what is due at `now`. To be asked several times an interval: who has not asked for longer than one was
    /// itself asleep, cannot tell whether the peer was silent, and begins anew with a ping.
    pub fn beat(&mut self, heartbeat: &Heartbeat, now: Instant) -> Beat {
        let slept = now.saturating_duration_since(self.asked) > heartbeat.interval;
        self.asked = now;
        if slept {
            self.heard = now;
            self.pinged = now;
            return Beat::Ping;
        }
        if now.saturating_duration_since(self.heard) >= heartbeat.timeout {
            return Beat::Gone;
        }
        if now.saturating_duration_since(self.pinged) < heartbeat.interval {
            return Beat::Rest;
        }
        self.pinged += heartbeat.interval; // Not `now`: a coarse tick would stretch every interval.
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Heartbeat = Heartbeat { interval: Duration::from_secs(10), timeout: Duration::from_secs(30) };

    /// Asks every `tick` seconds until `end`, but not within `asleep`; returns what was due and when.
    fn due(heard: &[u64], tick: usize, asleep: std::ops::Range<u64>, end: u64) -> Vec<(u64, Beat)> {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let mut due = Vec::new();
        for second in (0..=end).step_by(tick) {
            let now = start + Duration::from_secs(second);
            if asleep.contains(&second) {
                continue;
            }
            if let Some(heard) = heard.iter().rfind(|heard| **heard <= second && **heard + tick as u64 > second) {
                liveness.hear(start + Duration::from_secs(*heard));
            }
            match liveness.beat(&HEARTBEAT, now) {
                Beat::Rest => {}
                beat => due.push((second, beat)),
            }
            if due.last().is_some_and(|(_, beat)| *beat == Beat::Gone) {
                break;
            }
        }
        due
    }

    #[test]
    fn a_silent_peer_is_pinged_each_interval_and_then_given_up() {
        assert_eq!(due(&[], 1, 0..0, 99), [(10, Beat::Ping), (20, Beat::Ping), (30, Beat::Gone)]);
    }

    #[test]
    fn a_peer_that_says_anything_is_kept_and_still_pinged() {
        assert_eq!(due(&[8, 17, 28], 1, 0..0, 40).len(), 4);
        assert_eq!(due(&[8], 1, 0..0, 99).last(), Some(&(38, Beat::Gone)));
    }

    #[test]
    fn a_coarse_tick_does_not_stretch_the_interval() {
        assert_eq!(due(&[9], 3, 0..0, 32), [(12, Beat::Ping), (21, Beat::Ping), (30, Beat::Ping)]);
    }

    #[test]
    fn who_was_asleep_does_not_blame_the_peer() {
        assert_eq!(due(&[], 1, 15..70, 99), [(10, Beat::Ping), (70, Beat::Ping), (80, Beat::Ping), (90, Beat::Ping)]);
        assert_eq!(due(&[], 1, 15..70, 100).last(), Some(&(100, Beat::Gone)));
    }
}
