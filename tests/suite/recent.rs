//! Recent chats, for any user: who one talks with, what was said last, and what is unread (the contract's sections 2 and 4).

use shopbell_harness::{
    NodeBuilder, Person, SECRET, TestNode, TestPostgres, TestRedis, To, Value, eventually, json, now, sign,
};

use super::scene::Scene;

/// Somebody whose token says how others see them.
async fn known(node: &TestNode, uid: &str, name: &str) -> Person {
    let card =
        json!({"sub": uid, "exp": now() + 3600, "name": name, "avatar": format!("https://example.org/{uid}.png")});
    Person::connect(node.base(), uid, &sign(SECRET, &card)).await
}

fn card(uid: &str, name: &str) -> Value {
    json!({"uid": uid, "name": name, "avatar": format!("https://example.org/{uid}.png")})
}

async fn recent(person: &Person, query: &str) -> Value {
    person.rest.get(&format!("/conversations{query}")).await.expect(200)
}

fn ids(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

async fn on_one_node(story: impl AsyncFnOnce(&TestNode, &TestNode)) {
    let node = TestNode::start().await;
    story(&node, &node).await;
}

async fn on_two_nodes(story: impl AsyncFnOnce(&TestNode, &TestNode)) {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let builder = || -> NodeBuilder { TestNode::builder().database(&database).set("redis.url", redis.url()) };
    let (one, two) = (builder().start().await, builder().start().await);
    for node in [&one, &two] {
        eventually("the nodes know each other", async || node.metric("shopbell_link_nodes").await == 1).await;
    }
    story(&one, &two).await;
}

async fn everybody_sees_their_side(one: &TestNode, two: &TestNode) {
    one.shop("acme").await;
    one.employ("acme", "ann", "agent").await;
    one.employ("acme", "eve", "agent").await;
    let (mut ann, eve) = (known(one, "ann", "Ann").await, known(two, "eve", "Eve").await);
    let (mut bo, mut cy) = (known(two, "bo", "Bo").await, known(one, "cy", "Cy").await);
    let support = bo.opens("acme", "one").await;
    bo.say("acme", "two").await;
    ann.hears("one").await;
    ann.hears("two").await;
    ann.claim(support).await;
    ann.say(support, "an answer").await;
    bo.hears_unacked("an answer").await;
    let direct = bo.opens(To::User("cy".into()), "hello cy").await;
    cy.hears("hello cy").await;
    cy.say(direct, "hello bo").await;
    cy.say(direct, "are you there?").await;
    bo.hears_unacked("are you there?").await;

    let page = recent(&bo, "").await;
    assert_eq!(ids(&page), [direct, support], "the latest activity first");
    let [first, second] = [0, 1].map(|at| page["items"][at].clone());
    assert_eq!((&first["kind"], &first["peer"], &first["unread"]), (&json!("direct"), &card("cy", "Cy"), &json!(2)));
    let last = json!({"seq": 3, "from": {"uid": "cy", "name": "Cy", "role": "user"}, "content": {"kind": "text", "text": "are you there?"}, "at": first["last_message"]["at"]});
    assert_eq!(first["last_message"], last);
    assert!(last["at"].is_string());
    assert_eq!((&second["kind"], &second["shop"], &second["unread"]), (&json!("support"), &json!("acme"), &json!(1)));
    assert_eq!(second["claimed_by"], json!({"uid": "ann", "name": "Ann"}));
    assert_eq!(second["last_message"]["content"]["text"], "an answer");

    let page = recent(&cy, "").await;
    assert_eq!((ids(&page), &page["items"][0]["peer"]), (vec![direct], &card("bo", "Bo")));
    assert_eq!(page["items"][0]["unread"], 1, "it has answered, and never said that it has read");
    let page = recent(&ann, "").await;
    assert_eq!((ids(&page), &page["items"][0]["buyer"]), (vec![support], &card("bo", "Bo")));
    assert_eq!(page["items"][0]["unread"], 2, "the shop's side");
    assert_eq!(ids(&recent(&eve, "").await), Vec::<u64>::new(), "another agent's claim is none of its own");
    let shops = eve.rest.get("/shops/acme/conversations").await.expect(200);
    assert_eq!((ids(&shops), &shops["items"][0]["unread"]), (vec![support], &json!(2)));

    // Reading the history reads; and over the socket it is the same list.
    let path = format!("/conversations/{support}/messages?mark_read=true");
    bo.rest.get(&path).await.expect(200);
    ann.expect(json!({"type": "read", "conversation": support, "by": "bo", "seq": 3})).await;
    let left = bo.reads(direct, 2).await;
    cy.expect(json!({"type": "read", "conversation": direct, "by": "bo", "seq": 2})).await;
    let inbox = bo.ok(json!({"type": "inbox"})).await["conversations"].take();
    assert_eq!(inbox, recent(&bo, "").await["items"]);
    assert_eq!((left, &inbox[0]["unread"], &inbox[1]["unread"]), (1, &json!(1), &json!(0)));
}

#[tokio::test]
async fn recent_chats_are_seen_from_each_side() {
    on_one_node(everybody_sees_their_side).await;
}

#[tokio::test]
async fn recent_chats_are_the_same_on_every_node() {
    on_two_nodes(everybody_sees_their_side).await;
}

async fn what_is_on_screen_is_read_at_once(one: &TestNode, two: &TestNode) {
    let (mut bo, mut cy) = (one.person("bo").await, two.person("cy").await);
    let direct = bo.opens(To::User("cy".into()), "one").await;
    cy.hears("one").await;
    bo.expect(json!({"type": "delivered", "by": "cy", "seq": 1})).await;
    cy.reads(direct, 1).await;
    bo.expect(json!({"type": "read", "by": "cy", "seq": 1})).await;
    cy.ok(json!({"type": "view", "conversation": direct, "on": true})).await;
    bo.say(direct, "two").await;
    cy.hears("two").await;
    bo.expect(json!({"type": "read", "by": "cy", "seq": 2})).await;
    assert_eq!(cy.summary(direct).await["unread"], 0);
    cy.ok(json!({"type": "view", "conversation": direct, "on": false})).await;
    bo.say(direct, "three").await;
    cy.hears("three").await;
    bo.expect(json!({"type": "delivered", "by": "cy", "seq": 3})).await;
    assert_eq!(cy.summary(direct).await["unread"], 1);
}

#[tokio::test]
async fn a_direct_chat_on_screen_is_read_at_once() {
    on_one_node(what_is_on_screen_is_read_at_once).await;
}

#[tokio::test]
async fn a_chat_on_screen_on_another_node_is_read_at_once() {
    on_two_nodes(what_is_on_screen_is_read_at_once).await;
}

/// What rests is shown once; what moves up meanwhile stands at the head of a new list, and is not shown again further down.
#[tokio::test]
async fn pages_neither_skip_nor_repeat_what_rests() {
    let node = TestNode::start().await;
    let mut b1 = node.buyer("b1").await;
    let mut all = Vec::new();
    for n in 0..9 {
        let shop = node.shop(&format!("shop-{n}")).await;
        all.insert(0, b1.opens(&shop, "hi").await);
    }
    let mut pages = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = recent(&b1, &query).await;
        pages.push(ids(&page));
        // One that has been shown moves up, and one that is still to come.
        for shop in ["shop-8", "shop-1"] {
            b1.say(shop, "again").await;
        }
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=3&cursor={next}"),
            None => break,
        }
    }
    let moved = all[7];
    let mut rest = all.clone();
    rest.retain(|id| *id != moved);
    assert_eq!(pages.concat(), rest, "each once, in its place");
    assert_eq!(ids(&recent(&b1, "?limit=2").await), [moved, all[0]], "what moved stands at the head");
}

/// Several in the same millisecond are told apart by their numbers.
#[tokio::test]
async fn pages_of_what_happened_at_once() {
    let scene = Scene::set(TestNode::builder()).await;
    let mut all = vec![scene.conversation];
    for n in 0..6 {
        let mut buyer = scene.node.buyer(&format!("c{n}")).await;
        all.insert(0, buyer.opens("acme", "hi").await);
    }
    super::stored::Stored::of(&scene.node).run("UPDATE conversations SET updated_at = 1000, updated_second = 1");
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = scene.a1.rest.get(&format!("/shops/acme/conversations{query}")).await.expect(200);
        seen.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
}
