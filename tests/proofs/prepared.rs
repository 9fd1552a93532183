//! Processes die at every point of sending in two phases, again and again: each message is there exactly if the transaction that it
//! belongs to was good. One node on SQLite, and three on PostgreSQL of which the others go on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use shopbell::store::location::Location;
use shopbell_harness::{
    BackEnd, Method, NodeBuilder, Rest, SECRET, TestNode, TestPostgres, TestRedis, long, now, sign,
};
use tokio::time::sleep;

use crate::figures::{alone, random, sized};

/// Where the process dies, and before how many passings at the most.
const POINTS: [(&str, u64); 11] = [
    ("prepare.written", 12),
    ("prepare.stored", 12),
    ("commit.written", 8),
    ("commit.stored", 8),
    ("abort.written", 4),
    ("abort.stored", 4),
    ("check_back.taken", 4),
    ("check_back.answered", 4),
    ("check_back.decided", 4),
    ("journal.written", 40),
    ("journal.committed", 40),
];
/// So many transactions of the shop's back end run at a time, each for a buyer of its own.
const CLIENTS: usize = 16;
const NODES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);
/// A node that has not come to its point in so long is killed wherever it is.
const AWAITED: Duration = Duration::from_secs(3);
/// All of it takes no longer.
const LONGEST: Duration = Duration::from_secs(900);

/// How a transaction of the shop's ends. Its back end may die before it says so; then it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Good,
    Bad,
}

/// What the shop's back end knows of its transactions, by the `id` of their messages.
#[derive(Default)]
struct Ledger {
    ends: Mutex<HashMap<String, End>>,
}

impl Ledger {
    fn end(&self, id: &str, end: End) {
        self.ends.lock().expect("nobody panics").insert(id.to_owned(), end);
    }

    fn answer(&self, id: &str) -> &'static str {
        match self.ends.lock().expect("nobody panics").get(id) {
            Some(End::Good) => "commit",
            Some(End::Bad) => "abort",
            None => "unknown",
        }
    }
}

/// Where the nodes are now, through all their deaths.
struct Doors {
    bases: Vec<Mutex<String>>,
    turn: AtomicUsize,
    /// A node has died at each of the points: nothing more need be sent.
    is_proved: AtomicBool,
}

impl Doors {
    fn to(nodes: &[TestNode]) -> Doors {
        let bases = nodes.iter().map(|node| Mutex::new(node.base().to_owned())).collect();
        Doors { bases, turn: AtomicUsize::new(0), is_proved: AtomicBool::new(false) }
    }

    /// At one node after the other.
    fn rest(&self, token: &str) -> Rest {
        let at = self.turn.fetch_add(1, Ordering::Relaxed) % self.bases.len();
        Rest::new(&self.bases[at].lock().expect("nobody panics"), Some(token))
    }

