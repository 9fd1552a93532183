//! Adding, editing and deleting messages, by a shop's admin (the contract's section 4).

use shopbell_harness::{
    Answer, Method, NodeBuilder, Person, Proxy, Rest, TestNode, TestPostgres, TestRedis, Value, eventually, json,
};

use super::lists::{Lists, arrived, flushes};

fn text(text: &str) -> Value {
    json!({"kind": "text", "text": text})
}

/// Shop `acme` with admin `boss`, agents `a1` and `a2`, and buyer `b1`, whose conversation `a1` has claimed.
struct Desk {
    boss: Person,
    a1: Person,
    a2: Person,
    b1: Person,
    conversation: u64,
    path: String,
}

impl Desk {
    /// The shop's people on the first node, the buyer and `a2` on the second.
    async fn set(one: &TestNode, two: &TestNode) -> Desk {
        one.shop("acme").await;
        let boss = one.admin("acme", "boss").await;
        let mut a1 = one.agent("acme", "a1").await;
        let a2 = two.agent("acme", "a2").await;
        let mut b1 = two.buyer("b1").await;
        let conversation = b1.opens("acme", "my card is 4711").await;
        a1.hears("my card is 4711").await;
        a1.claim(conversation).await;
        b1.sees(conversation, "claimed").await;
        Desk { boss, a1, a2, b1, conversation, path: format!("/conversations/{conversation}/messages") }
    }

    async fn add(&self, id: &str, member: &str, said: &str) -> Answer {
        self.boss.rest.post(&self.path, json!({"id": id, "as": member, "content": text(said)})).await
    }

    /// All who may see the message are told, and each of them once.
    async fn told(&mut self, wanted: Value) {
        for person in [&mut self.boss, &mut self.a1, &mut self.a2, &mut self.b1] {
            person.expect(wanted.clone()).await;
            person.silence(wanted.clone()).await;
        }
    }
}

async fn on_one_node(story: impl AsyncFnOnce(&TestNode, &TestNode)) {
    let node = TestNode::start().await;
    story(&node, &node).await;
}

/// On two nodes of one database, which know each other.
async fn on_two_nodes(story: impl AsyncFnOnce(&TestNode, &TestNode)) {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let builder = || -> NodeBuilder { TestNode::builder().database(&database).set("redis.url", redis.url()) };
    let (one, two) = (builder().start().await, builder().start().await);
    for node in [&one, &two] {
        eventually("the nodes know each other", async || {
            String::from_utf8_lossy(&node.anonymous().get("//metrics").await.bytes).contains("shopbell_link_nodes 1")
        })
        .await;
    }
    story(&one, &two).await;
}

async fn a_message_is_edited(one: &TestNode, two: &TestNode) {
    let mut desk = Desk::set(one, two).await;
    let path = format!("{}/1", desk.path);
    let edited = desk.boss.rest.patch(&path, json!({"content": text("my card is ****")})).await.expect(200);
    assert_eq!((&edited["content"], &edited["seq"]), (&text("my card is ****"), &json!(1)));
    assert!(edited["edited_at"].is_string(), "{edited}");
    let (conversation, content) = (desk.conversation, text("my card is ****"));
    desk.told(json!({"type": "edited", "conversation": conversation, "seq": 1, "by": "boss", "content": content}))
        .await;
    assert_eq!(desk.b1.texts(conversation).await, ["my card is ****"]);
    for person in [&desk.a2, &desk.b1] {
        assert_eq!(person.summary(conversation).await["last_message"]["content"], content);
    }
    // Once more the same is no edit.
    let again = desk.boss.rest.patch(&path, json!({"content": content})).await.expect(200);
    assert_eq!(again["edited_at"], edited["edited_at"]);
    desk.a1.silence(json!({"type": "edited"})).await;
}

