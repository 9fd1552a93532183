//! Erasing what a person has written in a shop (the contract's section 4).

use shopbell_harness::{
    Answer, Method, NodeBuilder, Person, TestNode, TestPostgres, TestRedis, To, Value, eventually, json,
};

use super::stored::Stored;

fn builder() -> NodeBuilder {
    TestNode::builder()
        .set("retention.every", "100ms")
        .set("limits.messages_per_second", 100_000)
        .set("limits.messages_burst", 100_000)
        .set("limits.frames_per_second", 100_000)
}

async fn file(person: &Person, byte: u8) -> Value {
    let bytes = format!("%PDF-1.7\n%{byte}").into_bytes();
    let size = bytes.len();
    let file = person.rest.upload("a.pdf", "application/pdf", bytes).await.expect(201);
    json!({"kind": "file", "url": file["url"], "name": "a.pdf", "size": size})
}

async fn show(person: &mut Person, to: To, content: &Value) -> Value {
    person.ok(json!({"type": "send", "to": to.json(), "content": content})).await
}

async fn is_served(node: &TestNode, content: &Value) -> bool {
    node.anonymous().get(&format!("/{}", content["url"].as_str().unwrap())).await.status == 200
}

async fn a_person_is_erased(one: &TestNode, two: &TestNode, files: Option<&std::path::Path>) {
    one.shop("acme").await;
    one.shop("bolt").await;
    let mut boss = one.admin("acme", "boss").await;
    let mut a1 = two.agent("acme", "a1").await;
    let mut b1 = two.buyer("b1").await;
    let (ours, shared, agents) = (file(&b1, 1).await, file(&b1, 2).await, file(&a1, 3).await);
    let conversation = b1.opens("acme", "secret one").await;
    for content in [&ours, &shared] {
        show(&mut b1, "acme".into(), content).await;
    }
    a1.hears("secret one").await;
    a1.claim(conversation).await;
    a1.say(conversation, "an answer").await;
    show(&mut a1, conversation.into(), &agents).await;
    let elsewhere = b1.opens("bolt", "secret of bolt").await;
    show(&mut b1, "bolt".into(), &shared).await;
    let direct = b1.opens(To::User("ann".into()), "secret of ann").await;
    // What the audit log knows: an edit, and a deletion.
    b1.say("acme", "secret two").await;
    b1.say("acme", "secret three").await;
    let path = format!("/conversations/{conversation}/messages");
    let edit = json!({"content": {"kind": "text", "text": "secret four"}});
    boss.rest.patch(&format!("{path}/6"), edit).await.expect(200);
    boss.rest.delete(&format!("{path}/7")).await.expect(204);
    let added = json!({"id": "1", "as": "b1", "content": {"kind": "text", "text": "secret five"}});
    boss.rest.post(&path, added).await.expect(201);
    a1.resolve(conversation).await;
    let rating = json!({"score": 2, "comment": "secret six"});
    b1.rest.post(&format!("/conversations/{conversation}/rating"), rating).await.expect(200);
    boss.settle().await;
    boss.take_all(json!({"type": "deleted"})).await;

    let erased = boss.rest.post("/shops/acme/erase", json!({"uid": "b1"})).await.expect(200);
    assert_eq!(erased, json!({"uid": "b1", "state": "done", "messages": 5, "files": 1, "comments": 1}));
    for seq in [1, 2, 3, 6, 8] {
        for person in [&mut boss, &mut a1, &mut b1] {
            person.expect(json!({"type": "deleted", "conversation": conversation, "seq": seq, "by": "boss"})).await;
        }
    }
    assert_eq!(a1.texts(conversation).await, ["", "", "", "an answer", "", "", "", ""]);
    assert_eq!(a1.summary(conversation).await["last_message"]["content"], json!({"kind": "deleted"}));
    let ticket = a1.rest.get("/shops/acme/tickets").await.expect(200)["items"][0].clone();
    assert_eq!((&ticket["score"], &ticket["comment"]), (&json!(2), &Value::Null));
    assert!(!is_served(one, &ours).await && is_served(one, &shared).await && is_served(one, &agents).await);
    let stored = Stored::of(one);
    let left = |table: &str, columns: &[&str]| {
        let like: Vec<String> = columns.iter().map(|column| format!("{column} LIKE '%secret%'")).collect();
        stored.number(&format!("SELECT count(*) FROM {table} WHERE {}", like.join(" OR ")))
    };
    assert_eq!(left("messages", &["content"]), 2, "those of bolt and of ann");
    assert_eq!((left("audit", &["before", "after", "subject"]), left("tickets", &["comment"])), (0, 0));
    for (other, said) in [(elsewhere, "secret of bolt"), (direct, "secret of ann")] {
        assert_eq!(b1.texts(other).await[0], said);
    }
    let acts = |what: &str| format!("SELECT count(*) FROM audit WHERE what = '{what}'");
    for what in ["person.erased", "message.added", "message.edited", "message.deleted"] {
        assert_eq!(stored.number(&acts(what)), 1, "{what}");
    }
    if let Some(files) = files {
        eventually("it is unlinked", async || std::fs::read_dir(files).unwrap().count() == 2).await;
    }

    // Once more there is nothing; an agent's words go the same way.
    let again = boss.rest.post("/shops/acme/erase", json!({"uid": "b1"})).await.expect(200);
    assert_eq!(again, json!({"uid": "b1", "state": "done", "messages": 0, "files": 0, "comments": 0}));
    let agent = boss.rest.post("/shops/acme/erase", json!({"uid": "a1"})).await.expect(200);
    assert_eq!((&agent["messages"], &agent["files"]), (&json!(2), &json!(1)));
    b1.expect(json!({"type": "deleted", "seq": 4})).await;
    for nobody in ["nobody", "ann"] {
        let body = json!({"uid": nobody});
        boss.rest.post("/shops/acme/erase", body).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_person_is_erased_in_one_shop() {
    let node = builder().start().await;
    a_person_is_erased(&node, &node, None).await;
}

#[tokio::test]
async fn a_person_is_erased_on_two_nodes_with_files_in_a_directory() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let files = tempfile::tempdir().unwrap();
    let start = || {
        let builder = builder().database(&database).set("redis.url", redis.url());
        builder.set("files.url", files.path().display()).start()
    };
    let (one, two) = (start().await, start().await);
    for node in [&one, &two] {
        eventually("the nodes know each other", async || node.metric("shopbell_link_nodes").await == 1).await;
    }
    a_person_is_erased(&one, &two, Some(files.path())).await;
}

#[tokio::test]
async fn only_an_admin_erases() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    for (shop, uid, role) in [("acme", "a1", "agent"), ("acme", "s1", "supervisor"), ("bolt", "rival", "admin")] {
        node.employ(shop, uid, role).await;
    }
    let boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    let body = json!({"uid": "b1"});
    for uid in ["a1", "s1"] {
        node.rest(uid).post("/shops/acme/erase", body.clone()).await.refused(403, "forbidden");
    }
    node.operator().await.post("/shops/acme/erase", body.clone()).await.refused(403, "forbidden");
    for uid in ["rival", "b1"] {
        let foreign = node.rest(uid).post("/shops/acme/erase", body.clone()).await.refused(404, "not_found");
        let absent = node.rest(uid).post("/shops/nowhere/erase", body.clone()).await.refused(404, "not_found");
        assert_eq!(foreign, absent);
    }
    node.anonymous().post("/shops/acme/erase", body).await.refused(401, "unauthenticated");
    for body in [json!({}), json!({"uid": 7}), json!({"uid": "a b"})] {
        assert_eq!(boss.rest.post("/shops/acme/erase", body).await.refused(400, "invalid")["field"], "uid");
    }
    assert_eq!(b1.texts(conversation).await, ["hi"]);
}

