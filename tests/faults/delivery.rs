//! How long a message takes to somebody on another node, beside somebody on the same one.

use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, Person, TestPostgres, json};

use crate::alone::{alone, sized};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_to_another_node_beside_the_same_one() {
    let _alone = alone().await;
    let fleet = Fleet::direct(TestPostgres::start(), 2).await;
    let shop = fleet.nodes[0].shop("acme").await;
    fleet.nodes[0].employ(&shop, "a0", "agent").await;
    fleet.nodes[0].employ(&shop, "a1", "agent").await;
    let (mut near, mut far) = (fleet.nodes[0].person("a0").await, fleet.nodes[1].person("a1").await);
    let (mut b0, mut b1) = (fleet.nodes[0].buyer("b0").await, fleet.nodes[0].buyer("b1").await);
    let (c0, c1) = (b0.opens(&shop, "hi").await, b1.opens(&shop, "hi").await);
    near.claim(c0).await;
    far.claim(c1).await;
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for round in 0..sized(300, 3_000) {
        same.push(deliver(&mut b0, &mut near, c0, round).await);
        other.push(deliver(&mut b1, &mut far, c1, round).await);
    }
    let ms = |times: &mut Vec<Duration>, share: f64| {
        times.sort();
        times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1_000.0
    };
    println!(
        "figure: delivery: on one node p50 {:.2} ms, p99 {:.2} ms; to another node p50 {:.2} ms, p99 {:.2} ms ({} each, in turn)",
        ms(&mut same, 0.5),
        ms(&mut same, 0.99),
        ms(&mut other, 0.5),
        ms(&mut other, 0.99),
        same.len()
    );
    // Not by the sweep, which comes every other second.
    assert!(ms(&mut other, 0.99) < 500.0);
}

/// From sending to arrival.
async fn deliver(buyer: &mut Person, agent: &mut Person, conversation: u64, round: usize) -> Duration {
    let text = format!("message {round}");
    let sent = Instant::now();
    let content = json!({"kind": "text", "text": text});
    let id = format!("{conversation}-{round}");
    buyer.tell(json!({"type": "send", "id": id, "to": {"conversation": conversation}, "content": content})).await;
    agent.hears(&text).await;
    let took = sent.elapsed();
    buyer.expect(json!({"type": "ok", "id": id})).await;
    buyer.take_all(json!({"type": "delivered"})).await;
    took
}
