//! Endpoints that fail, and the node that sends to them killed in between: everything arrives or is a dead letter, in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use shopbell_harness::{Fleet, Hook, Posted, Rest, TestNode, Value, json, long};
use tokio::time::sleep;

use crate::alone::{NODES, alone, sized};

/// Attempts that an event has.
const ATTEMPTS: u64 = 12;
/// The pauses after each failure, in units of the schedule (`docs/webhooks.md`).
const PAUSES: [u32; 11] = [1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];
/// For so long before and after a node is killed, what was under way may come late or twice: a lease lasts six seconds.
const UNREST: Duration = Duration::from_secs(8);
/// An event fails so many times, by its id: some never arrive.
const FAILURES: u64 = 21;
/// So many messages a second are said for the figure of the healthy endpoint.
///
/// Each is followed by nine attempts on average at each of the two that fail. Where messages come steadily, that is as many attempts a
/// second whether the schedule is compressed or not. Of a burst the schedule would spread them over four hours; compressed two hundred times
/// they all come beside it, and what is measured then are the processors.
const PACE: u32 = 200;
/// Messages of each buyer: of a conversation, one event after the other is tried to its end.
const EACH: usize = 5;

/// How often an event fails at an endpoint: 0 to 20 times, each number of times as often.
fn failures(id: &str) -> u64 {
    // FNV-1a: anything that spreads.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) % FAILURES
}

fn id(posted: &Posted) -> String {
    posted.headers["webhook-id"].clone()
}

fn position(posted: &Posted) -> i64 {
    posted.body["position"].as_i64().expect("a position")
}

/// By conversation, which events were taken: an event that comes again, after its node was killed, comes before the next one.
fn in_order(hook: &Hook) -> BTreeSet<i64> {
    let mut latest: BTreeMap<i64, i64> = BTreeMap::new();
    for posted in hook.taken() {
        let conversation = posted.body["data"]["conversation"].as_i64().expect("a conversation");
        let last = latest.entry(conversation).or_default();
        assert!(*last <= position(&posted), "{conversation}: {} after {last}", position(&posted));
        *last = position(&posted);
    }
    hook.taken().iter().map(position).collect()
}

/// A hook that fails each event as often as its id says.
async fn flaky() -> Hook {
    let tried = std::sync::Mutex::new(BTreeMap::<String, u64>::new());
    Hook::start(move |posted| {
        let mut tried = tried.lock().expect("no panic");
        let attempt = tried.entry(id(posted)).or_default();
        *attempt += 1;
        if *attempt <= failures(&id(posted)) { 503 } else { 200 }
    })
    .await
}

/// What a pause may be longer than the schedule has it, for a thousandth part each; of events at which nobody was killed, and of
/// pauses that are so long that the machine's own do not matter. In rising order.
fn delays(hook: &Hook, kills: &[Instant], unit: Duration) -> Vec<f64> {
    let disturbed = |at: Instant| kills.iter().any(|kill| at + UNREST > *kill && at < *kill + UNREST);
    let mut attempts: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
    for posted in hook.posted() {
        attempts.entry(id(&posted)).or_default().push(posted.at);
    }
    let calm = attempts.values().filter(|all| !all.iter().any(|at| disturbed(*at)));
    let gaps = calm.flat_map(|all| all.windows(2).zip(PAUSES).map(|(pair, pause)| (pair[1] - pair[0], unit * pause)));
    let long = gaps.filter(|(_, pause)| *pause >= Duration::from_secs(1));
    let mut delays: Vec<f64> = long.map(|(gap, pause)| gap.as_secs_f64() / pause.as_secs_f64() - 1.0).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

/// The word for a figure that is as it is wanted, or not.
fn verdict(is_kept: bool) -> &'static str {
    if is_kept { "kept" } else { "MISSED" }
}

async fn shown(owner: &Rest, webhook: &Value) -> Value {
    let list = owner.get("/shops/acme/webhooks").await.expect(200);
    list["items"].as_array().unwrap().iter().find(|shown| shown["id"] == webhook["id"]).expect("listed").clone()
}

