//! A node stands still inside a transaction, and connections are lost at COMMIT.

use std::thread;
use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, Plan, signal};
use tokio::time::sleep;

use crate::alone::{NODES, SOON, Scene, alone, sized};

/// Its rows are locked, and the others write to the same conversations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stands_still_inside_a_transaction() {
    let _alone = alone().await;
    // One shop, whose buyers and agents are on all nodes: the rows are everybody's.
    let plan = Plan { shops: 2, buyers: 9, agents: 3, every: Duration::from_millis(30), ..Plan::default() };
    let mut scene = Scene::on("a node stopped inside a transaction", Fleet::start(NODES, &[]).await, plan).await;
    for round in 0..sized(2, 10) {
        // Another one each time: clients stay where they have gone to.
        let node = round % NODES;
        let pid = scene.fleet.nodes[node].pid();
        stop_inside_a_transaction(&scene, node).await;
        let stopped = Instant::now();
        // Its clients go to the others; nobody waits for it.
        let repair = scene.crowd.repaired_within(2 * SOON).await;
        println!(
            "figure: a node stopped inside a transaction: the others serve all after {:.2} s",
            repair.whole().as_secs_f64()
        );
        sleep(Duration::from_secs(sized(5, 15)).saturating_sub(stopped.elapsed())).await;
        let others = (0..NODES).filter(|other| *other != node);
        others.for_each(|other| assert!(scene.watch.was_ready(other, stopped..Instant::now()) > 0));
        signal(pid, "CONT");
        scene.recovers().await;
    }
    scene.judged().await;
}

/// Stops a node where it holds locks: while all who store a message wait for somebody else, inside their transactions.
async fn stop_inside_a_transaction(scene: &Scene, node: usize) {
    let pid = scene.fleet.nodes[node].pid();
    let end = Instant::now() + Duration::from_secs(30);
    let held = "BEGIN; LOCK TABLE messages IN EXCLUSIVE MODE; SELECT pg_sleep(0.25); COMMIT";
    loop {
        thread::scope(|threads| {
            let holds = threads.spawn(|| scene.fleet.postgres.ask(&scene.fleet.database, held));
            thread::sleep(Duration::from_millis(200));
            signal(pid, "STOP");
            holds.join().expect("held");
        });
        // What it waited for has been answered, and it does not go on.
        sleep(Duration::from_millis(50)).await;
        if holds_locks(scene, node) {
            return;
        }
        signal(pid, "CONT");
        assert!(Instant::now() < end, "never inside a transaction");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether PostgreSQL waits for a node inside a transaction that writes.
fn holds_locks(scene: &Scene, node: usize) -> bool {
    let ports: Vec<String> = scene.fleet.to_postgres[node].outgoing().iter().map(u16::to_string).collect();
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND client_port IN ({}) AND \
         (backend_xid IS NOT NULL OR EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = pg_stat_activity.pid AND l.mode = 'RowShareLock'))",
        ports.join(",")
    );
    scene.fleet.postgres.ask("postgres", &sql) != "0"
}

/// Whether what was committed is stored, only the database knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_lost_at_commit() {
    let _alone = alone().await;
    let plan = Plan { every: Duration::from_millis(40), ..Plan::default() };
    let mut scene = Scene::on("answers to COMMIT lost", Fleet::start(NODES, &[]).await, plan).await;
    let rounds = sized(10, 100);
    for round in 0..rounds {
        scene.fleet.to_postgres[round % NODES].lose_answers_to_commits(1);
        sleep(Duration::from_millis(150)).await;
    }
    scene.recovers().await;
    let lost: u64 = scene.fleet.to_postgres.iter().map(|proxy| proxy.answers_lost()).sum();
    println!("figure: answers to COMMIT lost: {lost} times");
    assert!(lost >= rounds as u64 / 2, "only {lost} answers were lost");
    scene.judged().await;
}
