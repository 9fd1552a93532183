//! What the tests of faults have in common: the machine, one after the other; sizes, seeds and figures.

use std::time::{Duration, Instant};

use shopbell_harness::{Crowd, Fleet, Plan, Repair, Value, Watch, long};
use tokio::sync::{Mutex, MutexGuard};

/// How soon after the end of a fault all must be well.
pub const SOON: Duration = Duration::from_secs(5);
/// How many nodes there are.
pub const NODES: usize = 3;

/// Waits for the machine to be this test's alone, as far as these tests go.
pub async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}

/// `full` in a long run, else `short`.
pub fn sized<T>(short: T, full: T) -> T {
    if long() { full } else { short }
}

/// A seed, which is printed, so that what is random can be had again.
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("SHOPBELL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("figure: {test}: seed {seed}");
    seed
}

/// A crowd on a fleet, with somebody who asks whether the nodes are ready.
pub struct Scene {
    name: &'static str,
    pub seed: u64,
    pub fleet: Fleet,
    pub crowd: Crowd,
    pub watch: Watch,
    pub repairs: Vec<Repair>,
}

impl Scene {
    /// Everybody talks.
    pub async fn on(name: &'static str, fleet: Fleet, plan: Plan) -> Self {
        let seed = seed(name);
        let crowd = fleet.crowd(plan, seed).await;
        let watch = Watch::over(&fleet.doors());
        Self { name, seed, fleet, crowd, watch, repairs: Vec::new() }
    }

    /// A fault is over now: soon all is well again.
    #[track_caller]
    pub fn recovers(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let since = Instant::now();
            let repair = self.crowd.repaired().await;
            self.repairs.push(repair);
            while self.watch.ready_after(&self.nodes(), since).is_none() {
                assert!(
                    since.elapsed() < SOON,
                    "{}: not ready, at {caller}: {:?}",
                    self.name,
                    self.watch.asked().last()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The numbers of all nodes.
    pub fn nodes(&self) -> Vec<usize> {
        (0..self.fleet.nodes.len()).collect()
    }

    /// Ends it: no fault may be found.
    #[track_caller]
    pub fn judged(self) -> impl Future<Output = Value> {
        let Self { name, fleet, crowd, repairs, .. } = self;
        let judged = crowd.judged();
        async move {
            let verdict = judged.await;
            figure(name, &verdict, &repairs);
            drop(fleet);
            verdict
        }
    }
}

/// Prints what came of a test: its verdict's figures, and how long each repair took.
pub fn figure(test: &str, verdict: &Value, repairs: &[Repair]) {
    let number = |key: &str| verdict[key].as_u64().unwrap_or_default();
    let seconds = |of: fn(&Repair) -> Duration| repairs.iter().map(of).max().unwrap_or_default().as_secs_f64();
    println!(
        "figure: {test}: {} acked, {} delivered, {} sessions, refused {}; lost {}, doubled {}, out of order {}, holes {}, two claimants {}, \
         not claimant {}, views {}; after the fault all were served within {:.2} s and all was delivered within {:.2} s ({} times)",
        number("acked"),
        number("delivered"),
        number("sessions"),
        verdict["refused"],
        number("lost"),
        number("doubled"),
        number("out_of_order"),
        number("holes"),
        number("two_claimants"),
        number("not_claimant"),
        number("views"),
        seconds(|repair| repair.served),
        seconds(|repair| repair.delivered),
        repairs.len(),
    );
}
