//! What proofs print, and what they read from the machine.

use rand::{SeedableRng, rngs::StdRng};
use shopbell_harness::{TestNode, long};
use tokio::sync::{Mutex, MutexGuard};

/// Waits for the machine to be this proof's alone, as far as proofs go.
pub async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}

/// `full` in a long run, else `short`.
pub fn sized<T>(short: T, full: T) -> T {
    if long() { full } else { short }
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

/// Busy time of all processors so far, in ticks of 10 ms.
pub fn busy_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("proc(5)");
    let fields: Vec<u64> = stat.lines().next().expect("a line").split(' ').filter_map(|f| f.parse().ok()).collect();
    fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum()
}

/// The value below which `share` of the values lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).expect("a value");
    values[(share * last as f64).round() as usize]
}
