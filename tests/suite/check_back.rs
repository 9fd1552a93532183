//! What nobody has decided of messages in two phases, the shop is asked about (`docs/two-phase-send.md`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use shopbell::auth::webhook_signature;
use shopbell_harness::{
    Answer, BackEnd, Method, NodeBuilder, Rest, TestNode, TestPostgres, TestRedis, Value, eventually, json,
};

use super::stored::Stored;

fn builder() -> NodeBuilder {
    TestNode::builder()
        .set("webhooks.allow_private", true)
        .set("prepare.timeout", "50ms")
        .set("prepare.pause", "1ms")
        .set("limits.messages_per_second", 100_000)
        .set("limits.messages_burst", 100_000)
}

fn answers(answer: &str) -> Option<(u16, String)> {
    Some((200, json!({ "answer": answer }).to_string()))
}

/// Has the shop asked at this back end; gives the secret.
async fn asks(node: &TestNode, shop: &str, back_end: &BackEnd) -> String {
    let operator = node.operator().await;
    let set = operator.post(&format!("/shops/{shop}/check-back"), json!({"url": back_end.url()})).await.expect(201);
    set["secret"].as_str().unwrap().to_owned()
}

async fn prepares(rest: &Rest, shop: &str, id: &str) -> Value {
    let wanted = json!({"id": id, "to": {"shop": shop}, "content": {"kind": "text", "text": id}});
    rest.post("/messages/prepare", wanted).await.expect(201)
}

/// Each prepared message of acme, by what its sender calls it.
async fn prepared(boss: &Rest) -> BTreeMap<String, Value> {
    let items = boss.get("/shops/acme/prepared?limit=100").await.expect(200)["items"].clone();
    items.as_array().unwrap().iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())).collect()
}

async fn are_all(boss: &Rest, state: &str) -> bool {
    prepared(boss).await.values().all(|item| item["state"] == state)
}

#[tokio::test]
async fn the_shop_says_what_becomes_of_it() {
    let back_end = BackEnd::start(|question| match question.body["id"].as_str() {
        Some("paid") => answers("commit"),
        Some("broken off") => answers("abort"),
        Some("slow") if question.body["asked"] == 3 => answers("commit"),
        _ => answers("unknown"),
    });
    let back_end = back_end.await;
    let mut node = builder().start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await.rest;
    let mut a1 = node.agent("acme", "a1").await;
    let secret = asks(&node, "acme", &back_end).await;
    let b1 = node.rest("b1");
    let paid = prepares(&b1, "acme", "paid").await;
    a1.hears("paid").await;
    prepares(&b1, "acme", "broken off").await;
    prepares(&b1, "acme", "slow").await;
    a1.hears("slow").await;
    eventually("all are decided", async || {
        prepared(&boss).await.values().all(|item| item["decided_by"] == "check_back")
    })
    .await;
    let now = prepared(&boss).await;
    assert_eq!((&now["broken off"]["state"], &now["broken off"]["content"]), (&json!("aborted"), &Value::Null));
    assert_eq!((&now["slow"]["asked"], &now["slow"]["heard"]), (&json!(3), &json!("unknown")));
    a1.silence(json!({"type": "message"})).await;

    let asked = back_end.asked();
    let first = asked.iter().find(|question| question.body["id"] == "paid").unwrap();
    let asking = json!({
        "version": 1, "type": "check_back", "ticket": paid["ticket"], "shop": "acme", "id": "paid", "from": "b1",
        "conversation": null, "at": paid["at"], "asked": 1,
    });
    assert_eq!(first.body, asking, "what was to be said is not in it");
    let header = |name: &str| first.headers[name].as_str();
    assert_eq!((header("webhook-id"), header("content-type")), (paid["ticket"].as_str().unwrap(), "application/json"));
    let at = header("webhook-timestamp").parse().unwrap();
    assert_eq!(header("webhook-signature"), webhook_signature::sign(&[&secret], header("webhook-id"), at, &first.text));
    assert!((at - shopbell_harness::now() as i64).abs() < 10, "{at}");

    // Who decides in time is not asked about: there is time for that, and then it is over.
    node.restart_with("SHOPBELL__PREPARE__TIMEOUT", "1h").await;
    let b1 = node.rest("b1");
    let decided = prepares(&b1, "acme", "decided").await;
    prepares(&b1, "acme", "paid too").await;
    b1.post("/messages/commit", json!({"ticket": decided["ticket"]})).await.expect(201);
    Stored::of(&node).run("UPDATE prepared SET due_at = due_at - 3600000");
    eventually("the next is asked about", async || back_end.asked().iter().any(|q| q.body["id"] == "paid too")).await;
    assert!(back_end.asked().iter().all(|question| question.body["id"] != "decided"));
}

