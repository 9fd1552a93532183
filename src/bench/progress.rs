//! A line on standard error that says how far a run is: in place on a terminal, otherwise a new one every few seconds.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::interval};

use super::meter::Meter;

/// The running line; it ends when this is dropped.
pub struct Progress {
    task: JoinHandle<()>,
    in_place: bool,
}

impl Progress {
    /// Shows `meter`, of a run of `dialogues`.
    pub fn show(meter: Arc<Meter>, dialogues: usize) -> Self {
        let in_place = stderr().is_terminal();
        let (every, begin, end) =
            if in_place { (Duration::from_millis(200), "\r\x1b[K", "") } else { (Duration::from_secs(5), "", "\n") };
        let task = tokio::spawn(async move {
            let start = Instant::now();
            let mut tick = interval(every);
            // The first tick is at once.
            tick.tick().await;
            loop {
                tick.tick().await;
                let now = meter.counts();
                let rate = now.acked as f64 / start.elapsed().as_secs_f64();
                let line =
                    format!("{} of {dialogues} dialogues, {} turns acked, {rate:.0}/s", now.dialogues, now.acked);
                let mut out = stderr().lock();
                // Without a standard error nobody looks.
                write!(out, "{begin}{line}{end}").and_then(|()| out.flush()).ok();
            }
        });
        Self { task, in_place }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if self.in_place {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}
