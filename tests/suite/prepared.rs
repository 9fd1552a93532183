//! Messages in two phases (`docs/two-phase-send.md`).

use futures_util::future::join_all;
use shopbell_harness::{Answer, Method, NodeBuilder, Rest, TestNode, TestPostgres, TestRedis, Value, eventually, json};

use super::stored::Stored;

fn builder() -> NodeBuilder {
    TestNode::builder()
        .set("retention.every", "100ms")
        .set("prepare.timeout", "1h")
        .set("limits.messages_per_second", 100_000)
        .set("limits.messages_burst", 100_000)
}

fn wanted(id: &str, to: Value, text: &str) -> Value {
    json!({"id": id, "to": to, "content": {"kind": "text", "text": text}})
}

fn acme() -> Value {
    json!({"shop": "acme"})
}

/// Prepares a message; gives its ticket.
async fn prepares(rest: &Rest, id: &str, to: Value, text: &str) -> Value {
    let prepared = rest.post("/messages/prepare", wanted(id, to, text)).await.expect(201);
    assert_eq!((&prepared["state"], &prepared["duplicate"]), (&json!("prepared"), &json!(false)), "{prepared}");
    prepared["ticket"].clone()
}

async fn decide(rest: &Rest, how: &str, ticket: &Value) -> Answer {
    rest.post(&format!("/messages/{how}"), json!({ "ticket": ticket })).await
}

async fn decide_as_admin(rest: &Rest, how: &str, ticket: &Value) -> Answer {
    rest.post(&format!("/shops/acme/prepared/{}/{how}", ticket.as_str().unwrap()), json!({})).await
}

#[tokio::test]
async fn nobody_sees_it_before_it_is_committed_and_then_everybody_does() {
    let mut node = builder().start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let ticket = prepares(&b1.rest, "order-1", acme(), "It is paid").await;
    assert_eq!(b1.rest.get("/conversations").await.expect(200)["items"], json!([]), "nothing is opened");
    a1.silence(json!({"type": "message"})).await;
    a1.silence(json!({"type": "conversation"})).await;
    let again = b1.rest.post("/messages/prepare", wanted("order-1", acme(), " It is paid ")).await.expect(200);
    assert_eq!((&again["ticket"], &again["duplicate"]), (&ticket, &json!(true)));
    b1.rest.post("/messages/prepare", wanted("order-1", acme(), "It is not")).await.refused(409, "conflict");

    // What is said meanwhile is not in its way, not even under the same `id`.
    let first = b1.rest.post("/messages", wanted("order-1", acme(), "Hello")).await.expect(201);
    let sent = decide(&b1.rest, "commit", &ticket).await.expect(201);
    assert_eq!((&sent["conversation"], &sent["seq"]), (&first["conversation"], &json!(2)));
    let heard = a1.hears("It is paid").await;
    assert_eq!((&heard["seq"], &heard["from"]["uid"]), (&json!(2), &json!("b1")));
    b1.expect(json!({"type": "message", "content": {"text": "It is paid"}})).await;
    let conversation = first["conversation"].as_u64().unwrap();
    assert_eq!(a1.texts(conversation).await, ["Hello", "It is paid"]);

    let once_more = decide(&b1.rest, "commit", &ticket).await.expect(200);
    let same = json!({"conversation": conversation, "seq": 2, "at": sent["at"], "duplicate": true});
    assert_eq!(once_more, same);
    decide(&b1.rest, "abort", &ticket).await.refused(409, "conflict");
    let again = b1.rest.post("/messages/prepare", wanted("order-1", acme(), "It is paid")).await.expect(200);
    assert_eq!((&again["ticket"], &again["state"]), (&ticket, &json!("committed")));
    node.restart().await;
    assert_eq!(decide(&node.rest("b1"), "commit", &ticket).await.expect(200), same);
    assert_eq!(Stored::of(&node).number("SELECT count(*) FROM prepared WHERE content IS NOT NULL"), 0);
}