#[tokio::test]
async fn it_is_asked_fifteen_times_and_then_an_admin_decides() {
    let back_end = BackEnd::start(|question| match question.body["id"].as_str() {
        Some("broken") => Some((500, r#"{"answer":"commit"}"#.into())),
        Some("odd") => Some((200, "commit".into())),
        Some("elsewhere") => Some((302, r#"{"answer":"commit"}"#.into())),
        _ => answers("unknown"),
    });
    let back_end = back_end.await;
    let node = builder().start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await.rest;
    asks(&node, "acme", &back_end).await;
    let b1 = node.rest("b1");
    for id in ["broken", "odd", "elsewhere", "unknown"] {
        prepares(&b1, "acme", id).await;
    }
    let end = Instant::now() + Duration::from_secs(60);
    while !are_all(&boss, "parked").await {
        assert!(Instant::now() < end, "{:#?}", prepared(&boss).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let heard =
        [("broken", "status 500"), ("odd", "not an answer"), ("elsewhere", "status 302"), ("unknown", "unknown")];
    let now = prepared(&boss).await;
    for (id, heard) in heard {
        assert_eq!((&now[id]["heard"], &now[id]["asked"]), (&json!(heard), &json!(15)), "{id}");
        let of_this = back_end.asked().into_iter().filter(|question| question.body["id"] == id);
        let asked: Vec<i64> = of_this.map(|question| question.body["asked"].as_i64().unwrap()).collect();
        assert_eq!(asked, (1..=15).collect::<Vec<_>>(), "{id}");
    }
    assert_eq!(node.metric("shopbell_prepared_parked_total").await, 4);
    let ticket = now["unknown"]["ticket"].as_str().unwrap();
    boss.post(&format!("/shops/acme/prepared/{ticket}/commit"), json!({})).await.expect(201);
    assert_eq!(prepared(&boss).await["unknown"]["decided_by"], "admin");
}

#[tokio::test]
async fn where_it_is_asked_is_a_setting_of_the_shop() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await.rest;
    let path = "/shops/acme/check-back";
    boss.get(path).await.refused(404, "not_found");
    boss.delete(path).await.refused(404, "not_found");
    for wrong in [
        "http://127.0.0.1:1/x",
        "https://localhost/x",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/",
        "ftp://a.example",
        "a.example",
        "https://u:p@a.example/",
        "",
    ] {
        boss.post(path, json!({ "url": wrong })).await.refused(400, "invalid");
    }
    boss.post(path, json!({})).await.refused(400, "invalid");
    let url = "https://93.184.215.14/check-back";
    let set = async |key: &str| {
        let request = boss.request(Method::POST, path).header("idempotency-key", key).json(&json!({ "url": url }));
        Answer::of(request).await.expect(201)["secret"].as_str().unwrap().to_owned()
    };
    let (one, two) = (set("k").await, set("k").await);
    assert!(one.starts_with("whsec_") && one != two, "a secret is not kept as an answer");
    let shown = boss.get(path).await.expect(200);
    assert_eq!((&shown["url"], shown.as_object().unwrap().len()), (&json!(url), 2), "{shown}");
    let a1 = node.agent("acme", "a1").await.rest;
    a1.get(path).await.refused(403, "forbidden");
    a1.post(path, json!({ "url": url })).await.refused(403, "forbidden");
    a1.delete(path).await.refused(403, "forbidden");
    boss.delete(path).await.expect(204);
    boss.get(path).await.refused(404, "not_found");
    let acts = boss.get("/shops/acme/audit?what=check_back").await.expect(200);
    let what: Vec<&Value> = acts["items"].as_array().unwrap().iter().map(|act| &act["what"]).collect();
    assert_eq!(what, ["check_back.removed", "check_back.changed", "check_back.changed"]);
    assert!(!acts.to_string().contains("whsec_"), "{acts}");
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_good_for_a_while() {
    let back_end = BackEnd::start(|_| answers("abort")).await;
    let node = builder().start().await;
    node.shop("acme").await;
    let (one, two) = (asks(&node, "acme", &back_end).await, asks(&node, "acme", &back_end).await);
    let b1 = node.rest("b1");
    let signed = async |id: &str, secrets: &[&str]| {
        prepares(&b1, "acme", id).await;
        eventually("it is asked about", async || back_end.asked().iter().any(|q| q.body["id"] == id)).await;
        let question = back_end.asked().into_iter().find(|question| question.body["id"] == id).unwrap();
        let at = question.headers["webhook-timestamp"].parse().unwrap();
        let signature = webhook_signature::sign(secrets, &question.headers["webhook-id"], at, &question.text);
        assert_eq!(question.headers["webhook-signature"], signature, "{id}");
    };
    signed("1", &[&two, &one]).await;
    Stored::of(&node).run("UPDATE check_backs SET old_until = 0");
    signed("2", &[&two]).await;
}

#[tokio::test]
async fn a_shop_that_does_not_answer_is_in_no_others_way() {
    let (silent, quick) = (BackEnd::start(|_| None).await, BackEnd::start(|_| answers("commit")).await);
    let node = builder().start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut a1 = node.agent("acme", "a1").await;
    asks(&node, "acme", &quick).await;
    asks(&node, "bolt", &silent).await;
    let b1 = node.rest("b1");
    for n in 0..100 {
        prepares(&b1, "bolt", &n.to_string()).await;
    }
    eventually("it is being asked", async || silent.asked().len() == 8).await;
    let started = Instant::now();
    prepares(&b1, "acme", "mine").await;
    a1.hears("mine").await;
    println!("{:?} beside a shop with 100 that does not answer", started.elapsed());
    assert_eq!(silent.asked().len(), 8, "so many at a time");
}

#[tokio::test]
async fn each_asking_is_one_nodes_and_another_goes_on_when_that_has_died() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let hangs = Arc::new(AtomicBool::new(true));
    let (hanging, count) = (hangs.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let back_end = BackEnd::start(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        if hanging.load(Ordering::Relaxed) { None } else { answers("commit") }
    });
    let back_end = back_end.await;
    let start = || builder().database(&database).set("redis.url", redis.url()).start();
    let mut one = start().await;
    one.shop("acme").await;
    let boss = one.admin("acme", "boss").await;
    asks(&one, "acme", &back_end).await;
    prepares(&one.rest("b1"), "acme", "first").await;
    eventually("the one node asks", async || count.load(Ordering::Relaxed) == 1).await;
    let two = start().await;
    one.kill();
    hangs.store(false, Ordering::Relaxed);
    let stored = Stored::of(&two);
    assert_eq!(stored.number("SELECT count(*) FROM prepared WHERE state = 'prepared' AND asked = 1"), 1);
    // What it has taken upon itself is due again after 20 s.
    stored.run("UPDATE prepared SET due_at = due_at - 20000");
    eventually("the other goes on", async || stored.number("SELECT count(*) FROM messages") == 1).await;
    assert_eq!(count.load(Ordering::Relaxed), 2);

    one.restart().await;
    let (here, there) = (one.rest("b1"), two.rest("b2"));
    for n in 0..50 {
        prepares(&here, "acme", &format!("here {n}")).await;
        prepares(&there, "acme", &format!("there {n}")).await;
    }
    eventually("all are said", async || stored.number("SELECT count(*) FROM messages") == 101).await;
    let tickets: Vec<String> = back_end.asked().iter().skip(2).map(|q| q.body["ticket"].to_string()).collect();
    assert_eq!(tickets.len(), 100, "one asks");
    assert_eq!(tickets.iter().collect::<BTreeSet<_>>().len(), 100);
    drop(boss);
}
