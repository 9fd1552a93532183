//! How much three nodes on one PostgreSQL carry, beside one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, TestPostgres, json, talker::Talker};
use tokio::task::JoinHandle;

use crate::alone::{NODES, alone, sized};

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
    let (before, since) = (acked.load(Ordering::Relaxed), Instant::now());
    let usage = Usage::now(&fleet);
    tokio::time::sleep(time).await;
    let rate = (acked.load(Ordering::Relaxed) - before) as f64 / since.elapsed().as_secs_f64();
    println!("figure: capacity: {nodes} nodes: {rate:.0} a second; {}", Usage::now(&fleet).since(&usage));
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

/// Processor time used so far, in seconds: by this process, by the nodes, and by all.
struct Usage {
    own: f64,
    nodes: f64,
    postgres: f64,
    all: f64,
}

impl Usage {
    fn now(fleet: &Fleet) -> Self {
        let nodes = fleet.nodes.iter().map(|node| of(&format!("/proc/{}/stat", node.pid()))).sum();
        let postgres = fleet.postgres.processes().iter().map(|pid| of(&format!("/proc/{pid}/stat"))).sum();
        Self { own: of("/proc/self/stat"), nodes, postgres, all: machine() }
    }

    fn since(&self, earlier: &Self) -> String {
        let (own, nodes) = (self.own - earlier.own, self.nodes - earlier.nodes);
        let postgres = (self.postgres - earlier.postgres).max(0.0);
        let others = (self.all - earlier.all - own - nodes - postgres).max(0.0);
        format!(
            "CPU seconds: nodes {nodes:.1}, PostgreSQL {postgres:.1}, clients {own:.1}, others {others:.1} (Redis among them)"
        )
    }
}

/// `utime` and `stime` of proc(5); none for a process that has ended.
fn of(path: &str) -> f64 {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// All but idle and waiting.
fn machine() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields = fields.filter_map(|ticks| ticks.parse::<f64>().ok()).take(8).enumerate();
    fields.filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum::<f64>() / 100.0
}