#[tokio::test]
async fn killed_in_the_middle_an_erasure_goes_on() {
    const SAID: i64 = 2_000;
    let mut node = builder().start().await;
    node.shop("acme").await;
    let mut boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "1").await;
    for n in 2..=SAID {
        let content = json!({"kind": "text", "text": n.to_string()});
        b1.tell(json!({"type": "send", "id": format!("n{n}"), "to": {"shop": "acme"}, "content": content})).await;
    }
    b1.expect(json!({"id": format!("n{SAID}"), "type": "ok"})).await;
    let rest = boss.rest.clone();
    let asking = tokio::spawn(async move {
        rest.request(shopbell_harness::Method::POST, "/shops/acme/erase")
            .json(&json!({"uid": "b1"}))
            .send()
            .await
            .is_ok()
    });
    boss.expect(json!({"type": "deleted", "conversation": conversation})).await;
    node.restart().await;
    asking.await.unwrap();
    let stored = Stored::of(&node);
    assert!(
        (1..SAID).contains(&stored.contents(conversation, SAID as usize)),
        "it was in the middle when it was killed"
    );
    // The lease of the one that died has to run out first, on whatever node.
    stored.run("UPDATE leases SET until = 0");
    eventually("it goes on by itself", async || stored.contents(conversation, SAID as usize) == 0).await;
    eventually("to its end", async || stored.number("SELECT count(*) FROM erasures WHERE done_at IS NULL") == 0).await;
    // What it was at when it was killed is counted or not.
    let counted = stored.number("SELECT messages FROM erasures");
    assert!((SAID - 100..=SAID).contains(&counted), "{counted}");
}

