//! What is counted and timed while a run goes on, shared by all its sessions.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

/// The longest time that is told from longer ones, in microseconds.
const LONGEST: u64 = 120_000_000;

/// Counts so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub sent: u64,
    pub acked: u64,
    /// First arrivals at a session, copies for several agents counted each.
    pub delivered: u64,
    pub dialogues: u64,
    pub connections: u64,
}

/// Counts and times, in microseconds.
pub struct Figures {
    pub counts: Counts,
    pub ack: Histogram<u64>,
    pub delivery: Histogram<u64>,
}

impl Figures {
    /// # Errors
    /// None that could happen: the histogram's bounds are constants.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self { counts: Counts::default(), ack: histogram.clone(), delivery: histogram })
    }
}

/// The figures, for many hands.
pub struct Meter(Mutex<Figures>);

impl Meter {
    /// # Errors
    /// None that could happen: the histogram's bounds are constants.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self(Mutex::new(Figures::new()?)))
    }

    pub fn connected(&self) {
        self.lock().counts.connections += 1;
    }

    pub fn sent(&self) {
        self.lock().counts.sent += 1;
    }

    pub fn acked(&self, after: Duration) {
        let mut figures = self.lock();
        figures.counts.acked += 1;
        figures.ack.saturating_record(micros(after));
    }

    pub fn delivered(&self, after: Duration) {
        let mut figures = self.lock();
        figures.counts.delivered += 1;
        figures.delivery.saturating_record(micros(after));
    }

    pub fn finished(&self) {
        self.lock().counts.dialogues += 1;
    }

    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The figures as they stand.
    pub fn figures(&self) -> Figures {
        let Figures { counts, ack, delivery } = &*self.lock();
        Figures { counts: *counts, ack: ack.clone(), delivery: delivery.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}
