//! Whole dialogues, over real sockets, by the load generator: nothing lost, nothing doubled, nothing out of order.

use serde_json::Value;
use shopbell_harness::TestNode;

use crate::figures::alone;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialogues_arrive_once_and_in_order() {
    let _alone = alone().await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dialogues.jsonl");
    let done = TestNode::builder().run(&["bench", "--replay", file, "--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).expect("bench prints JSON");
    for fault in ["lost", "doubled", "out_of_order", "holes", "two_claimants", "not_claimant", "views", "unfinished"] {
        assert_eq!(report[fault], 0, "{report:#}");
    }
    assert_eq!((&report["dialogues"], &report["sent"], &report["acked"]), (&12.into(), &61.into(), &61.into()));
    assert_eq!(report["skipped"], serde_json::json!({"before_buyer": 3, "empty": 1}));
    println!(
        "figure: replay: {} dialogues, {} turns, lost {}, doubled {}, out of order {}; {} turns/s, ack p50 {} ms, p99 {} ms",
        report["dialogues"],
        report["acked"],
        report["lost"],
        report["doubled"],
        report["out_of_order"],
        report["acked_per_second"],
        report["ack_ms"]["p50"],
        report["ack_ms"]["p99"],
    );
}
