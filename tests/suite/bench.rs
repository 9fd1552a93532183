//! `shopbell bench`: its runs come to an end, and what a server must not do is found.

use shopbell_harness::{Finished, SECRET, Tamper, TestNode, Value, tampered};

fn report(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// Where nothing else is said.
const SHORT: [[&str; 2]; 4] = [["--seconds", "0.5"], ["--warmup", "0.1"], ["--buyers", "10"], ["--shops", "2"]];

/// A short run against a server of its own.
fn bench(args: &[&str]) -> Value {
    let short = SHORT.into_iter().filter(|[option, _]| !args.contains(option)).flatten();
    let args: Vec<&str> = ["bench", "--json"].into_iter().chain(short).chain(args.iter().copied()).collect();
    let done = TestNode::builder().run(&args);
    let report = report(&done);
    assert_eq!(done.code, Some(0), "{report:#}");
    for fault in ["lost", "doubled", "out_of_order", "holes", "views", "unfinished", "refused_without_time", "ended"] {
        assert_eq!(report[fault], 0, "{report:#}");
    }
    assert!(report["acked"].as_u64() > Some(0), "{report:#}");
    assert!(report["ack_ms"]["p50"].as_f64() > Some(0.0), "{report:#}");
    report
}

#[tokio::test]
async fn a_closed_loop_measures_claimed_conversations() {
    let report = bench(&["--agents", "2"]);
    assert_eq!(report["connections"], 14, "{report:#}");
    assert!(report["delivered"].as_u64() > Some(0), "{report:#}");
    assert!(report["server_cpu_seconds"].is_f64() && report["server_resident_bytes"].is_u64(), "{report:#}");
    assert!(report["batch_entries"].as_f64() >= Some(1.0), "{report:#}");
    assert!(report["generator"]["core"].as_f64() > Some(0.0), "{report:#}");
}

#[tokio::test]
async fn a_schedule_is_kept_and_every_agent_is_given_what_waits() {
    let report = bench(&["--kind", "waiting", "--agents", "3", "--rate", "100", "--warmup", "0"]);
    let number = |value: &Value| value.as_u64().expect("a number");
    let (sent, delivered) = (number(&report["sent"]), number(&report["delivered"]));
    // Half a second at a hundred a second, but for what the generator itself was too late for.
    let late = report["generator"]["lag_ms"]["max"].as_f64().expect("a number") / 10.0;
    assert!(sent <= 51 && sent as f64 + late >= 45.0, "{report:#}");
    assert!(delivered <= 3 * sent, "{report:#}");
    // Whatever part of it the half second has seen.
    let (messages, deliveries) = (number(&report["judged"]["messages"]), number(&report["judged"]["deliveries"]));
    assert!(messages + number(&report["refused"]) >= sent && deliveries == 3 * messages, "{report:#}");
}

#[tokio::test]
async fn who_was_away_is_given_everything() {
    let report = bench(&[
        "--kind",
        "direct",
        "--buyers",
        "2",
        "--messages",
        "300",
        "--warmup",
        "0",
        "--seconds",
        "20",
        "--away",
    ]);
    assert_eq!(
        (&report["sent"], &report["acked"], &report["delivered"]),
        (&598.into(), &598.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(report["connections"], 4, "{report:#}");
    assert!(report["login_ms"]["max"].as_f64() > Some(0.0), "{report:#}");
}

#[tokio::test]
async fn idle_people_storm_and_come_and_go() {
    let report = bench(&["--rate", "50", "--idle", "50", "--storm"]);
    assert!(report["storm_seconds"].as_f64() > Some(0.0), "{report:#}");
    assert!(report["resident_bytes_per_idle"].is_f64(), "{report:#}");
    assert_eq!(report["connections"], 62, "{report:#}");
    let report = bench(&["--rate", "50", "--idle", "10", "--churn", "50", "--then", "20"]);
    assert!(report["recovery_seconds"].is_f64(), "{report:#}");
}

/// What a run finds behind a proxy that tampers with the fourth message.
async fn found(tamper: Tamper) -> Value {
    let node = TestNode::start().await;
    assert_eq!(node.run(&["operator", "add", "bench-operator"]).code, Some(0));
    let port = node.base().rsplit_once(':').expect("a port").1.parse().expect("a number");
    let url = format!("http://127.0.0.1:{}", tampered(port, r#".0.3""#, tamper));
    let run =
        ["bench", "--json", "--url", &url, "--secret", SECRET, "--buyers", "1", "--shops", "1", "--messages", "10"];
    let short = ["--warmup", "0", "--settle", "2"];
    let done = TestNode::builder_without_database().run(&[&run[..], &short[..]].concat());
    let report = report(&done);
    assert_eq!(done.code, Some(1), "{report:#}");
    assert_eq!((&report["acked"], &report["unfinished"]), (&9.into(), &0.into()), "{report:#}");
    report
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_found() {
    let report = found(Tamper::Lose).await;
    assert_eq!((&report["lost"], &report["doubled"]), (&1.into(), &0.into()), "{report:#}");
}

#[tokio::test]
async fn what_comes_twice_is_found() {
    let report = found(Tamper::Double).await;
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &1.into()), "{report:#}");
}

#[tokio::test]
async fn what_comes_in_the_wrong_order_is_found() {
    let report = found(Tamper::Delay).await;
    assert_eq!((&report["lost"], &report["out_of_order"]), (&0.into(), &1.into()), "{report:#}");
}
