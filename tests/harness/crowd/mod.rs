//! Buyers and agents who talk all the time, on any node they reach, and write down what they see.
//!
//! A user whose connection ends, or is silent, goes to the next node, and sends what has no `ok` again with the same ids. What
//! is `unavailable` is tried again when the server says. Agents claim what waits, answer, release and resolve.

mod log;
mod plan;
mod user;

use self::log::{message, told_event};
pub use self::plan::Plan;
use self::plan::uid;
use self::user::{User, token};
use super::history::History;
use super::ledger::{Ledger, Repair};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long a repair may take.
const REPAIR: Duration = Duration::from_secs(5);
/// How long it takes to settle, at most.
const SETTLING: Duration = Duration::from_secs(30);

/// Where the nodes are: `http://127.0.0.1:41234` each. A node that comes back elsewhere is written in here.
pub type Doors = Arc<Vec<Mutex<String>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Talk,
    /// Nothing new is said; what is under way comes to its end.
    Settle,
    Leave,
}

/// What all users share.
struct Stage {
    doors: Doors,
    plan: Plan,
    history: History,
    ledger: Ledger,
    left: AtomicI64,
    conversations: Mutex<HashMap<u64, usize>>,
}

/// Everybody.
pub struct Crowd {
    stage: Arc<Stage>,
    phase: watch::Sender<Phase>,
    users: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Lets everybody in. The shops and their agents must exist ([`Plan::hire`]).
    pub async fn gather(plan: Plan, doors: Doors, seed: u64) -> Self {
        let (left, users) = (AtomicI64::new(plan.messages), plan.users());
        let stage = Stage {
            doors,
            plan,
            history: History::new(),
            ledger: Ledger::default(),
            left,
            conversations: Mutex::default(),
        };
        let (stage, phase) = (Arc::new(stage), watch::Sender::new(Phase::Talk));
        let start = |index| tokio::spawn(User::new(index, Arc::clone(&stage), phase.subscribe(), seed).live());
        let users = (0..users).map(start).collect();
        let crowd = Self { stage, phase, users };
        // Everybody is there, and has been served.
        crowd.repaired_within(SETTLING).await;
        crowd
    }

    /// What has been promised and given so far.
    pub fn ledger(&self) -> &Ledger {
        &self.stage.ledger
    }

    /// The users' log.
    pub fn history(&self) -> &History {
        &self.stage.history
    }

    /// From now until everybody has been served, and what was acked by now delivered. Where it takes too long, the log stays.
    #[track_caller]
    pub fn repaired(&self) -> impl Future<Output = Repair> {
        self.repaired_within(REPAIR)
    }

    /// The same with another bound.
    #[track_caller]
    pub fn repaired_within(&self, bound: Duration) -> impl Future<Output = Repair> {
        let caller = std::panic::Location::caller();
        async move {
            let repaired = self.stage.ledger.repaired(self.stage.plan.users(), bound).await;
            repaired.unwrap_or_else(|late| {
                panic!("{late}, at {caller}; the log is {}", self.stage.history.keep().display())
            })
        }
    }

    /// Waits until so many messages have been acked.
    pub async fn acked(&self, count: u64) {
        let mut last = (self.stage.ledger.count(), Instant::now());
        while self.stage.ledger.count() < count {
            sleep(Duration::from_millis(5)).await;
            let now = self.stage.ledger.count();
            if now > last.0 {
                last = (now, Instant::now());
            }
            assert!(last.1.elapsed() < SETTLING, "no ack for {SETTLING:?}, {now} of {count}");
        }
    }

    /// Lets everything come to its end, reads every conversation through every node, and lets the checker judge: no fault may be found, and
    /// nothing odd have happened. Gives the checker's figures.
    #[track_caller]
    pub fn judged(mut self) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            self.phase.send_replace(Phase::Settle);
            let end = Instant::now() + SETTLING;
            while self.stage.ledger.waiting() != (0, 0) && Instant::now() < end {
                sleep(Duration::from_millis(20)).await;
            }
            // What consoles have missed comes within one sweep.
            sleep(Duration::from_millis(3_000)).await;
            self.read_records().await;
            self.phase.send_replace(Phase::Leave);
            for user in std::mem::take(&mut self.users) {
                user.await.expect("no panic");
            }
            let oddities = self.stage.ledger.oddities();
            let verdict = self.stage.history.must_be_good();
            assert!(oddities.is_empty(), "{oddities:#?}, at {caller}");
            assert_eq!(verdict["refused_without_time"], 0, "{verdict:#}");
            verdict
        }
    }

    /// Each conversation as its buyer reads it, through each node.
    async fn read_records(&self) {
        let conversations: Vec<(u64, usize)> =
            self.stage.conversations.lock().expect("no panic").iter().map(|(id, user)| (*id, *user)).collect();
        for (node, door) in self.stage.doors.iter().enumerate() {
            let base = door.lock().expect("no panic").clone();
            let reads = futures_util::stream::iter(&conversations).for_each_concurrent(8, |(conversation, user)| {
                self.read_record(node, base.clone(), *conversation, *user)
            });
            reads.await;
        }
    }

    async fn read_record(&self, node: usize, base: String, conversation: u64, user: usize) {
        let uid = uid(&self.stage.plan, user).1;
        let rest = super::rest::Rest::new(&base, Some(&token(&uid)));
        let session = format!("{uid} reads {conversation} at n{node}");
        let history = &self.stage.history;
        history.write(&session, json!({"event": "open", "user": uid, "node": format!("n{node}")}));
        let told = rest.get(&format!("/conversations/{conversation}")).await.expect(200);
        history.write(&session, told_event(&told));
        let mut messages: Vec<Value> = Vec::new();
        loop {
            let after = messages.last().map_or(json!(0), |last| last["seq"].clone());
            let path = format!("/conversations/{conversation}/messages?limit=100&after={after}");
            let page = rest.get(&path).await.expect(200);
            let items = page["items"].as_array().expect("items");
            messages.extend(items.iter().map(message));
            if page["more"] != true {
                break;
            }
        }
        history.write(&session, json!({"event": "record", "conversation": conversation, "messages": messages}));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.users.iter().for_each(JoinHandle::abort);
    }
}