#[tokio::test]
async fn it_opens_the_conversation_where_there_is_none_and_again_where_it_was_resolved() {
    let node = builder().start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let b1 = node.buyer("b1").await;
    let (one, two) = (prepares(&b1.rest, "1", acme(), "one").await, prepares(&b1.rest, "2", acme(), "two").await);
    let sent = decide(&b1.rest, "commit", &two).await.expect(201);
    let conversation = sent["conversation"].as_u64().unwrap();
    assert_eq!(a1.sees(conversation, "opened").await["state"], "waiting");
    a1.claim(conversation).await;
    a1.resolve(conversation).await;
    decide(&b1.rest, "commit", &one).await.expect(201);
    a1.sees(conversation, "reopened").await;
    assert_eq!(a1.texts(conversation).await, ["two", "one"], "in the order of the commits");
    let tickets = a1.rest.get("/shops/acme/tickets?count=true").await.expect(200);
    assert_eq!(tickets["count"], 2, "{tickets}");
}

#[tokio::test]
async fn what_is_aborted_is_never_said() {
    let node = builder().start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let b1 = node.buyer("b1").await;
    let ticket = prepares(&b1.rest, "1", acme(), "no").await;
    for _ in 0..2 {
        decide(&b1.rest, "abort", &ticket).await.expect(204);
    }
    decide(&b1.rest, "commit", &ticket).await.refused(409, "conflict");
    let again = b1.rest.post("/messages/prepare", wanted("1", acme(), "no")).await.expect(200);
    assert_eq!((&again["ticket"], &again["state"]), (&ticket, &json!("aborted")));
    a1.silence(json!({"type": "message"})).await;
    assert_eq!(Stored::of(&node).number("SELECT count(*) FROM prepared WHERE content IS NOT NULL"), 0);
}

#[tokio::test]
async fn who_may_say_it_is_decided_when_it_is_prepared() {
    let node = builder().start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "Hello").await;
    let there = || json!({ "conversation": conversation });
    let prepare = async |rest: &Rest, id: &str, to: Value| rest.post("/messages/prepare", wanted(id, to, id)).await;
    prepare(&a1.rest, "a", there()).await.refused(409, "not_claimed");
    prepare(&a1.rest, "a", acme()).await.refused(403, "forbidden");
    prepare(&node.rest("b2"), "a", there()).await.refused(404, "not_found");
    prepare(&b1.rest, "a", json!({"conversation": 4_000})).await.refused(404, "not_found");
    prepare(&b1.rest, "a", json!({"shop": "bolt"})).await.refused(404, "not_found");
    prepare(&b1.rest, "a", json!({"user": "b2"})).await.refused(400, "invalid");
    let direct = b1.opens(shopbell_harness::To::User("b2".into()), "psst").await;
    prepare(&b1.rest, "a", json!({ "conversation": direct })).await.refused(400, "invalid");
    prepare(&a1.rest, "a", json!({ "conversation": direct })).await.refused(404, "not_found");
    node.anonymous().post("/messages/prepare", wanted("a", acme(), "a")).await.refused(401, "unauthenticated");

    a1.claim(conversation).await;
    prepare(&a2.rest, "a", there()).await.refused(409, "not_claimant");
    let claimants = prepares(&a1.rest, "1", there(), "of the claimant").await;
    let admins = prepares(&boss.rest, "2", there(), "of the admin").await;
    let buyers = prepares(&b1.rest, "3", there(), "of the buyer").await;
    let of_none = prepares(&node.rest("b3"), "4", acme(), "of one who works here by then").await;

    // Others have nothing to do with it; an agent of the shop is not its admin.
    for rest in [&a2.rest, &node.rest("b2"), &boss.rest] {
        decide(rest, "commit", &claimants).await.refused(404, "not_found");
        decide(rest, "abort", &claimants).await.refused(404, "not_found");
    }
    decide_as_admin(&a1.rest, "commit", &claimants).await.refused(403, "forbidden");
    decide_as_admin(&node.operator().await, "commit", &claimants).await.refused(403, "forbidden");
    decide_as_admin(&b1.rest, "commit", &claimants).await.refused(404, "not_found");

    // Everything has changed: the claim, who works there, the shop itself.
    a1.release(conversation).await;
    a2.claim(conversation).await;
    boss.rest.delete("/shops/acme/agents/a1").await.expect(204);
    node.employ("acme", "b3", "agent").await;
    node.operator().await.patch("/shops/acme", json!({"disabled": true})).await.expect(200);
    prepare(&b1.rest, "5", acme()).await.refused(403, "forbidden");
    let again = b1.rest.post("/messages/prepare", wanted("3", there(), "of the buyer")).await.expect(200);
    assert_eq!(again["ticket"], buyers, "a repeat is answered all the same");
    decide_as_admin(&boss.rest, "commit", &claimants).await.expect(201);
    decide(&boss.rest, "commit", &admins).await.expect(201);
    decide(&b1.rest, "commit", &buyers).await.expect(201);
    let opened = decide(&node.rest("b3"), "commit", &of_none).await.expect(201);
    assert_ne!(opened["conversation"], conversation);
    let said = ["Hello", "of the claimant", "of the admin", "of the buyer"];
    assert_eq!(a2.texts(conversation).await, said);
    let first = boss.rest.get(&format!("/conversations/{conversation}/messages/2")).await.expect(200);
    assert_eq!(first["from"], json!({"uid": "a1", "name": "a1", "role": "agent"}), "its sender stays");
    let ours = a2.summary(conversation).await;
    assert_eq!((&ours["state"], &ours["claimed_by"]["uid"]), (&json!("claimed"), &json!("a2")), "the claim stays");
}

