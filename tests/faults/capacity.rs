//! How much three nodes on one PostgreSQL carry, beside one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, TestNode, TestPostgres, json, talker::Talker};
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
    let load = Load::on(&fleet.nodes).await;
    let before = Cost::now(&fleet, load.acked()).await;
    let rate = load.rate(time).await;
    let cost = Cost::now(&fleet, load.acked()).await.since(&before);
    println!("figure: capacity: {nodes} nodes: {rate:.0} a second; {cost}");
    rate
}

/// Buyers who say what they can; each one's agent is on the next node.
pub struct Load {
    acked: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Load {
    /// Begins, and has begun for a second.
    pub async fn on(nodes: &[TestNode]) -> Self {
        let (acked, mut tasks) = (Arc::new(AtomicU64::new(0)), Vec::new());
        let (agents, buyers) = arrive(nodes).await;
        for agent in agents {
            tasks.push(tokio::spawn(listen(agent)));
        }
        for (uid, conversation, buyer) in buyers {
            tasks.push(tokio::spawn(flood(buyer, uid, conversation, Arc::clone(&acked))));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Self { acked, tasks }
    }

    /// How many messages have been acked.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// How many are acked a second, in this time.
    pub async fn rate(&self, time: Duration) -> f64 {
        let (first, since) = (self.acked(), Instant::now());
        tokio::time::sleep(time).await;
        (self.acked() - first) as f64 / since.elapsed().as_secs_f64()
    }
}

/// Agents, and buyers with their conversations.
async fn arrive(nodes: &[TestNode]) -> (Vec<Talker>, Vec<(String, u64, Talker)>) {
    let shop = nodes[0].shop("acme").await;
    let mut agents = Vec::new();
    for at in 0..AGENTS {
        let uid = format!("a{at}");
        nodes[0].employ(&shop, &uid, "agent").await;
        let token = nodes[0].token(&uid);
        agents.push(Talker::login(nodes[at % nodes.len()].base(), &uid, &token).await.expect("connected"));
    }
    let mut buyers = Vec::new();
    for at in 0..BUYERS {
        let uid = format!("b{at}");
        let token = nodes[0].token(&uid);
        let node = &nodes[(at + 1) % nodes.len()];
        let mut buyer = Talker::login(node.base(), &uid, &token).await.expect("connected");
        let content = json!({"kind": "text", "text": "hi"});
        let hi = json!({"type": "send", "id": format!("{uid}-hi"), "to": {"shop": shop}, "content": content});
        let conversation = buyer.ask(hi).await.expect("connected")["conversation"].as_u64().expect("a number");
        let claim = json!({"type": "claim", "conversation": conversation});
        assert_eq!(agents[at % AGENTS].ask(claim).await.expect("connected")["type"], "ok");
        buyers.push((uid, conversation, buyer));
    }
    (agents, buyers)
}

/// Says one more for each `ok`.
async fn flood(mut buyer: Talker, uid: String, conversation: u64, acked: Arc<AtomicU64>) {
    let frame = |number: usize| {
        let content = json!({"kind": "text", "text": format!("message {number}, {}", "x".repeat(100))});
        json!({"type": "send", "id": format!("{uid}-{number}"), "to": {"conversation": conversation}, "content": content})
    };
    let mut next = WINDOW;
    for number in 0..WINDOW {
        buyer.tell(&frame(number)).await.expect("connected");
    }
    loop {
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