    /// Asks until there is an answer that is one.
    async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let end = Instant::now() + PATIENCE;
        loop {
            let request = self.rest(token).request(Method::POST, path).json(body).timeout(Duration::from_secs(5));
            if let Ok(response) = request.send().await
                && let status = response.status().as_u16()
                && status != 503
                && let Ok(bytes) = response.bytes().await
            {
                return (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null));
            }
            assert!(Instant::now() < end, "no answer to {path} {body}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One transaction after the other, `count` at least; gives how each ended.
async fn client(
    doors: Arc<Doors>,
    ledger: Arc<Ledger>,
    uid: String,
    mut random: StdRng,
    count: usize,
) -> Vec<(String, End)> {
    let token = sign(SECRET, &json!({"sub": uid, "iat": now(), "exp": now() + 36_000}));
    let mut all = Vec::new();
    for n in 0.. {
        if n >= count && doors.is_proved.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{uid}-{n}");
        let said = json!({"id": id, "to": {"shop": "acme"}, "content": {"kind": "text", "text": id}});
        let (status, prepared) = doors.post(&token, "/messages/prepare", &said).await;
        assert!(matches!(status, 200 | 201), "{status} {prepared}");
        let end = if random.random_bool(0.6) { End::Good } else { End::Bad };
        ledger.end(&id, end);
        // Half of them say so; of the others the shop is asked.
        if random.random_bool(0.5) {
            let (path, fine) = match end {
                End::Good => ("/messages/commit", [200, 201]),
                End::Bad => ("/messages/abort", [204, 204]),
            };
            let (status, answer) = doors.post(&token, path, &json!({"ticket": prepared["ticket"]})).await;
            assert!(fine.contains(&status), "{id}: {path} gives {status} {answer}");
        }
        all.push((id, end));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_there_exactly_if_its_transaction_was_good() {
    let _alone = alone().await;
    prove("two phases", vec![builder().start().await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_it_is_while_other_nodes_go_on() {
    let _alone = alone().await;
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(builder().database(&database).set("redis.url", redis.url()).start().await);
    }
    prove("two phases on three nodes", nodes).await;
}

fn builder() -> NodeBuilder {
    // A debug build has these points, whatever the other proofs run on.
    TestNode::builder()
        .debug()
        .set("limits.messages_per_second", 1_000_000)
        .set("limits.messages_burst", 1_000_000)
        .set("webhooks.allow_private", true)
        .set("prepare.timeout", "300ms")
        .set("prepare.pause", "50ms")
}

async fn prove(name: &str, mut nodes: Vec<TestNode>) {
    let of_each = sized(320_usize, 5_008) / CLIENTS;
    let mut random = random(name);
    let ledger = Arc::new(Ledger::default());
    let knows = ledger.clone();
    let back_end = BackEnd::start(move |question| {
        let id = question.body["id"].as_str().expect("an id");
        Some((200, json!({"answer": knows.answer(id)}).to_string()))
    });
    let back_end = back_end.await;
    nodes[0].shop("acme").await;
    let url = json!({"url": back_end.url()});
    nodes[0].operator().await.post("/shops/acme/check-back", url).await.expect(201);

    let doors = Arc::new(Doors::to(&nodes));
    let start = |n: usize, random: StdRng| {
        tokio::spawn(client(doors.clone(), ledger.clone(), format!("b{n}"), random, of_each))
    };
    let clients: Vec<_> = (0..CLIENTS).map(|n| start(n, rand::SeedableRng::seed_from_u64(random.random()))).collect();
    // Each node is on its way to a point of its own.
    let mut deaths: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut points, began) = (POINTS.iter().cycle(), Instant::now());
    let mut awaited: Vec<Option<(&str, Instant)>> = vec![None; nodes.len()];
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        assert!(began.elapsed() < LONGEST, "it died at {deaths:?}");
        for (at, node) in nodes.iter_mut().enumerate() {
            let died = match awaited[at] {
                Some((point, _)) if node.has_ended() => Some(point),
                Some((_, since)) if since.elapsed() < AWAITED => continue,
                Some(_) => Some("anywhere"),
                None => None,
            };
            *deaths.entry(died.unwrap_or("anywhere")).or_default() += 1;
            let is_proved = POINTS.iter().all(|(point, _)| deaths.contains_key(point));
            doors.is_proved.store(is_proved, Ordering::Relaxed);
            let (point, most) = points.next().expect("always one");
            let passings = random.random_range(1..=*most);
            node.restart_to_die("SHOPBELL_FAILPOINT", &format!("{point}={passings}"));
            doors.bases[at].lock().expect("nobody panics").clone_from(&node.base().to_owned());
            awaited[at] = Some((point, Instant::now()));
        }
        sleep(Duration::from_millis(5)).await;
    }
    let mut ended = Vec::new();
    for client in join_all(clients).await {
        ended.extend(client.expect("no panic"));
    }
    for node in &mut nodes {
        node.restart_with("SHOPBELL_FAILPOINT", "").await;
    }
    settle(&nodes[0]).await;
    judge(name, &nodes[0], &ended, &deaths).await;
}

/// Waits until nothing is open any more.
async fn settle(node: &TestNode) {
    node.employ("acme", "boss", "admin").await;
    let boss = node.rest("boss");
    if !long() {
        // What a node that has died had taken upon itself is due again after 20 s.
        let mut db = Location::parse(node.database()).and_then(|at| at.writer()).expect("the database");
        db.batch_execute("UPDATE prepared SET due_at = 0 WHERE due_at IS NOT NULL").expect("due at once");
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let open = boss.get("/shops/acme/prepared?state=prepared").await.expect(200)["items"].clone();
        if open == json!([]) {
            break;
        }
        assert!(Instant::now() < end, "still open: {open:#}");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(boss.get("/shops/acme/prepared?state=parked").await.expect(200)["items"], json!([]));
}

async fn judge(name: &str, node: &TestNode, ended: &[(String, End)], deaths: &BTreeMap<&str, usize>) {
    let mut said: HashMap<String, usize> = HashMap::new();
    for n in 0..CLIENTS {
        let rest = node.rest(&format!("b{n}"));
        for conversation in rest.get("/conversations").await.expect(200)["items"].as_array().expect("a list") {
            let (path, mut after) = (format!("/conversations/{}/messages", conversation["id"]), 0);
            loop {
                let page = rest.get(&format!("{path}?after={after}&limit=200")).await.expect(200);
                for message in page["items"].as_array().expect("a list") {
                    after += 1;
                    assert_eq!(message["seq"], after, "a hole");
                    *said.entry(message["content"]["text"].as_str().expect("a text").to_owned()).or_default() += 1;
                }
                if page["more"] == false {
                    break;
                }
            }
        }
    }
    let good = ended.iter().filter(|(_, end)| *end == End::Good);
    let missing = good.clone().filter(|(id, _)| !said.contains_key(id)).count();
    let doubled = said.values().filter(|count| **count > 1).count();
    let bad: Vec<&String> = ended.iter().filter(|(_, end)| *end == End::Bad).map(|(id, _)| id).collect();
    let phantoms = bad.iter().filter(|id| said.contains_key(**id)).count();
    println!(
        "figure: {name}: {} sends, {} of them good, killed {} times, at {deaths:?}: {phantoms} phantoms, {missing} missing, \
         {doubled} doubled",
        ended.len(),
        good.count(),
        deaths.values().sum::<usize>()
    );
    assert_eq!((phantoms, missing, doubled), (0, 0, 0));
    assert_eq!(said.len() + bad.len(), ended.len(), "nothing else is there");
    let unmet: Vec<_> = POINTS.iter().filter(|(point, _)| !deaths.contains_key(point)).collect();
    assert!(unmet.is_empty(), "it never died at {unmet:?}");
}