async fn messages_are_deleted(one: &TestNode, two: &TestNode) {
    let mut desk = Desk::set(one, two).await;
    let conversation = desk.conversation;
    for said in ["two", "three", "four"] {
        desk.b1.say("acme", said).await;
        desk.a1.hears(said).await;
    }
    let tombstone = json!({"kind": "deleted"});
    desk.boss.rest.delete(&format!("{}/4", desk.path)).await.expect(204);
    desk.told(json!({"type": "deleted", "conversation": conversation, "seq": 4, "by": "boss"})).await;
    assert_eq!(desk.a2.summary(conversation).await["last_message"]["content"], tombstone);
    desk.boss.rest.delete(&format!("{}?seq=3,1", desk.path)).await.expect(204);
    for seq in [1, 3] {
        desk.told(json!({"type": "deleted", "conversation": conversation, "seq": seq})).await;
    }
    let page = desk.b1.rest.get(&desk.path).await.expect(200);
    let contents: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|item| &item["content"]).collect();
    assert_eq!(contents, [&tombstone, &text("two"), &tombstone, &tombstone]);
    // Twice is once; and of several that are not all there, none goes.
    desk.boss.rest.delete(&format!("{}/4", desk.path)).await.expect(204);
    desk.boss.rest.delete(&format!("{}?seq=2,5", desk.path)).await.refused(404, "not_found");
    desk.b1.silence(json!({"type": "deleted"})).await;
    assert_eq!(desk.b1.rest.get(&format!("{}/2", desk.path)).await.expect(200)["content"], text("two"));
}

async fn a_message_is_added(one: &TestNode, two: &TestNode) {
    let mut desk = Desk::set(one, two).await;
    let conversation = desk.conversation;
    let added = desk.add("call-1", "b1", "by telephone: in blue").await.expect(201);
    assert_eq!((&added["seq"], &added["duplicate"]), (&json!(2), &json!(false)));
    let heard = desk.a1.hears("by telephone: in blue").await;
    assert_eq!(heard["from"], json!({"uid": "b1", "name": "b1", "role": "buyer"}));
    desk.b1.hears_unacked("by telephone: in blue").await;
    desk.a2.sees(conversation, "message").await;
    // On behalf of an agent who has not claimed it: the buyer hears it, and the claimant has a copy.
    desk.add("call-2", "a2", "in blue it shall be").await.expect(201);
    let heard = desk.b1.hears("in blue it shall be").await;
    assert_eq!(
        (&heard["seq"], &heard["from"]["uid"], &heard["from"]["role"]),
        (&json!(3), &json!("a2"), &json!("agent"))
    );
    desk.a1.hears_unacked("in blue it shall be").await;
    desk.a2.silence(json!({"type": "message", "seq": 3})).await;
    // And everything goes on in order.
    desk.b1.say("acme", "thanks").await;
    assert_eq!(desk.a1.hears("thanks").await["seq"], 4);
    desk.a1.say(conversation, "welcome").await;
    assert_eq!(desk.b1.hears("welcome").await["seq"], 5);
    let (a1, b1) = (desk.a1.summary(conversation).await, desk.b1.summary(conversation).await);
    assert_eq!((&a1["unread"], &b1["unread"], &a1["claimed_by"]["uid"]), (&json!(3), &json!(2), &json!("a1")));
}

#[tokio::test]
async fn an_edit_is_seen_by_all_who_may_see_the_message() {
    on_one_node(a_message_is_edited).await;
}

#[tokio::test]
async fn an_edit_crosses_nodes() {
    on_two_nodes(a_message_is_edited).await;
}

#[tokio::test]
async fn a_deletion_leaves_a_tombstone() {
    on_one_node(messages_are_deleted).await;
}

#[tokio::test]
async fn a_deletion_crosses_nodes() {
    on_two_nodes(messages_are_deleted).await;
}

#[tokio::test]
async fn an_added_message_is_like_the_members_own() {
    on_one_node(a_message_is_added).await;
}

#[tokio::test]
async fn an_added_message_crosses_nodes() {
    on_two_nodes(a_message_is_added).await;
}

