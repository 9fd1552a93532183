//! What shops keep no longer (the contract's sections 4 and 8).

use std::time::{Duration, Instant};

use shopbell_harness::{NodeBuilder, Person, TestNode, TestPostgres, TestRedis, Value, eventually_within, json};

use super::stored::Stored;

fn builder() -> NodeBuilder {
    TestNode::builder()
        .set("retention.every", "100ms")
        .set("limits.messages_per_second", 100_000)
        .set("limits.messages_burst", 100_000)
        .set("limits.frames_per_second", 100_000)
}

/// Waits for what retention does: after each piece of work it leaves the disk alone for four times as long as that took, up to 5 s.
async fn eventually(what: &str, check: impl AsyncFnMut() -> bool) {
    eventually_within(Duration::from_secs(60), what, check).await;
}

async fn keep(node: &TestNode, shop: &str, retention: Value) {
    node.operator().await.patch(&format!("/shops/{shop}"), json!({"retention": retention})).await.expect(200);
}

/// An uploaded image, as a content.
async fn image(person: &Person, byte: u8) -> Value {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x02\x08\x06\0\0\0".to_vec();
    png.push(byte);
    let file = person.rest.upload("a.png", "image/png", png).await.expect(201);
    json!({"kind": "image", "url": file["url"]})
}

async fn show(person: &mut Person, shop: &str, content: &Value) -> Value {
    person.ok(json!({"type": "send", "to": {"shop": shop}, "content": content})).await
}

async fn status(node: &TestNode, content: &Value) -> u16 {
    node.anonymous().get(&format!("/{}", content["url"].as_str().unwrap())).await.status
}

async fn what_is_old_goes(node: &TestNode) {
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let (ours, shared) = (image(&b1, 1).await, image(&b1, 2).await);
    let send = json!({"id": "old", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "long ago"}});
    let old = b1.rest.post("/messages", send.clone()).await.expect(201);
    let conversation = old["conversation"].as_u64().unwrap();
    show(&mut b1, "acme", &ours).await;
    show(&mut b1, "acme", &shared).await;
    b1.say("acme", "lately").await;
    let elsewhere = show(&mut b1, "bolt", &shared).await["conversation"].as_u64().unwrap();
    a1.hears("lately").await;
    let stored = Stored::of(node);
    stored.age(conversation, 3, 40);
    stored.age(elsewhere, 1, 40);

    keep(node, "acme", json!({"messages": 30, "files": 50})).await;
    eventually("old messages are gone", async || stored.contents(conversation, 1_000) == 1).await;
    assert_eq!(a1.texts(conversation).await, ["", "", "", "lately"]);
    let first = a1.rest.get(&format!("/conversations/{conversation}/messages/1")).await.expect(200);
    assert_eq!((&first["content"], &first["client_id"]), (&json!({"kind": "deleted"}), &json!("old")));
    let again = b1.rest.post("/messages", send).await.expect(200);
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(1), &json!(true)), "its key stays");
    a1.silence(json!({"type": "deleted"})).await;
    assert_eq!(stored.contents(elsewhere, 1), 1, "another shop's");
    assert_eq!((status(node, &ours).await, status(node, &shared).await), (200, 200), "files are kept longer");
    assert_eq!(node.metric("shopbell_removed_messages_total").await, 3);

    keep(node, "acme", json!({"files": 30})).await;
    eventually("the file is gone", async || status(node, &ours).await == 404).await;
    eventually("both have been looked at", async || stored.number("SELECT count(*) FROM file_uses") == 1).await;
    assert_eq!(status(node, &shared).await, 200, "another shop shows it");
    keep(node, "bolt", json!({"files": 30})).await;
    eventually("nobody shows it any more", async || status(node, &shared).await == 404).await;
    assert_eq!(stored.contents(elsewhere, 1), 1, "it keeps the message");
    assert_eq!(node.metric("shopbell_removed_files_total").await, 2);
}

#[tokio::test]
async fn what_is_old_goes_with_files_in_the_database() {
    let node = builder().start().await;
    what_is_old_goes(&node).await;
    assert_eq!(Stored::of(&node).number("SELECT count(*) FROM files"), 0);
}

#[tokio::test]
async fn what_is_old_goes_with_files_in_a_directory() {
    let files = tempfile::tempdir().unwrap();
    let node = builder().set("files.url", files.path().display()).start().await;
    what_is_old_goes(&node).await;
    let left = || std::fs::read_dir(files.path()).unwrap().count();
    eventually("they are unlinked", async || left() == 0).await;
    eventually("and forgotten", async || Stored::of(&node).number("SELECT count(*) FROM files") == 0).await;
}

#[tokio::test]
async fn of_two_nodes_one_does_it() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let start = || builder().database(&database).set("redis.url", redis.url()).start();
    let (one, two) = (start().await, start().await);
    one.shop("acme").await;
    let mut b1 = two.buyer("b1").await;
    let conversation = b1.opens("acme", "1").await;
    for n in 2..=300 {
        b1.say("acme", &n.to_string()).await;
    }
    let stored = Stored::of(&one);
    stored.age(conversation, 299, 40);
    keep(&two, "acme", json!({"messages": 30})).await;
    eventually("old messages are gone", async || stored.contents(conversation, 1_000) == 1).await;
    let removed = async |node: &TestNode| node.metric("shopbell_removed_messages_total").await;
    eventually("each is counted once", async || removed(&one).await + removed(&two).await == 299).await;
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_and_sends_pass_meanwhile() {
    const OLD: usize = 2_000;
    let mut node = builder().start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "0").await;
    for n in 1..OLD {
        let send = json!({"type": "send", "id": format!("old {n}"), "to": {"shop": "acme"}, "content": {"kind": "text", "text": n.to_string()}});
        b1.tell(send).await;
    }
    b1.expect(json!({"id": format!("old {}", OLD - 1), "type": "ok"})).await;
    let without = latencies(&mut b1, async |sent| sent < 200).await;
    let stored = Stored::of(&node);
    stored.age(conversation, OLD as u64, 40);
    keep(&node, "acme", json!({"messages": 30})).await;
    let left = async |node: &TestNode| OLD as u64 - node.metric("shopbell_removed_messages_total").await;
    eventually("it has begun", async || left(&node).await < OLD as u64).await;
    let with = latencies(&mut b1, async |_| left(&node).await > OLD as u64 * 3 / 4).await;
    println!("send to ack, p50 and p99: {without:?} without retention, {with:?} while it works");
    node.restart().await;
    let kept = stored.contents(conversation, OLD);
    assert!(kept > 0 && kept < OLD as i64, "{kept}: it was in the middle when it was killed");
    // The lease of the one that died has to run out first, on whatever node.
    stored.run("UPDATE leases SET until = 0");
    eventually("it goes on", async || stored.contents(conversation, OLD) == 0).await;
    assert!(stored.contents(conversation, 100_000) > 200, "what is young stays");
}

/// The median and the 99th percentile of the times from send to ack, while `more`.
async fn latencies(person: &mut Person, more: impl AsyncFn(usize) -> bool) -> [Duration; 2] {
    let mut times = Vec::new();
    while more(times.len()).await {
        for _ in 0..10 {
            let started = Instant::now();
            person.say("acme", "meanwhile").await;
            times.push(started.elapsed());
        }
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    [at(50), at(99)]
}
