//! What a run comes to, as a table for people and as JSON for scripts.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{cpu::Usage, dialogues::Skipped, meter::Figures, replay::Outcome};
use crate::history::Faults;

/// So many faults are told in words; all are counted.
const TOLD: usize = 20;

/// The result of a run. Its JSON has these keys.
#[derive(Debug, Serialize)]
pub struct Report {
    pub dialogues: u64,
    /// Dialogues (and readings of histories) that came to no end.
    pub unfinished: u64,
    pub sent: u64,
    pub acked: u64,
    /// First arrivals at a session; while a conversation waits, at each agent on duty.
    pub delivered: u64,
    #[serde(flatten)]
    pub counts: Faults,
    pub skipped: SkippedTurns,
    pub seconds: f64,
    pub acked_per_second: f64,
    pub ack_ms: Times,
    pub delivery_ms: Times,
    pub connections: u64,
    /// Null for a server that this run has not started.
    pub server_cpu_seconds: Option<f64>,
    pub server_resident_bytes: Option<u64>,
    /// By everybody but the server of this run and the load generator itself.
    pub others_cpu_seconds: Option<f64>,
    /// The first faults, in words.
    pub faults: Vec<String>,
}

/// Turns of the file that were not said.
#[derive(Debug, Serialize)]
pub struct SkippedTurns {
    pub before_buyer: u64,
    pub empty: u64,
}

/// Percentiles in milliseconds.
#[derive(Debug, Serialize)]
pub struct Times {
    pub p50: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// What the machine said around a run.
pub struct Machine {
    pub before: Usage,
    pub after: Usage,
    pub resident: Option<u64>,
}

impl Report {
    /// Puts together what the parts of a run of `seconds` have found.
    pub fn new(outcome: Outcome, figures: &Figures, skipped: Skipped, machine: &Machine, seconds: f64) -> Self {
        let counts = figures.counts;
        let unfinished = outcome.unfinished.len() as u64;
        let faults = outcome.unfinished.into_iter().chain(outcome.verdict.details).take(TOLD).collect();
        Self {
            dialogues: counts.dialogues,
            unfinished,
            sent: counts.sent,
            acked: counts.acked,
            delivered: counts.delivered,
            counts: outcome.verdict.faults,
            skipped: SkippedTurns { before_buyer: skipped.before_buyer, empty: skipped.empty },
            seconds: round(seconds),
            acked_per_second: round(counts.acked as f64 / seconds),
            ack_ms: Times::of(&figures.ack),
            delivery_ms: Times::of(&figures.delivery),
            connections: counts.connections,
            server_cpu_seconds: machine.after.server_since(&machine.before).map(round),
            server_resident_bytes: machine.resident,
            others_cpu_seconds: machine.after.others_since(&machine.before).map(round),
            faults,
        }
    }

    /// The history checker found no fault, and everything came to its end.
    pub fn is_good(&self) -> bool {
        self.counts.total() + self.unfinished == 0
    }
}

impl Times {
    fn of(micros: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        Self {
            p50: ms(micros.value_at_quantile(0.5)),
            p99: ms(micros.value_at_quantile(0.99)),
            p99_9: ms(micros.value_at_quantile(0.999)),
            max: ms(micros.max()),
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p99_9, max } = self;
        write!(f, "p50 {p50:.3}  p99 {p99:.3}  p99.9 {p99_9:.3}  max {max:.3} ms")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<22}{value}");
        let known = |value: Option<f64>| value.map_or_else(|| "unknown".into(), |seconds| format!("{seconds:.2} s"));
        row("dialogues", format!("{}, {} of them unfinished", self.dialogues, self.unfinished))?;
        let SkippedTurns { before_buyer, empty } = self.skipped;
        row("skipped turns", format!("{before_buyer} before the buyer's first, {empty} empty"))?;
        row("sent", self.sent.to_string())?;
        row("acked", format!("{}, {:.0} a second in {:.2} s", self.acked, self.acked_per_second, self.seconds))?;
        row("delivered", self.delivered.to_string())?;
        for (name, count) in self.counts.each() {
            row(name, count.to_string())?;
        }
        row("send to ack", self.ack_ms.to_string())?;
        row("send to delivery", self.delivery_ms.to_string())?;
        row("connections", self.connections.to_string())?;
        row("server CPU", known(self.server_cpu_seconds))?;
        let resident = self.server_resident_bytes.map(|bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
        row("server memory", resident.unwrap_or_else(|| "unknown".into()))?;
        row("CPU of others", known(self.others_cpu_seconds))?;
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        Ok(())
    }
}

/// To a thousandth.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