async fn dead(owner: &Rest, webhook: &Value) -> BTreeSet<i64> {
    let (mut found, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/shops/acme/webhooks/{}/deliveries?limit=100{cursor}", webhook["id"]);
        let page = owner.get(&path).await.expect(200);
        for letter in page["items"].as_array().unwrap() {
            assert!(letter["attempts"].as_array().unwrap().len() as u64 >= ATTEMPTS, "{letter}");
            found.insert(letter["position"].as_i64().unwrap());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_or_is_a_dead_letter_while_senders_are_killed() {
    let _alone = alone().await;
    let messages: usize = sized(200, 10_000);
    // A second of the schedule lasts so long.
    let (unit, second) = sized(("1ms", 1), ("5ms", 5));
    let second = Duration::from_millis(second);
    let settings =
        [("webhooks.allow_private", "true"), ("webhooks.retry_unit", unit), ("webhooks.give_up_after", "1h")];
    let mut fleet = Fleet::start(NODES, &settings).await;
    let node: &TestNode = &fleet.nodes[0];
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let (healthy, failing) = (Hook::start(|_| 200).await, [flaky().await, flaky().await]);
    let mut webhooks = Vec::new();
    for hook in [&healthy, &failing[0], &failing[1]] {
        let body = json!({"url": hook.url(), "types": ["message.stored"]});
        webhooks.push(node.rest("owner").post("/shops/acme/webhooks", body).await.expect(201));
    }
    let began = Instant::now();
    // The first half is said while all nodes run, for the figure of the healthy one.
    speak(&fleet, 0..messages / 2, Some(PACE)).await;
    let pace = (messages / 2) as f64 / began.elapsed().as_secs_f64();
    let calm = messages / 2;
    until("the healthy one has what was said so far", async || healthy.count_taken() >= calm).await;
    let mut lags: Vec<f64> = healthy.taken().iter().map(lag).collect();
    lags.sort_by(f64::total_cmp);
    let mut kills = Vec::new();
    for killed in 0..NODES {
        let part = (messages - calm) / NODES;
        let (from, to) =
            (calm + killed * part, if killed + 1 == NODES { messages } else { calm + (killed + 1) * part });
        speak(&fleet, from..to, None).await;
        // In the midst of what is tried again.
        sleep(Duration::from_millis(500)).await;
        fleet.nodes[killed].kill();
        kills.push(Instant::now());
        fleet.restart(killed).await;
    }
    let owner = fleet.nodes[0].rest("owner");
    // Once, and not each time it is asked for what waits: this has the same processors as the nodes.
    until("the healthy one has everything", async || has_everything(&healthy, messages)).await;
    for webhook in &webhooks {
        until("nothing waits", async || shown(&owner, webhook).await["waiting"] == 0).await;
    }
    let everything = in_order(&healthy);
    assert_eq!(everything.len(), messages, "each message is an event");
    for (hook, webhook) in failing.iter().zip(&webhooks[1..]) {
        let (taken, dead) = (in_order(hook), dead(&owner, webhook).await);
        assert!(taken.is_disjoint(&dead));
        assert_eq!(&taken | &dead, everything, "delivered and parked are all");
        assert!(!dead.is_empty() && !taken.is_empty());
        let attempts = hook.posted().len();
        println!(
            "figure: webhooks: {messages} events at an endpoint that fails 0 to 20 times, {NODES} nodes killed: {} delivered, {} parked, \
             {attempts} attempts",
            taken.len(),
            dead.len(),
        );
        let delays = delays(hook, &kills, second);
        let Some(last) = delays.len().checked_sub(1) else { continue };
        let (p99, worst) = (delays[last * 99 / 100], delays[last]);
        let is_kept = p99 <= 0.1;
        println!(
            "figure: webhooks: {} pauses of a second and more, up to 5 % of which is jitter: p99 {:.1} % late, the worst {:.1} %; \
             within 10 %: {}",
            delays.len(),
            100.0 * p99,
            100.0 * worst,
            verdict(is_kept)
        );
        assert!(delays[0] > -0.05, "too early: {}", delays[0]);
        assert!(is_kept || !long(), "the schedule is not kept");
    }
    let p99 = lags[(lags.len() * 99 / 100).min(lags.len() - 1)];
    println!(
        "figure: webhooks: healthy endpoint beside them, {pace:.0} messages a second: p50 {:.2} s, p99 {p99:.2} s, at most 1 s: {}; \
         all in {:.1} s",
        lags[lags.len() / 2],
        verdict(p99 <= 1.0),
        began.elapsed().as_secs_f64()
    );
    assert!(pace >= 0.95 * f64::from(PACE) || !long(), "the pace was not kept");
    assert!(p99 <= 1.0 || !long(), "the healthy one waits for those that fail");
}

fn has_everything(hook: &Hook, messages: usize) -> bool {
    hook.count_taken() >= messages && hook.taken().iter().map(position).collect::<BTreeSet<_>>().len() >= messages
}

/// From when it happened until it arrived, in seconds; one machine has one clock.
fn lag(posted: &Posted) -> f64 {
    let arrived = SystemTime::now() - posted.at.elapsed();
    let happened = posted.body["at"].as_str().map(milliseconds).expect("a time");
    arrived.duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() - happened
}

fn milliseconds(at: &str) -> f64 {
    chrono::DateTime::parse_from_rfc3339(at).expect("RFC 3339").timestamp_millis() as f64 / 1_000.0
}

/// New buyers say these, each its share, over all nodes: so many a second, or each as soon as its last one is stored.
async fn speak(fleet: &Fleet, messages: std::ops::Range<usize>, pace: Option<u32>) {
    let began = tokio::time::Instant::now();
    let shares = messages.clone().step_by(EACH).enumerate();
    let said = shares.map(|(buyer, first)| {
        let rest = fleet.nodes[buyer % NODES].rest(&format!("b{first}"));
        let messages = messages.clone();
        async move {
            for n in first..messages.end.min(first + EACH) {
                if let Some(pace) = pace {
                    let seconds = (n - messages.start) as f64 / f64::from(pace);
                    tokio::time::sleep_until(began + Duration::from_secs_f64(seconds)).await;
                }
                let text = json!({"kind": "text", "text": n.to_string()});
                let message = json!({"id": n.to_string(), "to": {"shop": "acme"}, "content": text});
                rest.post("/messages", message).await.expect(201);
            }
        }
    });
    futures_util::future::join_all(said).await;
}

async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + sized(Duration::from_secs(120), Duration::from_secs(1_200));
    while !check().await {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