/// Posts under a key, the same for the same path.
async fn keyed(person: &Person, path: &str, body: &Value) -> Answer {
    Answer::of(person.rest.request(Method::POST, path).header("idempotency-key", path).json(body)).await
}

#[tokio::test]
async fn answers_that_are_kept_for_repeats_are_erased_too() {
    let node = builder().start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let boss = node.admin("acme", "boss").await;
    let (mut a1, gone, other) =
        (node.agent("acme", "a1").await, node.agent("acme", "gone").await, node.agent("bolt", "c1").await);
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "secret").await;
    let elsewhere = b1.opens("bolt", "secret of bolt").await;
    let path = |id: u64, what: &str| format!("/conversations/{id}/{what}");
    let (claim, release, rating) =
        (path(conversation, "claim"), path(conversation, "release"), path(conversation, "rating"));
    let nothing = json!({});
    let shown = |answer: &Answer| {
        assert_eq!(answer.status, 200);
        String::from_utf8_lossy(&answer.bytes).contains("secret")
    };
    assert!(shown(&keyed(&gone, &claim, &nothing).await) && shown(&keyed(&gone, &release, &nothing).await));
    assert!(shown(&keyed(&a1, &claim, &nothing).await));
    a1.resolve(conversation).await;
    let comment = json!({"score": 2, "comment": "secret comment"});
    assert!(shown(&keyed(&b1, &rating, &comment).await));
    let of_bolt = keyed(&other, &path(elsewhere, "claim"), &nothing).await;
    assert!(shown(&of_bolt));
    boss.rest.delete("/shops/acme/agents/gone").await.expect(204);

    boss.rest.post("/shops/acme/erase", json!({"uid": "b1"})).await.expect(200);
    let kept = Stored::of(&node).number("SELECT count(*) FROM idempotency_keys WHERE body LIKE '%secret%'");
    assert_eq!(kept, 1, "that of bolt");
    // What was done is not done again.
    for (person, path, body) in [(&a1, &claim, &nothing), (&b1, &rating, &comment)] {
        let again = keyed(person, path, body).await;
        assert_eq!((again.status, again.header("idempotency-replayed"), again.bytes.len()), (200, "true", 0), "{path}");
    }
    let again = keyed(&other, &path(elsewhere, "claim"), &nothing).await;
    assert_eq!((again.header("idempotency-replayed"), &again.bytes), ("true", &of_bolt.bytes));
}