#[tokio::test]
async fn an_admin_decides_where_nobody_has() {
    let node = builder().set("prepare.timeout", "50ms").start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    let (one, two) = (prepares(&b1.rest, "1", acme(), "one").await, prepares(&b1.rest, "2", acme(), "two").await);
    let parked = async || boss.rest.get("/shops/acme/prepared?state=parked").await.expect(200)["items"].clone();
    eventually("both are parked", async || parked().await.as_array().unwrap().len() == 2).await;
    let first = &parked().await[0];
    assert_eq!(
        (&first["ticket"], &first["id"], &first["from"]),
        (&one, &json!("1"), &json!({"uid": "b1", "name": "b1"}))
    );
    assert_eq!((&first["content"]["text"], &first["asked"]), (&json!("one"), &json!(0)));
    assert_eq!((&first["heard"], &first["due_at"]), (&json!("no check-back"), &Value::Null));
    let page = boss.rest.get("/shops/acme/prepared?limit=1").await.expect(200);
    let next = page["next"].as_str().unwrap();
    let second = boss.rest.get(&format!("/shops/acme/prepared?limit=1&cursor={next}")).await.expect(200);
    assert_eq!((&second["items"][0]["ticket"], &second["next"]), (&two, &Value::Null));
    boss.rest.get("/shops/acme/prepared?state=waiting").await.refused(400, "invalid");

    let sent = decide_as_admin(&boss.rest, "commit", &one).await.expect(201);
    b1.expect(json!({"type": "message", "content": {"text": "one"}})).await;
    for _ in 0..2 {
        decide_as_admin(&boss.rest, "abort", &two).await.expect(204);
        assert_eq!(decide_as_admin(&boss.rest, "commit", &one).await.expect(200)["seq"], 1);
    }
    decide_as_admin(&boss.rest, "abort", &one).await.refused(409, "conflict");
    decide_as_admin(&boss.rest, "commit", &two).await.refused(409, "conflict");
    for absent in ["0".repeat(32).as_str(), "x", "%00"] {
        boss.rest.post(&format!("/shops/acme/prepared/{absent}/commit"), json!({})).await.refused(404, "not_found");
    }
    let decided = boss.rest.get("/shops/acme/prepared").await.expect(200)["items"].clone();
    for (item, state) in decided.as_array().unwrap().iter().zip(["committed", "aborted"]) {
        let shown = (&item["state"], &item["decided_by"], &item["content"]);
        assert_eq!(shown, (&json!(state), &json!("admin"), &Value::Null));
    }
    assert_eq!((&decided[0]["conversation"], &decided[0]["seq"]), (&sent["conversation"], &json!(1)));
    let audit = boss.rest.get("/shops/acme/audit?what=message").await.expect(200)["items"].clone();
    let place = format!("{}/1", sent["conversation"]);
    let acts = [("message.aborted", two.as_str().unwrap(), Value::Null), ("message.committed", &place, json!("one"))];
    assert_eq!(audit.as_array().unwrap().len(), 2, "each once: {audit}");
    for (act, (what, subject, text)) in audit.as_array().unwrap().iter().zip(acts) {
        assert_eq!((&act["what"], &act["subject"], &act["by"]["uid"]), (&json!(what), &json!(subject), &json!("boss")));
        assert_eq!(act["after"]["text"], text);
        assert_eq!(act["address"], "127.0.0.1");
    }
}

