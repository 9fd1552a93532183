//! A shop's bot gets new conversations first: they are its as they are opened, it answers or hands them over, and nobody's figures are
//! about it.

use std::time::{Duration, Instant};

use crate::{nodes::Cluster, stored::Stored};
use shopbell_harness::{NodeBuilder, Person, Rest, TestNode, Value, eventually, json};

/// Shop `acme` with an admin, an agent and a bot, which gets new conversations first.
struct Shop {
    node: TestNode,
    owner: Rest,
    a1: Person,
    /// The bot's key.
    key: String,
}

impl Shop {
    async fn open(builder: NodeBuilder) -> Shop {
        let node = builder.start().await;
        node.shop("acme").await;
        node.employ("acme", "owner", "admin").await;
        let (owner, a1) = (node.rest("owner"), node.agent("acme", "a1").await);
        let key = employ_bot(&owner).await;
        Shop { node, owner, a1, key }
    }

    /// The bot, with a session.
    async fn helper(&self) -> Person {
        Person::connect(self.node.base(), "helper", &self.key).await
    }

    /// The bot, with its key alone.
    fn rest(&self) -> Rest {
        Rest::new(self.node.base(), Some(&self.key))
    }
}

/// Makes the bot `helper`, which gets new conversations first; gives its key.
async fn employ_bot(owner: &Rest) -> String {
    owner.post("/shops/acme/agents", json!({"uid": "helper", "name": "Helper", "role": "bot"})).await.expect(201);
    let key = json!({"name": "Helper", "scopes": ["bot"], "uid": "helper"});
    let key = owner.post("/shops/acme/keys", key).await.expect(201);
    assert_eq!(owner.patch("/shops/acme", json!({"bot": "helper"})).await.expect(200)["bot"], "helper");
    key["key"].as_str().unwrap().to_owned()
}

fn said(id: &str, conversation: u64, text: &str) -> Value {
    json!({"id": id, "to": {"conversation": conversation}, "content": {"kind": "text", "text": text}})
}

