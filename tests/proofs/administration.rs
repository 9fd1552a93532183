//! What a shop's back office asks, on many messages: how long it takes, what it costs those who chat, and how much memory an export needs.
//!
//! Slices with and without the queries alternate in one run, so that what else the machine does falls on both alike.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use shopbell_harness::{Method, NodeBuilder, Rest, TestNode, long, talker::Talker};
use tokio::time::{interval, sleep};

use crate::figures::{alone, databases, quantile, resident, sized, ticks_of_others, until_indexed};

/// People who chat in pairs, each of them every `CHAT_EVERY`.
const PEOPLE: usize = 16;
const CHAT_EVERY: Duration = Duration::from_millis(25);
/// Each slice, and how many there are of each kind.
const SLICE: Duration = Duration::from_secs(3);
const MEMORY_AT_MOST: u64 = 100 << 20;
/// A list's page: p99 in milliseconds.
const PAGE_AT_MOST: f64 = 20.0;
const MEDIAN_AT_MOST: f64 = 1.5;
const P99_AT_MOST: f64 = 3.0;

/// Shop, conversations and messages of the seed.
fn size() -> [&'static str; 3] {
    sized(["5", "1000", "100000"], ["20", "20000", "1000000"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_back_office_is_quick_and_disturbs_nobody() {
    let _alone = alone().await;
    let mut failures = Vec::new();
    let (_directory, databases) = databases();
    for (database, url) in databases {
        let builder = office_of(&url);
        let [shops, conversations, messages] = size();
        let seed = ["seed", "--shops", shops, "--conversations", conversations, "--messages", messages];
        let began = Instant::now();
        let seeded = builder.run(&seed);
        assert_eq!(seeded.code, Some(0), "{seeded:?}");
        println!(
            "figure: administration on {database}: {messages} messages seeded in {:.1} s",
            began.elapsed().as_secs_f64()
        );
        let node = builder.start().await;
        let took = until_indexed(&url).await.as_secs_f64();
        println!("figure: administration on {database}: {messages} messages indexed for search in {took:.0} s");
        let office = Office::of(&node).await;
        let slow = each_query(&node, &office, database).await;
        let ratios = company(&node, &office, database).await;
        if !slow.is_empty() || ratios[0] > MEDIAN_AT_MOST || ratios[1] > P99_AT_MOST {
            failures.push(format!("on {database}: slow {slow:?}, times as long with queries {ratios:?}"));
        }
    }
    assert!(!long() || failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_needs_the_same_memory_however_large_it_is() {
    let _alone = alone().await;
    let (_directory, databases) = databases();
    for (database, url) in databases {
        let messages = size()[2];
        let builder = office_of(&url);
        let seeded = builder.run(&["seed", "--shops", "1", "--conversations", size()[1], "--messages", messages]);
        assert_eq!(seeded.code, Some(0), "{seeded:?}");
        let node = builder.start().await;
        for format in ["csv", "xlsx", "jsonl"] {
            export(&node, format, messages.parse().expect("a number"), database).await;
        }
    }
}

fn office_of(url: &str) -> NodeBuilder {
    let unlimited = 1_000_000;
    TestNode::builder_without_database()
        .set("limits.messages_per_second", unlimited)
        .set("limits.messages_burst", unlimited)
        .database(url)
}

/// Somebody at a shop's back office, and what is asked there.
#[derive(Clone)]
struct Office {
    rest: Rest,
    queries: Vec<(&'static str, String)>,
}

impl Office {
    /// The largest shop's. What the server does not know yet is left out, and said.
    async fn of(node: &TestNode) -> Office {
        let rest = node.rest("admin@shop-01");
        let inbox = rest.get("/shops/shop-01/conversations?limit=100").await.expect(200);
        let items = inbox["items"].as_array().expect("a page");
        let longest = items.iter().max_by_key(|item| item["last_seq"].as_u64()).expect("a conversation");
        let middle = longest["last_seq"].as_u64().expect("a number") / 2;
        let cursor = inbox["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        let all = [
            ("inbox", "/shops/shop-01/conversations?limit=50".to_owned()),
            ("inbox, second page", format!("/shops/shop-01/conversations?limit=50{cursor}")),
            ("inbox, resolved", "/shops/shop-01/conversations?limit=50&state=resolved".to_owned()),
            ("history", format!("/conversations/{}/messages?limit=50", longest["id"])),
            ("history, middle", format!("/conversations/{}/messages?limit=50&before={middle}", longest["id"])),
            ("tickets", "/shops/shop-01/tickets?limit=50".to_owned()),
            ("search, a word", "/shops/shop-01/messages?q=refund&limit=20".to_owned()),
            ("search, two characters", "/shops/shop-01/messages?q=%E9%80%80%E6%AC%BE&limit=20".to_owned()),
            ("search, a number", "/shops/shop-01/messages?q=A1234&limit=20".to_owned()),
            ("statistics, 30 days", format!("/shops/shop-01/stats?bucket=day{}", month())),
        ];
        let mut queries = Vec::new();
        for (name, path) in all {
            match rest.get(&path).await.status {
                200 => queries.push((name, path)),
                status => println!("figure: administration: {name} is not answered: {status}"),
            }
        }
        assert!(queries.len() >= 6, "{queries:?}");
        Office { rest, queries }
    }

    /// How long each of `count` rounds of a query took, in milliseconds.
    async fn ask(&self, path: &str, count: usize) -> Vec<f64> {
        let mut times = Vec::new();
        for _ in 0..count {
            let began = Instant::now();
            let answer = self.rest.get(path).await;
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
            assert_eq!(answer.status, 200, "{path}");
        }
        times
    }
}

/// The last 30 days, as the query of `stats`.
fn month() -> String {
    let date = |days: &str| {
        let output = Command::new("date").args(["-u", "-d", days, "+%Y-%m-%dT00:00:00Z"]).output().expect("date(1)");
        String::from_utf8(output.stdout).expect("ASCII").trim().to_owned()
    };
    format!("&from={}&to={}", date("30 days ago"), date("today"))
}

/// Each query by itself, with nobody else there; gives those that take too long.
async fn each_query(node: &TestNode, office: &Office, database: &str) -> Vec<(&'static str, f64)> {
    let mut slow = Vec::new();
    for (name, path) in &office.queries {
        office.ask(path, 3).await;
        let others = ticks_of_others(node);
        let began = Instant::now();
        let mut times = office.ask(path, sized(30, 200)).await;
        let others = ticks_of_others(node).saturating_sub(others) as f64 / 100.0 / began.elapsed().as_secs_f64();
        let (median, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        println!(
            "figure: administration on {database}: {name}: p50 {median:.1} ms, p99 {p99:.1} ms, while others took {others:.2} processors"
        );
        if p99 > PAGE_AT_MOST && !name.starts_with("statistics") {
            slow.push((*name, p99));
        }
    }
    let mut first = Vec::new();
    for _ in 0..sized(3, 20) {
        let (_, took) = begin_export(node, "csv").await;
        first.push(took.as_secs_f64() * 1_000.0);
    }
    let (median, p99) = (quantile(&mut first, 0.5), quantile(&mut first, 0.99));
    println!("figure: administration on {database}: first byte of an export: p50 {median:.1} ms, p99 {p99:.1} ms");
    slow
}

/// What chatting showed in slices of one kind.
#[derive(Default)]
struct Slices {
    times: Vec<f64>,
    ticks_of_others: u64,
    seconds: f64,
}

impl Slices {
    fn others(&self) -> f64 {
        self.ticks_of_others as f64 / 100.0 / self.seconds
    }
}

/// People chat, while the office asks everything in a loop, and while it does not; gives how many times as long an ack takes then, at the
/// median and at p99.
async fn company(node: &TestNode, office: &Office, database: &str) -> [f64; 2] {
    let mut slices = [Slices::default(), Slices::default()];
    for number in 0..2 * sized(2, 8) {
        let asks = number % 2 == 1;
        let over = Arc::new(AtomicBool::new(false));
        let talk = |at: usize| {
            let (uid, peer) = (format!("person-{at}"), format!("person-{}", at ^ 1));
            let (base, token) = (node.base().to_owned(), node.token(&uid));
            tokio::spawn(chat(base, uid, token, peer, number, Arc::clone(&over)))
        };
        let chats: Vec<_> = (0..PEOPLE).map(talk).collect();
        let asking = asks.then(|| tokio::spawn(in_a_loop(office.clone(), Arc::clone(&over))));
        // And an export that is read as fast as it comes.
        let export = if asks { Some(begin_export(node, "csv").await.0) } else { None };
        let reading =
            export.map(|mut export| tokio::spawn(async move { while let Ok(Some(_)) = export.chunk().await {} }));
        let (began, ticks) = (Instant::now(), ticks_of_others(node));
        sleep(SLICE).await;
        over.store(true, Ordering::Relaxed);
        let slice = &mut slices[usize::from(asks)];
        slice.ticks_of_others += ticks_of_others(node).saturating_sub(ticks);
        slice.seconds += began.elapsed().as_secs_f64();
        for chat in join_all(chats).await {
            slice.times.extend(chat.expect("people chat"));
        }
        if let Some(reading) = reading {
            reading.abort();
        }
        if let Some(asking) = asking {
            assert!(asking.await.expect("all is answered") > 0);
        }
    }
    let [without, with] = &mut slices;
    let of = |slice: &mut Slices| [quantile(&mut slice.times, 0.5), quantile(&mut slice.times, 0.99)];
    let (alone, company) = (of(without), of(with));
    let ratios = [company[0] / alone[0], company[1] / alone[1]];
    println!(
        "figure: administration on {database}: send to ack p50 {:.2} ms, p99 {:.2} ms with queries in a loop, {:.2} ms and {:.2} ms \
         without ({:.2} and {:.2} times), while others took {:.2} and {:.2} processors",
        company[0],
        company[1],
        alone[0],
        alone[1],
        ratios[0],
        ratios[1],
        with.others(),
        without.others(),
    );
    ratios
}

/// Asks everything, one after the other, and again; gives how often.
async fn in_a_loop(office: Office, over: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let (_, path) = &office.queries[count % office.queries.len()];
        office.ask(path, 1).await;
        count += 1;
    }
    count
}

/// Chats until it is over; gives after how many milliseconds each message was acked.
async fn chat(base: String, uid: String, token: String, peer: String, slice: usize, over: Arc<AtomicBool>) -> Vec<f64> {
    let mut talker = Talker::login(&base, &uid, &token).await.expect("connected");
    let mut tick = interval(CHAT_EVERY);
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        tick.tick().await;
        let id = format!("{slice}-{}", times.len());
        let send = json!({"type": "send", "id": id, "to": {"user": peer}, "content": {"kind": "text", "text": "how are you?"}});
        let began = Instant::now();
        let reply = talker.ask(send).await.expect("connected");
        assert_eq!(reply["type"], "ok", "{reply}");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        talker.heard.clear();
    }
    times
}

/// A link that is followed, up to its first byte; how long that took.
async fn begin_export(node: &TestNode, format: &str) -> (reqwest::Response, Duration) {
    let body = json!({"format": format, "what": "messages"});
    let ask = || async { node.rest("admin@shop-01").post("/shops/shop-01/exports", body.clone()).await };
    loop {
        let made = ask().await.expect(201);
        let url = format!("/{}", made["url"].as_str().expect("a link"));
        let began = Instant::now();
        let mut response = node.anonymous().request(Method::GET, &url).send().await.expect("an answer");
        if response.status() == 429 {
            // The one before has not been noticed to be gone.
            sleep(Duration::from_millis(50)).await;
            continue;
        }
        assert_eq!(response.status(), 200);
        assert!(response.chunk().await.expect("a body").is_some());
        return (response, began.elapsed());
    }
}

/// Exports the shop to its end, and watches the server's memory.
async fn export(node: &TestNode, format: &'static str, messages: u64, database: &str) {
    let before = resident(node);
    let began = Instant::now();
    let (mut response, _) = begin_export(node, format).await;
    let (mut bytes, mut lines, mut peak) = (0, 0, before);
    while let Some(chunk) = response.chunk().await.expect("the whole of it") {
        bytes += chunk.len();
        lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        peak = peak.max(resident(node));
    }
    let grown = peak.saturating_sub(before);
    println!(
        "figure: administration on {database}: export of {messages} messages as {format}: {:.1} MiB in {:.1} s; \
         the server's memory {:.1} MiB, {:.1} MiB more than before",
        bytes as f64 / f64::from(1 << 20),
        began.elapsed().as_secs_f64(),
        peak as f64 / f64::from(1 << 20),
        grown as f64 / f64::from(1 << 20),
    );
    if format == "jsonl" {
        // But for the first piece, which was read before.
        assert!((messages * 9 / 10..=messages).contains(&lines), "{lines} lines");
    }
    assert!(peak <= MEMORY_AT_MOST, "{peak} bytes in all");
}
