//! A line on standard error that says how far a run is: in place on a terminal, otherwise a new one every few seconds.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::interval};

use super::meter::Meter;

/// How often there is a new line where it is not written in place.
const EVERY: Duration = Duration::from_secs(5);

/// The line. It goes when this is dropped.
pub struct Line {
    in_place: bool,
    last: Option<Instant>,
}

impl Line {
    pub fn new() -> Self {
        Self { in_place: stderr().is_terminal(), last: None }
    }

    /// Shows this instead of what was there; where that cannot be, not too often.
    pub fn say(&mut self, text: &str) {
        if !self.in_place && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let (begin, end) = if self.in_place { ("\r\x1b[K", "") } else { ("", "\n") };
        let mut out = stderr().lock();
        // Without a standard error nobody looks.
        write!(out, "{begin}{text}{end}").and_then(|()| out.flush()).ok();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.in_place {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}

/// The line of a replay; it ends when this is dropped.
pub struct Progress(JoinHandle<()>);

impl Progress {
    /// Shows `meter`, of a run of `dialogues`.
    pub fn show(meter: Arc<Meter>, dialogues: usize) -> Self {
        Self(tokio::spawn(async move {
            let start = Instant::now();
            let mut line = Line::new();
            let mut tick = interval(Duration::from_millis(200));
            // The first tick is at once.
            tick.tick().await;
            loop {
                tick.tick().await;
                let now = meter.counts();
                let rate = now.acked as f64 / start.elapsed().as_secs_f64();
                line.say(&format!(
                    "{} of {dialogues} dialogues, {} turns acked, {rate:.0}/s",
                    now.dialogues, now.acked
                ));
            }
        }))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.abort();
    }
}
