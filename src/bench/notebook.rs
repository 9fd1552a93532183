//! What the sessions of a run write down, for the history checker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::history::{
    self, Verdict,
    log::{Event, Line},
};

/// The lines of all sessions, under one clock. A session is named by its uid: each user has one.
#[derive(Debug)]
pub struct Notebook {
    start: Instant,
    lines: Mutex<Vec<Line>>,
}

impl Default for Notebook {
    fn default() -> Self {
        Self { start: Instant::now(), lines: Mutex::default() }
    }
}

impl Notebook {
    /// Writes down what happens now.
    pub fn write(&self, session: &Arc<str>, event: Event) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let at = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        lines.push(Line { at, session: Arc::clone(session), event });
    }

    /// Judges, and begins anew.
    pub fn judge(&self) -> Verdict {
        history::judge(std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
