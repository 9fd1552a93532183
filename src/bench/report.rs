//! What a run comes to, as a table for people and as JSON for scripts.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    cpu::Usage,
    dialogues::Skipped,
    load::{self, Generator, Judged, Sample},
    meter::{Counts, Figures},
    replay::Outcome,
};
use crate::history::Faults;

/// So many faults are told in words; all are counted.
const TOLD: usize = 20;
/// With more of its core used than this, the load generator may be what was measured.
const BUSY: f64 = 0.9;
/// Or was so late, in microseconds, with one message in a hundred.
const LATE: u64 = 10_000;

/// The result of a run. Its JSON has these keys.
#[derive(Debug, Serialize)]
pub struct Report {
    pub sent: u64,
    pub acked: u64,
    /// First arrivals at a session; while a conversation waits, at each agent on duty.
    pub delivered: u64,
    #[serde(flatten)]
    pub counts: Faults,
    /// What came to no end: dialogues, and messages without an answer.
    pub unfinished: u64,
    pub seconds: f64,
    pub acked_per_second: f64,
    pub delivered_per_second: f64,
    pub ack_ms: Times,
    pub delivery_ms: Times,
    pub connections: u64,
    /// Null for a server that this run has not started, and whose process was not named.
    pub server_cpu_seconds: Option<f64>,
    pub server_resident_bytes: Option<u64>,
    /// By what serves beside the server: a database.
    pub beside_cpu_seconds: f64,
    /// By everybody else but the load generator itself.
    pub others_cpu_seconds: Option<f64>,
    #[serde(flatten)]
    pub run: Run,
    /// The first faults, in words.
    pub faults: Vec<String>,
}

/// What one kind of run has to say beside.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Run {
    Replay { dialogues: u64, skipped: SkippedTurns },
    Load(Box<LoadFigures>),
}

/// Turns of the file that were not said.
#[derive(Debug, Serialize)]
pub struct SkippedTurns {
    pub before_buyer: u64,
    pub empty: u64,
}

#[derive(Debug, Serialize)]
pub struct LoadFigures {
    pub judged: Judged,
    /// `unavailable` and `rate_limited`; and how many of them did not say when to come again.
    pub refused: u64,
    pub refused_without_time: u64,
    /// It was not known by then what would become of them.
    pub refused_but_stored: u64,
    /// Deliveries of what had come before, so marked.
    pub repeats: u64,
    /// Connections that ended and were not meant to, and why the first did.
    pub ended: u64,
    pub endings: Vec<String>,
    /// Of the server, for each message that was acked.
    pub server_cpu_us_per_message: Option<f64>,
    /// From the beginning of a connection to `flushed`: of a storm, of who came back, or of all.
    pub login_ms: Times,
    /// From the beginning of a storm until all were back.
    pub storm_seconds: Option<f64>,
    /// After the measured time, until messages were acked within 100 ms again.
    pub recovery_seconds: Option<f64>,
    /// What the server's memory grew by for each idle connection.
    pub resident_bytes_per_idle: Option<f64>,
    /// Entries (messages, acks, claims) of the journal's batches, on average.
    pub batch_entries: Option<f64>,
    pub generator: GeneratorFigures,
    /// The server's memory over the measured time: its growth in bytes a minute, by a straight line through the second half of it.
    pub resident_bytes_per_minute: Option<f64>,
    /// The server's open files when everybody was there, and at the end.
    pub descriptors: Option<(u64, u64)>,
}

#[derive(Debug, Serialize)]
pub struct GeneratorFigures {
    /// Of one core.
    pub core: f64,
    /// How late it was behind its own schedule, or in getting to what had come.
    pub lag_ms: Times,
    /// It had too little of its core left to be sure that the server was measured.
    pub was_bottleneck: bool,
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
    /// Puts together what the parts of a replay of `seconds` have found.
    pub fn of_replay(outcome: Outcome, figures: &Figures, skipped: Skipped, machine: &Machine, seconds: f64) -> Self {
        let unfinished = outcome.unfinished.len() as u64;
        let faults = outcome.unfinished.into_iter().chain(outcome.verdict.details).collect();
        let skipped = SkippedTurns { before_buyer: skipped.before_buyer, empty: skipped.empty };
        let run = Run::Replay { dialogues: figures.counts.dialogues, skipped };
        Self::new(figures, outcome.verdict.faults, unfinished, machine, seconds, run, faults)
    }

    /// The same of a run of load; `resident` is the server's memory now.
    pub fn of_load(outcome: load::Outcome, resident: Option<u64>) -> Self {
        let machine = Machine { before: outcome.before, after: outcome.after, resident };
        let acked = outcome.figures.counts.acked.max(1) as f64;
        let cpu = machine.after.server_since(&machine.before).map(|seconds| round(seconds * 1e6 / acked));
        let Generator { share, lag } = &outcome.generator;
        let run = LoadFigures {
            judged: outcome.judged,
            refused: outcome.refused,
            refused_without_time: outcome.refused_without_time,
            refused_but_stored: outcome.refused_but_stored,
            repeats: outcome.repeats,
            ended: outcome.ended,
            endings: outcome.endings,
            server_cpu_us_per_message: cpu,
            login_ms: Times::of(&outcome.logins),
            storm_seconds: outcome.storm_seconds.map(round),
            recovery_seconds: outcome.recovery_seconds.map(round),
            resident_bytes_per_idle: outcome.idle_bytes.map(round),
            batch_entries: outcome.batch_entries.map(round),
            generator: GeneratorFigures {
                core: round(*share),
                lag_ms: Times::of(lag),
                was_bottleneck: *share > BUSY || lag.value_at_quantile(0.99) > LATE,
            },
            resident_bytes_per_minute: slope(&outcome.samples).map(round),
            descriptors: outcome
                .samples
                .first()
                .zip(outcome.samples.last())
                .map(|(a, b)| (a.descriptors, b.descriptors)),
        };
        let run = Run::Load(Box::new(run));
        Self::new(&outcome.figures, outcome.faults, outcome.unanswered, &machine, outcome.seconds, run, outcome.details)
    }