#[tokio::test]
async fn a_new_conversation_is_the_bots_as_it_is_opened_and_peoples_when_it_lets_go() {
    let mut shop = Shop::open(TestNode::builder()).await;
    for wrong in ["a1", "nobody"] {
        let problem = shop.owner.patch("/shops/acme", json!({"bot": wrong})).await.refused(400, "invalid");
        assert_eq!(problem["field"], "bot");
    }
    let mut helper = shop.helper().await;
    let mut buyer = shop.node.buyer("b1").await;
    let conversation = buyer.opens("acme", "hi").await;
    helper.hears("hi").await;
    let seen = shop.a1.sees(conversation, "opened").await;
    assert_eq!((&seen["state"], &seen["claimed_by"]["uid"]), (&json!("claimed"), &json!("helper")));
    assert_eq!((&seen["with_bot"], &seen["waiting_since"]), (&json!(true), &Value::Null));
    let claimed = shop.a1.refused(json!({"type": "claim", "conversation": conversation}), "already_claimed").await;
    assert_eq!(claimed["claimed_by"]["uid"], "helper");
    helper.say(conversation, "One moment").await;
    assert_eq!(buyer.hears("One moment").await["from"]["role"], "bot");

    helper.release(conversation).await;
    let seen = shop.a1.sees(conversation, "released").await;
    assert_eq!((&seen["state"], seen.get("with_bot")), (&json!("waiting"), None));
    assert!(seen["waiting_since"].as_str() > seen["created_at"].as_str(), "it has waited since then: {seen}");
    buyer.expect(json!({"type": "notice", "code": "queue_position"})).await;
    shop.a1.claim(conversation).await;
    shop.a1.say(conversation, "I am Ann").await;
    assert_eq!(buyer.hears("I am Ann").await["from"]["role"], "agent");
    let page = shop.owner.get(&format!("/conversations/{conversation}/timeline")).await.expect(200);
    let causes: Vec<&str> = page["items"].as_array().unwrap().iter().map(|it| it["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["opened", "claimed", "released", "claimed"]);

    // Whoever comes again comes to the bot again, unless that is away, disabled or gone.
    shop.a1.resolve(conversation).await;
    buyer.say("acme", "once more").await;
    helper.hears("once more").await;
    helper.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let mut other = shop.node.buyer("b2").await;
    let waits = other.opens("acme", "hello").await;
    assert_eq!(shop.a1.summary(waits).await["state"], "waiting");
    helper.ok(json!({"type": "status", "shop": "acme", "status": "online"})).await;
    shop.owner.patch("/shops/acme/agents/helper", json!({"disabled": true})).await.expect(200);
    assert_eq!(shop.a1.summary(conversation).await["state"], "waiting", "its claims are over");
    let waits = shop.node.buyer("b3").await.opens("acme", "hello").await;
    assert_eq!(shop.a1.summary(waits).await["state"], "waiting");
    shop.owner.delete("/shops/acme/agents/helper").await.expect(204);
    assert_eq!(shop.owner.get("/shops/acme").await.expect(200)["bot"], Value::Null);
}

#[tokio::test]
async fn a_bot_is_no_part_of_peoples_figures_and_takes_none_of_their_time() {
    let mut shop = Shop::open(TestNode::builder()).await;
    let (helper, mut buyer) = (shop.rest(), shop.node.buyer("b1").await);
    let handed_over = buyer.opens("acme", "hi").await;
    helper.post("/messages", said("1", handed_over, "One moment")).await.expect(201);
    // It keeps the buyer for a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    helper.post(&format!("/conversations/{handed_over}/release"), json!({})).await.expect(200);
    shop.a1.claim(handed_over).await;
    shop.a1.say(handed_over, "I am Ann").await;
    shop.a1.resolve(handed_over).await;
    // Both ends of a time are cut to whole milliseconds.
    let theirs = began.elapsed().as_millis() as i64 + 1;
    let mut other = shop.node.buyer("b2").await;
    let alone = other.opens("acme", "What time is it?").await;
    helper.post("/messages", said("2", alone, "Noon")).await.expect(201);
    helper.post(&format!("/conversations/{alone}/resolve"), json!({})).await.expect(200);

    let stats = shop.owner.get("/shops/acme/stats").await.expect(200);
    let total = &stats["total"];
    let counts = |names: [&str; 5]| names.map(|name| total[name]["count"].as_u64().unwrap());
    assert_eq!(counts(["opened", "claimed", "resolved", "resolved_by_bot", "left_messages"]), [2, 1, 2, 1, 0]);
    assert_eq!((&total["messages_in"]["messages"], &total["messages_out"]["messages"]), (&json!(2), &json!(1)));
    for time in ["wait", "first_response", "resolution"] {
        assert_eq!(total[time]["count"], 1, "{time} of {total}");
        let took = total[time]["median_ms"].as_i64().unwrap();
        assert!(took <= theirs, "{time} of {total}: the bot's time is not theirs, who took {theirs} ms");
    }
    assert_eq!(
        (&total["within_30s"]["within"]["count"], &total["within_30s"]["not_within"]["count"]),
        (&json!(1), &json!(0))
    );
    let agents: Vec<&str> =
        stats["agents"].as_array().unwrap().iter().map(|it| it["agent"]["uid"].as_str().unwrap()).collect();
    assert_eq!(agents, ["a1"]);
    assert_eq!(stats["now"]["agents_online"], 1, "{stats}");
    crate::statistics::lists_agree(&shop.owner, &stats).await;
    for event in ["claimed", "answered", "message_out"] {
        let path = format!("/shops/acme/tickets?event={event}&agent=helper&count=true");
        assert_eq!(shop.owner.get(&path).await.expect(200)["count"], 0, "{event}");
    }
    let listed = shop.owner.get("/shops/acme/tickets?by_bot=true").await.expect(200);
    let ticket = &listed["items"][0];
    assert_eq!((&ticket["conversation"], &ticket["offered_at"]), (&json!(alone), &Value::Null));
    assert_eq!((&ticket["resolved_by"]["uid"], &ticket["claimed_by"]), (&json!("helper"), &Value::Null));
}

#[tokio::test]
async fn a_message_is_left_when_the_bot_lets_go_while_nobody_is_there() {
    let mut shop = Shop::open(TestNode::builder()).await;
    for person in [&mut shop.a1, &mut shop.node.person("owner").await] {
        person.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    }
    let (mut helper, mut buyer) = (shop.helper().await, shop.node.buyer("b1").await);
    let conversation = buyer.opens("acme", "hi").await;
    let left =
        async || shop.owner.get("/shops/acme/tickets?left_message=true&count=true").await.expect(200)["count"].clone();
    assert_eq!(left().await, 0, "the bot is there");
    helper.release(conversation).await;
    assert_eq!(left().await, 1);
    buyer.expect(json!({"type": "notice", "code": "away"})).await;
}

#[tokio::test]
async fn a_bot_without_a_session_keeps_what_it_answers_and_loses_what_it_does_not() {
    let mut shop = Shop::open(TestNode::builder().set("chat.claim_grace", "500ms")).await;
    let (mut buyer, mut other) = (shop.node.buyer("b1").await, shop.node.buyer("b2").await);
    let conversation = buyer.opens("acme", "hi").await;
    shop.rest().post("/messages", said("1", conversation, "One moment")).await.expect(201);
    let unanswered = other.opens("acme", "hello").await;
    // Longer ago than the grace, and than the time for an answer.
    let stored = Stored::of(&shop.node);
    let long_ago = || stored.run("UPDATE messages SET at = at - 60000; UPDATE timeline SET at = at - 60000");
    let released = |id: u64| json!({"type": "conversation", "cause": "released", "conversation": {"id": id}});
    long_ago();
    shop.a1.expect_within(released(unanswered), Duration::from_secs(15)).await;
    // By then it has been looked for both: it still has what it has answered.
    assert_eq!(shop.a1.summary(conversation).await["claimed_by"]["uid"], "helper");

    buyer.say("acme", "Are you there?").await;
    long_ago();
    let seen = shop.a1.expect_within(released(conversation), Duration::from_secs(15)).await["conversation"].take();
    assert_eq!(seen["state"], "waiting");
    eventually("both losses are counted", async || shop.node.metric("shopbell_bot_claims_lost_total").await == 2).await;
    shop.a1.claim(conversation).await;
    shop.a1.say(conversation, "I am").await;
    buyer.hears("I am").await;
}

#[tokio::test]
async fn a_supervisor_takes_over_from_the_bot() {
    let shop = Shop::open(TestNode::builder()).await;
    let mut boss = shop.node.supervisor("acme", "boss").await;
    let (mut helper, mut buyer) = (shop.helper().await, shop.node.buyer("b1").await);
    let conversation = buyer.opens("acme", "hi").await;
    helper.hears("hi").await;
    boss.sees(conversation, "opened").await;
    boss.transfer(conversation, "boss").await;
    buyer.say("acme", "Is that you?").await;
    boss.hears("Is that you?").await;
    boss.say(conversation, "I am the boss").await;
    buyer.hears("I am the boss").await;
    helper.cannot_say(conversation, "One moment", "not_claimant").await;
    assert_eq!(shop.a1.summary(conversation).await["claimed_by"]["uid"], "boss");
}

#[tokio::test]
async fn what_is_committed_in_two_phases_comes_to_the_bot_first() {
    let mut shop = Shop::open(TestNode::builder()).await;
    let buyer = shop.node.buyer("b1").await;
    let content = json!({"kind": "text", "text": "Order 1 is paid"});
    let prepared = json!({"id": "order-1", "to": {"shop": "acme"}, "content": content});
    let ticket = buyer.rest.post("/messages/prepare", prepared).await.expect(201)["ticket"].take();
    let stored = buyer.rest.post("/messages/commit", json!({"ticket": ticket})).await.expect(201);
    let seen = shop.a1.sees(stored["conversation"].as_u64().unwrap(), "opened").await;
    assert_eq!(seen["claimed_by"]["uid"], "helper");
}

#[tokio::test]
async fn the_bot_is_on_another_node() {
    let cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    one.shop("acme").await;
    one.employ("acme", "owner", "admin").await;
    let key = employ_bot(&one.rest("owner")).await;
    let mut a1 = two.agent("acme", "a1").await;
    let mut helper = Person::connect(two.base(), "helper", &key).await;
    let mut buyer = one.buyer("b1").await;
    for round in ["opened", "reopened"] {
        let conversation = buyer.opens("acme", round).await;
        helper.hears(round).await;
        assert_eq!(a1.sees(conversation, round).await["with_bot"], true);
        helper.say(conversation, "Done").await;
        buyer.hears("Done").await;
        helper.resolve(conversation).await;
        a1.sees(conversation, "resolved").await;
        eventually("the buyer knows", async || buyer.summary(conversation).await["state"] == "resolved").await;
    }
}
