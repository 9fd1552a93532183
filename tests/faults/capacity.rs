//! How much three nodes on one PostgreSQL carry, beside one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, TestPostgres, json, talker::Talker};
use tokio::task::JoinHandle;

use crate::{
    alone::{NODES, alone, sized},
    cost::Cost,
};

const BUYERS: usize = 60;
const AGENTS: usize = 6;
/// So many messages of one buyer are under way at a time.
const WINDOW: usize = 16;
/// Of what one node carries.
const WANTED: f64 = 0.9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_carry_what_one_does() {
    let _alone = alone().await;
    let rounds = sized(1, 5);
    let seconds = Duration::from_secs(sized(3, 10));
    let (mut one, mut three) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(acked_a_second(1, seconds).await);
        three.push(acked_a_second(NODES, seconds).await);
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (one, three) = (median(&mut one), median(&mut three));
    println!(
        "figure: capacity: one node {one:.0} acked messages a second, three nodes {three:.0}: {:.2} times ({rounds} rounds, {BUYERS} buyers, \
         {WINDOW} under way each, agents on other nodes)",
        three / one
    );
    // A ratio of short runs says little; every day it is shown.
    assert!(!shopbell_harness::long() || three >= WANTED * one);
}

/// Buyers say what they can, for a time; each one's agent is on the next node.
async fn acked_a_second(nodes: usize, time: Duration) -> f64 {
    let fleet = Fleet::direct(TestPostgres::start(), nodes).await;
    let shop = fleet.nodes[0].shop("acme").await;
    let mut agents = Vec::new();
    for at in 0..AGENTS {
        let uid = format!("a{at}");
        fleet.nodes[0].employ(&shop, &uid, "agent").await;
        let token = fleet.nodes[0].token(&uid);
        agents.push(Talker::login(fleet.nodes[at % nodes].base(), &uid, &token).await.expect("connected"));
    }
    let mut buyers = Vec::new();
    for at in 0..BUYERS {
        let uid = format!("b{at}");
        let token = fleet.nodes[0].token(&uid);
        let mut buyer = Talker::login(fleet.nodes[(at + 1) % nodes].base(), &uid, &token).await.expect("connected");
        let content = json!({"kind": "text", "text": "hi"});
        let hi = json!({"type": "send", "id": format!("{uid}-hi"), "to": {"shop": shop}, "content": content});
        let conversation = buyer.ask(hi).await.expect("connected")["conversation"].as_u64().expect("a number");
        let claim = json!({"type": "claim", "conversation": conversation});
        assert_eq!(agents[at % AGENTS].ask(claim).await.expect("connected")["type"], "ok");
        buyers.push((uid, conversation, buyer));
    }
    let (acked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for agent in agents {
        tasks.push(tokio::spawn(listen(agent)));
    }
    for (uid, conversation, buyer) in buyers {
        tasks.push(tokio::spawn(flood(buyer, uid, conversation, Arc::clone(&acked), Arc::clone(&stop))));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let count = || acked.load(Ordering::Relaxed);
    let before = Cost::now(&fleet, count()).await;
    let (first, since) = (count(), Instant::now());
    tokio::time::sleep(time).await;
    let rate = (count() - first) as f64 / since.elapsed().as_secs_f64();
    let cost = Cost::now(&fleet, count()).await.since(&before);
    println!("figure: capacity: {nodes} nodes: {rate:.0} a second; {cost}");
    stop.store(true, Ordering::Relaxed);
    tasks.iter().for_each(JoinHandle::abort);
    rate
}

/// Says one more for each `ok`.
async fn flood(mut buyer: Talker, uid: String, conversation: u64, acked: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let frame = |number: usize| {
        let content = json!({"kind": "text", "text": format!("message {number}, {}", "x".repeat(100))});
        json!({"type": "send", "id": format!("{uid}-{number}"), "to": {"conversation": conversation}, "content": content})
    };
    let mut next = WINDOW;
    for number in 0..WINDOW {
        buyer.tell(&frame(number)).await.expect("connected");
    }
    while !stop.load(Ordering::Relaxed) {
        let (_, reply) = buyer.reply().await.expect("connected");
        if reply["type"] == "ok" {
            acked.fetch_add(1, Ordering::Relaxed);
        }
        buyer.tell(&frame(next)).await.expect("connected");
        next += 1;
    }
}

/// Takes, and acks.
async fn listen(mut agent: Talker) {
    while agent.hear().await.is_ok() {
        agent.heard.clear();
    }
}