#[tokio::test]
async fn an_added_message_neither_reopens_nor_claims() {
    let node = TestNode::start().await;
    let mut desk = Desk::set(&node, &node).await;
    let conversation = desk.conversation;
    desk.a1.resolve(conversation).await;
    desk.add("1", "b1", "a letter came").await.expect(201);
    desk.add("2", "a1", "we have answered it").await.expect(201);
    desk.b1.hears("we have answered it").await;
    let summary = desk.a2.summary(conversation).await;
    assert_eq!((&summary["state"], &summary["claimed_by"]), (&json!("resolved"), &Value::Null));
    assert_eq!((&summary["last_seq"], &summary["waiting_since"]), (&json!(3), &Value::Null));
    desk.a1.silence(json!({"type": "message"})).await;
    let tickets = desk.a1.rest.get("/shops/acme/tickets").await.expect(200);
    assert_eq!((tickets["items"].as_array().unwrap().len(), &tickets["items"][0]["last_seq"]), (1, &json!(1)));
    // The next ticket begins behind it, and whoever claims that is given all of it.
    desk.b1.say("acme", "hello again").await;
    desk.a2.hears("hello again").await;
    desk.a2.claim(conversation).await;
    desk.a2.expect(json!({"type": "message", "seq": 2})).await;
    let tickets = desk.a1.rest.get("/shops/acme/tickets").await.expect(200);
    assert_eq!(tickets["items"][0]["first_seq"], json!(4));
}

#[tokio::test]
async fn while_it_waits_an_added_answer_is_the_first_answer() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    let body = json!({"id": "1", "as": "a1", "content": text("we called you")});
    boss.rest.post(&format!("/conversations/{conversation}/messages"), body).await.expect(201);
    b1.hears("we called you").await;
    a1.silence(json!({"type": "message", "seq": 2})).await;
    let ticket = boss.rest.get("/shops/acme/tickets").await.expect(200)["items"][0].clone();
    assert_eq!((&ticket["answered_by"]["uid"], &ticket["claimed_by"]), (&json!("a1"), &Value::Null));
    assert_eq!(b1.summary(conversation).await["state"], "waiting");
}

#[tokio::test]
async fn an_addition_happens_once_and_its_key_is_not_the_members() {
    let node = TestNode::start().await;
    let mut desk = Desk::set(&node, &node).await;
    let first = desk.add("k", "b1", "from a letter").await.expect(201);
    let again = desk.add("k", "b1", " from a letter\n").await.expect(200);
    assert_eq!((&again["seq"], &again["at"], &again["duplicate"]), (&first["seq"], &first["at"], &json!(true)));
    desk.add("k", "b1", "another letter").await.refused(409, "conflict");
    // The members' own `k`, and another member's, are others.
    let own = json!({"id": "k", "to": {"shop": "acme"}, "content": text("my own")});
    assert_eq!(desk.b1.rest.post("/messages", own).await.expect(201)["seq"], 3);
    assert_eq!(desk.add("k", "a1", "from a letter").await.expect(201)["seq"], 4);
    // Another shop's key is another, too.
    node.shop("bolt").await;
    let other = node.admin("bolt", "other").await;
    let elsewhere = desk.b1.opens("bolt", "hi").await;
    let body = json!({"id": "k", "as": "b1", "content": text("from a letter")});
    let path = format!("/conversations/{elsewhere}/messages");
    assert_eq!(other.rest.post(&path, body.clone()).await.expect(201)["seq"], 2);
    for (body, field) in [
        (json!({"as": "b1", "content": text("x")}), "id"),
        (json!({"id": "1", "content": text("x")}), "as"),
        (json!({"id": "1", "as": "b1"}), "content"),
        (json!({"id": "1", "as": "nobody", "content": text("x")}), "as"),
        (json!({"id": "1", "as": "other", "content": text("x")}), "as"),
    ] {
        assert_eq!(
            desk.boss.rest.post(&desk.path, body.clone()).await.refused(400, "invalid")["field"],
            json!(field),
            "{body}"
        );
    }
}

#[tokio::test]
async fn key_and_place_outlive_edit_and_deletion() {
    let node = TestNode::start().await;
    let desk = Desk::set(&node, &node).await;
    let send = |said: &str| json!({"id": "mine", "to": {"shop": "acme"}, "content": text(said)});
    let first = desk.b1.rest.post("/messages", send("first words")).await.expect(201);
    let path = format!("{}/{}", desk.path, first["seq"]);
    desk.boss.rest.patch(&path, json!({"content": text("other words")})).await.expect(200);
    for _ in 0..2 {
        let again = desk.b1.rest.post("/messages", send("first words")).await.expect(200);
        assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &json!(true)));
        desk.b1.rest.post("/messages", send("other words")).await.refused(409, "conflict");
        desk.boss.rest.delete(&path).await.expect(204);
    }
    assert_eq!(desk.b1.rest.get(&path).await.expect(200)["content"], json!({"kind": "deleted"}));
}

