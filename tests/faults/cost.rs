//! What a run has cost: processor time, context switches, transactions and events, by who has caused them.

use std::fmt;

use shopbell_harness::Fleet;

/// Figures that only grow, at some moment; or what has been added to them since another.
pub struct Cost {
    /// Seconds of processor time, in the order of [`PARTS`].
    cpu: [f64; PARTS.len()],
    /// Of the nodes' threads.
    switches: f64,
    /// Of the nodes, in the order of [`COUNTED`].
    counted: [f64; COUNTED.len()],
    /// The messages that were acked.
    messages: f64,
}

const PARTS: [&str; 6] = ["nodes", "PostgreSQL", "Redis", "clients", "others", "idle"];

/// The nodes' metrics, and how they are called here.
const COUNTED: [&str; 7] = [
    "shopbell_journal_batch_entries_count",
    "shopbell_journal_batch_entries_sum",
    "shopbell_journal_commit_seconds_sum",
    "shopbell_journal_put_off_total",
    "shopbell_link_sent_total",
    "shopbell_link_sent_bytes_total",
    "shopbell_repaired_total",
];

impl Cost {
    /// Of a fleet so far, with so many messages acked.
    pub async fn now(fleet: &Fleet, messages: u64) -> Self {
        let nodes: f64 = fleet.nodes.iter().map(|node| cpu(node.pid())).sum();
        let postgres: f64 = fleet.postgres.processes().into_iter().map(cpu).sum();
        let (redis, clients) = (cpu(fleet.redis.pid()), cpu(std::process::id()));
        let (all, idle) = machine();
        let others = all - nodes - postgres - redis - clients;
        let mut counted = [0.0; COUNTED.len()];
        for node in &fleet.nodes {
            let metrics = String::from_utf8_lossy(&node.anonymous().get("//metrics").await.bytes).into_owned();
            for (sum, name) in counted.iter_mut().zip(COUNTED) {
                let of_name = metrics.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
                *sum += of_name.filter_map(|(_, value)| value.parse::<f64>().ok()).sum::<f64>();
            }
        }
        let switches = fleet.nodes.iter().map(|node| switches(node.pid())).sum();
        Self { cpu: [nodes, postgres, redis, clients, others, idle], switches, counted, messages: messages as f64 }
    }

    pub fn since(mut self, earlier: &Self) -> Self {
        self.cpu.iter_mut().zip(earlier.cpu).for_each(|(now, then)| *now = (*now - then).max(0.0));
        self.counted.iter_mut().zip(earlier.counted).for_each(|(now, then)| *now -= then);
        self.switches -= earlier.switches;
        self.messages -= earlier.messages;
        self
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = self.messages.max(1.0);
        f.write_str("CPU µs a message:")?;
        for (part, seconds) in PARTS.iter().zip(self.cpu) {
            write!(f, " {part} {:.1},", seconds * 1e6 / messages)?;
        }
        let [batches, entries, seconds, put_off, events, bytes, repaired] = self.counted;
        let batched = batches.max(1.0);
        write!(
            f,
            " nodes' switches {:.2}; {batches:.0} transactions of {:.0} entries, {:.1} ms each, {:.2} of the entries put off; \
             {:.2} events and {:.0} bytes between nodes a message, {repaired:.0} repaired",
            self.switches / messages,
            entries / batched,
            seconds * 1e3 / batched,
            put_off / entries.max(1.0),
            events / messages,
            bytes / messages,
        )
    }
}

/// `utime` and `stime` of proc(5); none for a process that has ended.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// How often the threads of a process have left the processor.
fn switches(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
    let status = tasks.map(|task| std::fs::read_to_string(task.path().join("status")).unwrap_or_default());
    let of_one = |status: String| -> f64 {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).sum()
    };
    status.map(of_one).sum()
}

/// Of all processors: busy, and idle or waiting for a disk.
fn machine() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields = fields.filter_map(|ticks| ticks.parse::<f64>().ok()).take(8).enumerate();
    fields.fold((0.0, 0.0), |(busy, idle), (at, ticks)| match at {
        3 | 4 => (busy, idle + ticks / 100.0),
        _ => (busy + ticks / 100.0, idle),
    })
}
