//! What happens is told once and in its order, whatever dies; and what it costs to note it.

use std::collections::BTreeMap;
use std::time::Duration;

use shopbell_harness::{Fleet, Plan, Rest, TestNode, TestPostgres, Value, eventually, json};
use tokio::time::sleep;

use crate::alone::{NODES, Scene, alone, sized};
use crate::capacity::Load;
use crate::cost::Cost;

/// Who reads each shop's events.
const READER: &str = "reader";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_told_once_and_in_its_order_whatever_node_dies() {
    let _alone = alone().await;
    let plan = Plan { shops: 2, ..Plan::default() };
    let mut scene = Scene::on("events", Fleet::start(NODES, &[]).await, plan).await;
    let shops: Vec<String> = (0..2).map(|n| format!("shop{n}")).collect();
    for shop in &shops {
        scene.fleet.nodes[0].employ(shop, READER, "admin").await;
    }
    let (doors, token) = (scene.fleet.doors(), scene.fleet.nodes[0].token(READER));
    // Follows from node to node, as they die.
    let followed = {
        let (doors, token, shop) = (doors.clone(), token.clone(), shops[0].clone());
        tokio::spawn(async move {
            let mut all: Vec<Value> = Vec::new();
            for node in (0..NODES).cycle() {
                let base = doors[node].lock().expect("no panic").clone();
                let after = all.last().map_or(json!(0), |last| last["position"].clone());
                let path = format!("/shops/{shop}/events?after={after}&limit=100&wait=1");
                let asked = Rest::new(&base, Some(&token)).request(shopbell_harness::Method::GET, &path);
                if let Ok(answer) = asked.send().await
                    && answer.status() == 200
                    && let Ok(page) = answer.json::<Value>().await
                {
                    all.extend(page["items"].as_array().expect("items").iter().cloned());
                    let is_end = |event: &Value| event["data"]["message"]["content"]["text"] == "the end";
                    if all.last().is_some_and(is_end) {
                        return all;
                    }
                } else {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            unreachable!("nodes without end")
        })
    };
    for round in 0..sized(3, 20) {
        sleep(Duration::from_millis(500)).await;
        scene.fleet.nodes[round % NODES].kill();
        let repair = scene.crowd.repaired().await;
        scene.repairs.push(repair);
        scene.fleet.restart(round % NODES).await;
        scene.recovers().await;
    }
    let Scene { fleet, crowd, .. } = scene;
    let verdict = crowd.judged().await;
    let say = json!({"id": "end", "to": {"shop": shops[0]}, "content": {"kind": "text", "text": "the end"}});
    fleet.nodes[0].rest("last").post("/messages", say).await.expect(201);
    let ask = |sql: &str| fleet.postgres.ask(&fleet.database, sql);
    eventually("everything has its place", async || ask("SELECT count(*) FROM outbox") == "0").await;
    let mut told = 0;
    for shop in &shops {
        let events = all_of(&fleet.nodes[1], shop).await;
        told += events.len();
        if *shop == shops[0] {
            let followed = tokio::time::timeout(Duration::from_secs(30), followed).await;
            let followed = followed.expect("in time").expect("no panic");
            let place = |event: &Value| (event["position"].clone(), event["id"].clone(), event["type"].clone());
            let (live, later): (Vec<_>, Vec<_>) =
                (followed.iter().map(place).collect(), events.iter().map(place).collect());
            assert!(live == later, "who followed was told something else");
            break;
        }
    }
    for shop in &shops {
        judge(&all_of(&fleet.nodes[1], shop).await, shop, &ask);
    }
    println!(
        "figure: events: {} acked, nodes killed {} times; {told} events of one shop: none missing, none twice, all in order",
        verdict["acked"],
        sized(3, 20)
    );
}

async fn all_of(node: &TestNode, shop: &str) -> Vec<Value> {
    let (rest, mut all) = (node.rest(READER), Vec::<Value>::new());
    loop {
        let after = all.last().map_or(json!(0), |last| last["position"].clone());
        let page = rest.get(&format!("/shops/{shop}/events?after={after}&limit=100")).await.expect(200);
        let items = page["items"].as_array().expect("items");
        if items.is_empty() {
            assert_eq!(page["position"], page["last"]);
            return all;
        }
        all.extend(items.iter().cloned());
    }
}

/// Against what is stored: each message, each change of state or claim, each in the order of its conversation.
fn judge(events: &[Value], shop: &str, ask: &dyn Fn(&str) -> String) {
    let (mut said, mut changed) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, Vec<String>>::new());
    for (position, event) in (1_u64..).zip(events) {
        assert_eq!(event["position"], position, "{shop}");
        let (kind, data) = (event["type"].as_str().expect("a type"), &event["data"]);
        let Some(conversation) = data["conversation"].as_u64() else { continue };
        match kind.split_once('.').expect("a group") {
            ("message", "stored") => {
                let last = said.entry(conversation).or_default();
                assert_eq!(data["message"]["seq"], *last + 1, "{shop}: {event}");
                *last += 1;
            }
            ("conversation", "rated") => {}
            ("conversation", cause) => changed.entry(conversation).or_default().push(cause.to_owned()),
            _ => {}
        }
    }
    let stored = |sql: &str| -> BTreeMap<u64, String> {
        let sql = sql.replace("SHOP", shop);
        let rows = ask(&sql);
        rows.lines()
            .filter_map(|row| row.split_once('|'))
            .map(|(id, rest)| (id.parse().unwrap(), rest.into()))
            .collect()
    };
    let of = "FROM conversations c JOIN shops s ON s.id = c.shop_id AND s.shop = 'SHOP'";
    let records = stored(&format!("SELECT c.id, c.last_seq {of}"));
    let said: BTreeMap<u64, String> = said.into_iter().map(|(id, last)| (id, last.to_string())).collect();
    assert_eq!(said, records, "{shop}: messages");
    let timelines = stored(&format!(
        "SELECT c.id, string_agg(t.cause, ',' ORDER BY t.position) {of} JOIN timeline t ON t.conversation_id = c.id GROUP BY c.id"
    ));
    let changed: BTreeMap<u64, String> = changed.into_iter().map(|(id, causes)| (id, causes.join(","))).collect();
    assert_eq!(changed, timelines, "{shop}: changes");
}

/// The most that noting events may take of what is acked a second.
const SHARE: f64 = 0.9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noting_events_costs_little() {
    let _alone = alone().await;
    let (rounds, seconds) = (sized(1, 5), Duration::from_secs(sized(3, 10)));
    for database in ["SQLite", "PostgreSQL"] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            // One after the other, so that both have the same of whatever else the machine does.
            without.push(rate(database, "false", seconds).await);
            with.push(rate(database, "true", seconds).await);
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        let (with, without) = (median(&mut with), median(&mut without));
        println!(
            "figure: events: {database}: {with:.0} messages acked a second with events, {without:.0} without: {:.2} times ({rounds} rounds)",
            with / without
        );
        // A ratio of short runs says little; every day it is shown.
        assert!(!shopbell_harness::long() || with >= SHARE * without);
    }
}

async fn rate(database: &str, events: &str, time: Duration) -> f64 {
    let settings = [("events.enabled", events)];
    if database == "SQLite" {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("shopbell.db").display());
        let mut builder = TestNode::builder_without_database().database(&url);
        for limit in ["limits.messages_per_second", "limits.messages_burst", "limits.frames_per_second"] {
            builder = builder.set(limit, 1_000_000);
        }
        let node = builder.set("events.enabled", events).start().await;
        let load = Load::on(std::slice::from_ref(&node)).await;
        let rate = load.rate(time).await;
        println!("figure: events: SQLite, events {events}: {rate:.0} a second");
        return rate;
    }
    let fleet = Fleet::start_on(TestPostgres::start(), 1, &settings, Some(&TestPostgres::url)).await;
    let load = Load::on(&fleet.nodes).await;
    let before = Cost::now(&fleet, load.acked()).await;
    let rate = load.rate(time).await;
    let cost = Cost::now(&fleet, load.acked()).await.since(&before);
    println!("figure: events: PostgreSQL, events {events}: {rate:.0} a second; {cost}");
    rate
}