#[tokio::test]
async fn what_is_gone_is_not_edited_and_not_recalled() {
    let node = TestNode::start().await;
    let mut desk = Desk::set(&node, &node).await;
    desk.b1.say("acme", "two").await;
    desk.b1.ok(json!({"type": "recall", "conversation": desk.conversation, "seq": 2})).await;
    desk.boss.rest.delete(&format!("{}/1", desk.path)).await.expect(204);
    for seq in [1, 2] {
        let edit = json!({"content": text("back again")});
        desk.boss.rest.patch(&format!("{}/{seq}", desk.path), edit).await.refused(409, "conflict");
    }
    desk.b1.ok(json!({"type": "recall", "conversation": desk.conversation, "seq": 1})).await;
    let one = desk.b1.rest.get(&format!("{}/1", desk.path)).await.expect(200);
    assert_eq!(one["content"], json!({"kind": "deleted"}), "deleted it stays");
}

#[tokio::test]
async fn who_comes_back_and_who_has_not_acked_gets_the_new_form() {
    for lists in [Lists::in_database(), Lists::in_redis()] {
        let node = lists.node().await;
        let mut desk = Desk::set(&node, &node).await;
        desk.a1.acks(desk.conversation, 1).await;
        arrived(&desk.b1, desk.conversation, 1).await;
        desk.b1.leave().await;
        for said in ["one", "two", "three"] {
            desk.a1.say(desk.conversation, said).await;
        }
        desk.boss.rest.patch(&format!("{}/2", desk.path), json!({"content": text("eins")})).await.expect(200);
        desk.boss.rest.delete(&format!("{}/3", desk.path)).await.expect(204);
        desk.b1.come_back(node.base()).await;
        assert_eq!(desk.b1.welcome["queued"], 3);
        let message = |seq: u64, content: Value| json!({"type": "message", "seq": seq, "content": content});
        desk.b1.expect(message(2, text("eins"))).await;
        desk.b1.expect(message(3, json!({"kind": "deleted"}))).await;
        desk.b1.expect(message(4, text("three"))).await;
        // What is not acked comes again, in the form that it has by then.
        desk.boss.rest.delete(&format!("{}/4", desk.path)).await.expect(204);
        desk.b1.expect(json!({"type": "message", "seq": 4, "redelivered": true, "content": {"kind": "deleted"}})).await;
        desk.b1.acks(desk.conversation, 4).await;
        desk.b1.leave().await;
        desk.b1.come_back(node.base()).await;
        flushes(&mut desk.b1, &[]).await;
    }
}

#[tokio::test]
async fn news_of_a_message_that_is_gone_by_then_do_not_show_it() {
    let node = TestNode::start().await;
    let mut desk = Desk::set(&node, &node).await;
    desk.b1.say("acme", "the first is told at once").await;
    desk.a2.sees(desk.conversation, "message").await;
    desk.b1.say("acme", "secret").await;
    desk.boss.rest.delete(&format!("{}/3", desk.path)).await.expect(204);
    let told = desk.a2.sees(desk.conversation, "message").await;
    assert_eq!(told["last_message"]["content"], json!({"kind": "deleted"}), "a second later");
}

