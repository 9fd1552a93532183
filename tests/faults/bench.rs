//! What `shopbell bench` says of a server whose database stands still for a while.

use std::{thread, time::Duration};

use shopbell_harness::{TestNode, TestPostgres, Value};

use crate::alone::alone;

/// Longer than the journal waits for a batch in flight.
const STILL: Duration = Duration::from_secs(5);
/// Messages that are stored before.
const BEFORE: u32 = 500;

/// What was refused meanwhile may be stored all the same, once and in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stands_still_makes_nobody_lose_a_message() {
    let _alone = alone().await;
    let postgres = TestPostgres::start();
    let name = postgres.fresh();
    let url = postgres.url(&name);
    let schedule = ["--rate", "500", "--seconds", "12", "--warmup", "1", "--buyers", "50", "--shops", "5"];
    let done = thread::scope(|scope| {
        let args: Vec<&str> = ["bench", "--json", "--database", &url].into_iter().chain(schedule).collect();
        let run = scope.spawn(move || TestNode::builder().run(&args));
        wait_for(&postgres, &name, "SELECT to_regclass('messages') IS NOT NULL");
        wait_for(&postgres, &name, &format!("SELECT count(*) > {BEFORE} FROM messages"));
        postgres.freeze();
        thread::sleep(STILL);
        postgres.thaw();
        run.join().expect("no panic")
    });
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    println!(
        "figure: bench: a database that stands still for {STILL:?}: {} acked, {} refused, of which {} are stored",
        report["acked"], report["refused"], report["refused_but_stored"]
    );
    assert_eq!(done.code, Some(0), "{report:#}");
    for fault in ["lost", "doubled", "out_of_order", "holes", "views", "unfinished", "refused_without_time"] {
        assert_eq!(report[fault], 0, "{report:#}");
    }
    // Nearly always some of these were in flight, and are stored: judged as if they could not be, they would be views, doubled and holes.
    assert!(report["refused"].as_u64() > Some(0), "{report:#}");
}

fn wait_for(postgres: &TestPostgres, database: &str, is_so: &str) {
    while postgres.ask(database, is_so) != "t" {
        thread::sleep(Duration::from_millis(50));
    }
}