    fn new(
        figures: &Figures,
        counts: Faults,
        unfinished: u64,
        machine: &Machine,
        seconds: f64,
        run: Run,
        faults: Vec<String>,
    ) -> Self {
        let Counts { sent, acked, delivered, connections, .. } = figures.counts;
        Self {
            sent,
            acked,
            delivered,
            counts,
            unfinished,
            seconds: round(seconds),
            acked_per_second: round(acked as f64 / seconds),
            delivered_per_second: round(delivered as f64 / seconds),
            ack_ms: Times::of(&figures.ack),
            delivery_ms: Times::of(&figures.delivery),
            connections,
            server_cpu_seconds: machine.after.server_since(&machine.before).map(round),
            server_resident_bytes: machine.resident,
            beside_cpu_seconds: round(machine.after.beside_since(&machine.before)),
            others_cpu_seconds: machine.after.others_since(&machine.before).map(round),
            run,
            faults: faults.into_iter().take(TOLD).collect(),
        }
    }

    /// No fault was found, and everything came to its end.
    pub fn is_good(&self) -> bool {
        let refused_without_time = match &self.run {
            Run::Load(load) => load.refused_without_time,
            Run::Replay { .. } => 0,
        };
        self.counts.total() + self.unfinished + refused_without_time == 0
    }
}

/// Bytes a minute, by least squares over the second half of the samples; none of fewer than ten.
fn slope(samples: &[Sample]) -> Option<f64> {
    let half = &samples[samples.len() / 2..];
    if half.len() < 10 {
        return None;
    }
    let mean = |of: fn(&Sample) -> f64| half.iter().map(of).sum::<f64>() / half.len() as f64;
    let (at, bytes) = (mean(|sample| sample.seconds), mean(|sample| sample.resident as f64));
    let (above, below) = half.iter().fold((0.0, 0.0), |(above, below), sample| {
        let (x, y) = (sample.seconds - at, sample.resident as f64 - bytes);
        (above + x * y, below + x * x)
    });
    (below > 0.0).then(|| above / below * 60.0)
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
        if let Run::Replay { dialogues, skipped: SkippedTurns { before_buyer, empty } } = &self.run {
            row("dialogues", dialogues.to_string())?;
            row("skipped turns", format!("{before_buyer} before the buyer's first, {empty} empty"))?;
        }
        row("sent", self.sent.to_string())?;
        row("acked", format!("{}, {:.0} a second in {:.2} s", self.acked, self.acked_per_second, self.seconds))?;
        row("delivered", format!("{}, {:.0} a second", self.delivered, self.delivered_per_second))?;
        row("unfinished", self.unfinished.to_string())?;
        for (name, count) in self.counts.each() {
            row(name, count.to_string())?;
        }
        row("send to ack", self.ack_ms.to_string())?;
        row("send to delivery", self.delivery_ms.to_string())?;
        row("connections", self.connections.to_string())?;
        row("server CPU", known(self.server_cpu_seconds))?;
        let resident = self.server_resident_bytes.map(|bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
        row("server memory", resident.unwrap_or_else(|| "unknown".into()))?;
        row("CPU beside", known(Some(self.beside_cpu_seconds)))?;
        row("CPU of others", known(self.others_cpu_seconds))?;
        if let Run::Load(load) = &self.run {
            load.rows(&mut row)?;
        }
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        Ok(())
    }
}

impl LoadFigures {
    fn rows(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        if let Some(us) = self.server_cpu_us_per_message {
            row("server CPU a message", format!("{us:.1} µs"))?;
        }
        let Judged { messages, deliveries } = self.judged;
        row("judged", format!("{messages} messages with an ok, {deliveries} deliveries"))?;
        row(
            "refused",
            format!(
                "{}, {} of them without a time, {} stored after all",
                self.refused, self.refused_without_time, self.refused_but_stored
            ),
        )?;
        row("repeats", self.repeats.to_string())?;
        row("logins", self.login_ms.to_string())?;
        if let Some(seconds) = self.storm_seconds {
            row("storm", format!("all back after {seconds:.2} s"))?;
        }
        if let Some(seconds) = self.recovery_seconds {
            row("recovered", format!("after {seconds:.2} s"))?;
        }
        if let Some(bytes) = self.resident_bytes_per_idle {
            row("memory, each idle", format!("{:.1} KiB", bytes / 1_024.0))?;
        }
        if let Some(entries) = self.batch_entries {
            row("journal's batches", format!("{entries:.0} entries each"))?;
        }
        row("connections ended", self.ended.to_string())?;
        for why in &self.endings {
            row("", why.clone())?;
        }
        if let Some(bytes) = self.resident_bytes_per_minute {
            row("memory's growth", format!("{:.2} MiB a minute", bytes / 1_048_576.0))?;
        }
        if let Some((first, last)) = self.descriptors {
            row("open files", format!("{first} at first, {last} at last"))?;
        }
        let GeneratorFigures { core, lag_ms, was_bottleneck } = &self.generator;
        row("generator", format!("{:.0} % of a core", core * 100.0))?;
        row("generator late by", lag_ms.to_string())?;
        if *was_bottleneck {
            row("", "it was the bottleneck: the server can do more than this".into())?;
        }
        Ok(())
    }
}

/// To a thousandth.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