#[tokio::test]
async fn who_may_not_is_told_no_more_than_that() {
    let node = TestNode::start().await;
    let mut desk = Desk::set(&node, &node).await;
    node.employ("acme", "s1", "supervisor").await;
    node.shop("bolt").await;
    node.employ("bolt", "rival", "admin").await;
    let direct = desk.b1.opens(shopbell_harness::To::User("boss".into()), "psst").await;
    async fn ask(rest: &Rest, method: &Method, path: &str) -> Answer {
        let body = json!({"id": "1", "as": "b1", "content": {"kind": "text", "text": "x"}});
        Answer::of(rest.request(method.clone(), path).json(&body)).await
    }
    let acts = [(Method::POST, ""), (Method::PATCH, "/1"), (Method::DELETE, "/1"), (Method::DELETE, "?seq=1")];
    for (method, rest) in acts {
        let at = |conversation: u64| format!("/conversations/{conversation}/messages{rest}");
        for uid in ["a1", "a2", "s1", "b1"] {
            ask(&node.rest(uid), &method, &at(desk.conversation)).await.refused(403, "forbidden");
        }
        let operator = node.operator().await;
        for rest in [&node.rest("rival"), &node.rest("b2"), &operator] {
            let foreign = ask(rest, &method, &at(desk.conversation)).await.refused(404, "not_found");
            assert_eq!(foreign, ask(rest, &method, &at(999_999)).await.refused(404, "not_found"), "{method}");
        }
        // A direct conversation belongs to no shop.
        for rest in [&desk.boss.rest, &desk.b1.rest] {
            ask(rest, &method, &at(direct)).await.refused(404, "not_found");
        }
        ask(&node.anonymous(), &method, &at(desk.conversation)).await.refused(401, "unauthenticated");
    }
    for path in ["/2", "/0", "/x"] {
        ask(&desk.boss.rest, &Method::PATCH, &format!("{}{path}", desk.path)).await.refused(404, "not_found");
        ask(&desk.boss.rest, &Method::DELETE, &format!("{}{path}", desk.path)).await.refused(404, "not_found");
    }
    for query in ["", "?seq=", "?seq=1,a", "?seq=0", "?seq=1&seq=2"] {
        let problem =
            ask(&desk.boss.rest, &Method::DELETE, &format!("{}{query}", desk.path)).await.refused(400, "invalid");
        assert_eq!(problem["field"], "seq", "{query}");
    }
    assert_eq!(desk.b1.texts(desk.conversation).await, ["my card is 4711"]);
}

#[tokio::test]
async fn what_the_link_loses_is_told_all_the_same() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let (proxy, port) = (Proxy::to(redis.port()), redis.port().to_string());
    let far = redis.url().replace(&port, &proxy.port().to_string());
    let start = |redis: String| TestNode::builder().database(&database).set("redis.url", redis).start();
    let (one, two) = (start(redis.url()).await, start(far).await);
    for node in [&one, &two] {
        eventually("the nodes know each other", async || node.metric("shopbell_link_nodes").await == 1).await;
    }
    let mut desk = Desk::set(&one, &two).await;
    // Somebody for whom the second node has no dispatcher, and two between whom there is no shop.
    let mut ann = two.buyer("ann").await;
    let direct = desk.a1.opens(shopbell_harness::To::User("ann".into()), "between us").await;
    ann.hears("between us").await;
    desk.a1.say(desk.conversation, "an answer").await;
    desk.b1.hears("an answer").await;
    desk.a1.settle().await;

    proxy.cut();
    eventually("the link is down", async || two.metric("shopbell_link_up").await == 0).await;
    desk.boss.rest.patch(&format!("{}/1", desk.path), json!({"content": text("never mind")})).await.expect(200);
    desk.boss.rest.delete(&format!("{}/2", desk.path)).await.expect(204);
    desk.a1.ok(json!({"type": "recall", "conversation": direct, "seq": 1})).await;
    let conversation = desk.conversation;
    let edited =
        json!({"type": "edited", "conversation": conversation, "seq": 1, "by": "boss", "content": text("never mind")});
    let deleted = json!({"type": "deleted", "conversation": conversation, "seq": 2, "by": "boss"});
    for person in [&mut desk.a2, &mut desk.b1] {
        person.expect(edited.clone()).await;
        person.expect(deleted.clone()).await;
    }
    ann.expect(json!({"type": "recalled", "conversation": direct, "seq": 1})).await;
    // What was edited while nobody heard, and deleted since, does not come back with the link.
    desk.boss.rest.delete(&format!("{}/1", desk.path)).await.expect(204);
    let deleted = json!({"type": "deleted", "conversation": conversation, "seq": 1, "by": "boss"});
    desk.b1.expect(deleted.clone()).await;
    proxy.restore();
    eventually("the link is up", async || two.metric("shopbell_link_up").await == 1).await;
    desk.boss.rest.post(&desk.path, json!({"id": "last", "as": "a1", "content": text("over it")})).await.expect(201);
    desk.b1.hears("over it").await;
    desk.b1.silence(edited).await;
}