#[tokio::test]
async fn erasure_and_retention_drop_what_nobody_has_decided() {
    let node = builder().start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let (mut b1, b2) = (node.buyer("b1").await, node.buyer("b2").await);
    b1.opens("acme", "Hello").await;
    let erased = prepares(&b1.rest, "1", acme(), "secret").await;
    let (old, young) = (prepares(&b2.rest, "1", acme(), "old").await, prepares(&b2.rest, "2", acme(), "young").await);
    boss.rest.post("/shops/acme/erase", json!({"uid": "b1"})).await.expect(200);
    decide(&b1.rest, "commit", &erased).await.refused(409, "conflict");

    let day = 24 * 60 * 60 * 1_000_i64;
    let stored = Stored::of(&node);
    stored.run(&format!("UPDATE prepared SET at = at - {} WHERE ticket = {old}", 40 * day).replace('"', "'"));
    node.operator().await.patch("/shops/acme", json!({"retention": {"messages": 30}})).await.expect(200);
    let open = || stored.number("SELECT count(*) FROM prepared WHERE content IS NOT NULL");
    eventually("what is old is dropped", async || open() == 1).await;
    decide(&b2.rest, "commit", &old).await.refused(409, "conflict");
    decide(&b2.rest, "commit", &young).await.expect(201);
    let list = boss.rest.get("/shops/acme/prepared").await.expect(200);
    let by: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["decided_by"]).collect();
    assert_eq!(by, ["erasure", "retention", "sender"]);

    // What was decided is forgotten; the `id` of a message is used up for ever.
    stored.run(&format!("UPDATE prepared SET decided_at = decided_at - {}", 8 * day));
    eventually("they are forgotten", async || stored.number("SELECT count(*) FROM prepared") == 0).await;
    decide(&b2.rest, "commit", &young).await.refused(404, "not_found");
    b2.rest.post("/messages/prepare", wanted("2", acme(), "young")).await.refused(409, "conflict");
    prepares(&b2.rest, "1", acme(), "old").await;
}

#[tokio::test]
async fn of_many_decisions_at_once_on_two_nodes_one_counts() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let start = || builder().database(&database).set("redis.url", redis.url()).start();
    let (one, two) = (start().await, start().await);
    one.shop("acme").await;
    let boss = one.admin("acme", "boss").await;
    let (here, there) = (one.rest("b1"), two.rest("b1"));
    let mut committed = 0;
    for round in 0..20 {
        let id = round.to_string();
        let prepare = async |rest: &Rest| rest.post("/messages/prepare", wanted(&id, acme(), &id)).await;
        let prepared = join_all([&here, &there].map(prepare)).await;
        let tickets: Vec<&Value> = prepared.iter().map(|answer| &answer.body["ticket"]).collect();
        assert_eq!(tickets[0], tickets[1], "{prepared:?}");
        let ways = [(&here, "commit"), (&there, "abort"), (&there, "commit"), (&here, "abort")];
        let answers = join_all(ways.map(|(rest, how)| decide(rest, how, tickets[0]))).await;
        let of = |how: &str| {
            ways.iter()
                .zip(&answers)
                .filter(|(way, _)| way.1 == how)
                .map(|(_, answer)| answer.status)
                .collect::<Vec<_>>()
        };
        let (mut commits, aborts) = (of("commit"), of("abort"));
        commits.sort_unstable();
        match &commits[..] {
            [200, 201] => {
                committed += 1;
                assert_eq!(aborts, [409, 409]);
            }
            [409, 409] => assert_eq!(aborts, [204, 204]),
            other => panic!("{other:?} {aborts:?}"),
        }
    }
    let stored = Stored::of(&one);
    assert_eq!(stored.number("SELECT count(*) FROM messages"), committed);
    assert_eq!(stored.number("SELECT count(*) FROM prepared WHERE state = 'committed'"), committed);
    println!("{committed} of 20 were committed");
    drop(boss);
}

#[tokio::test]
async fn each_step_takes_a_key() {
    let node = builder().start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    let keyed = async |path: &str, key: &str, body: &Value| {
        Answer::of(b1.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    };
    let wanted = wanted("1", acme(), "one");
    let first = keyed("/messages/prepare", "p", &wanted).await;
    let again = keyed("/messages/prepare", "p", &wanted).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.bytes), (201, "true", &first.bytes));
    let decision = json!({"ticket": first.expect(201)["ticket"]});
    let first = keyed("/messages/commit", "c", &decision).await;
    let again = keyed("/messages/commit", "c", &decision).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.bytes), (201, "true", &first.bytes));
}
