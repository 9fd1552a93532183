//! What proofs print, what they read from the machine, and the databases that they try.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::StdRng};
use shopbell::{
    domain::ids::Timestamp,
    store::{location::Location, search},
};
use shopbell_harness::{TestNode, TestPostgres, long};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::sleep,
};

/// Waits for the machine to be this proof's alone, as far as proofs go.
pub async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}

/// `full` in a long run, else `short`.
pub fn sized<T>(short: T, full: T) -> T {
    if long() { full } else { short }
}

/// An empty database of each kind, by its name, and where SQLite's is.
pub fn databases() -> (TempDir, [(&'static str, String); 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = format!("sqlite://{}", directory.path().join("shopbell.db").display());
    (directory, [("SQLite", sqlite), ("PostgreSQL", TestPostgres::shared().fresh_database())])
}

/// Waits until all messages are in the index for search; gives how long that took.
pub async fn until_indexed(url: &str) -> Duration {
    let began = Instant::now();
    let mut db = Location::parse(url).expect("a database").reader().expect("connected");
    while !search::behind(&mut db, Timestamp(0), 1).expect("read").is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}

/// Randomness that can be had again: its seed is printed.
pub fn random(proof: &str) -> StdRng {
    let given = std::env::var("SHOPBELL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("figure: {proof}: seed {seed}");
    StdRng::seed_from_u64(seed)
}

/// Resident memory of a node, in bytes.
pub fn resident(node: &TestNode) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5) has VmRSS");
    let kib: u64 = line.split_whitespace().next().expect("a number").parse().expect("a number");
    kib * 1_024
}

/// Processor time that everybody but this process and the node has used so far, in ticks of 10 ms (proc(5)).
pub fn ticks_of_others(node: &TestNode) -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("proc(5)");
    let fields = stat.lines().next().expect("a line").split(' ').filter_map(|field| field.parse::<u64>().ok());
    // Without the fourth and fifth, which are idle, and the last two, which are counted before.
    let all: u64 = fields.take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum();
    let of = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace().skip(11).take(2);
        fields.map(|ticks| ticks.parse::<u64>().expect("a number")).sum::<u64>()
    };
    all.saturating_sub(of("self") + of(&node.pid().to_string()))
}

/// The value below which `share` of the values lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).expect("a value");
    values[(share * last as f64).round() as usize]
}
