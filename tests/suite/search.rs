//! Search (the contract's section 4): found within a second of `ok`, marked, no longer once it is gone, and only in one's own shop.

use std::time::{Duration, Instant};

use super::scene::Scene;
use shopbell_harness::{PATIENCE, Rest, TestNode, TestPostgres, TestRedis, To, Value, json};

/// The contract's bound.
const BEHIND: Duration = Duration::from_secs(1);

async fn search(rest: &Rest, query: &str) -> Value {
    rest.get(&format!("/shops/acme/messages?{query}")).await.expect(200)
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|hit| hit["content"]["text"].as_str().unwrap()).collect()
}

/// Searches until `wanted` is what is found, newest first; gives how long that took.
async fn finds(rest: &Rest, query: &str, wanted: &[&str]) -> Duration {
    let started = Instant::now();
    loop {
        let page = search(rest, query).await;
        if texts(&page) == wanted {
            return started.elapsed();
        }
        assert!(started.elapsed() < PATIENCE, "{query} finds {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_said_is_found_within_a_second() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut times = Vec::new();
    for n in 0..5 {
        scene.b1.say("acme", &format!("什么时候发货 {n}")).await;
        times
            .push(finds(&scene.a1.rest, &format!("q=%E5%8F%91%E8%B4%A7%20{n}"), &[&format!("什么时候发货 {n}")]).await);
    }
    times.sort_unstable();
    println!("figure: found after {times:?}");
    assert!(times[2] < BEHIND, "{times:?}");
}

#[tokio::test]
async fn a_find_has_its_marks_its_buyer_and_its_place() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    scene.a1.say(conversation, "Your order A-1042 is on its way, Straße 5").await;
    let order = json!({"kind": "order", "id": "A-1042", "title": "Two hats", "amount": "9.50"});
    let body = json!({"id": "o1", "to": {"conversation": conversation}, "content": order});
    scene.a1.rest.post("/messages", body).await.expect(201);
    scene.b1.say("acme", "no such number").await;
    finds(&scene.a1.rest, "q=number", &["no such number"]).await;
    let page = search(&scene.a1.rest, "q=a-1042").await;
    let (card, text) = (&page["items"][0], &page["items"][1]);
    assert_eq!((&card["content"], &card["marks"]), (&order, &json!({"id": [[0, 6]]})));
    assert_eq!((&text["marks"], &text["seq"]), (&json!({"text": [[11, 17]]}), &json!(2)));
    assert_eq!((&text["buyer"]["uid"], &text["from"]["role"]), (&json!("b1"), &json!("agent")));
    for field in ["conversation", "shop", "client_id", "at", "delivered_at", "read_at", "edited_at"] {
        assert!(text.get(field).is_some(), "{field} in {text}");
    }
    assert_eq!((&page["items"][2], &page["next"]), (&Value::Null, &Value::Null));
    // Filters and pages.
    let all = search(&scene.a1.rest, "q=a-1042&limit=1").await;
    let next = search(&scene.a1.rest, &format!("q=a-1042&limit=1&cursor={}", all["next"].as_str().unwrap())).await;
    assert_eq!(
        (&all["items"][0]["seq"], &next["items"][0]["seq"], &next["next"]),
        (&json!(3), &json!(2), &Value::Null)
    );
    let (at, hits) = (card["at"].as_str().unwrap(), |page: Value| page["items"].as_array().unwrap().len());
    assert_eq!(hits(search(&scene.a1.rest, &format!("q=a-1042&to={at}&uid=a1")).await), 1);
    assert_eq!(hits(search(&scene.a1.rest, &format!("q=a-1042&from={at}")).await), 1);
    assert_eq!(hits(search(&scene.a1.rest, "q=a-1042&uid=b1").await), 0);
    assert_eq!(hits(search(&scene.a1.rest, "q=a-1042&uid=nobody").await), 0);
    assert_eq!(hits(search(&scene.a1.rest, "q=!%3F").await), 0);
    for (query, field) in
        [("q=", "q"), ("", "q"), ("q=%20", "q"), ("q=hi&limit=0", "limit"), ("q=hi&cursor=x", "cursor")]
    {
        let refused = scene.a1.rest.get(&format!("/shops/acme/messages?{query}")).await.refused(400, "invalid");
        assert_eq!(refused["field"], field, "{query}");
    }
}

#[tokio::test]
async fn what_is_recalled_is_found_no_more() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    let seq = scene.b1.say("acme", "my password is tulip").await["seq"].clone();
    finds(&scene.a1.rest, "q=tulip", &["my password is tulip"]).await;
    scene.b1.ok(json!({"type": "recall", "conversation": conversation, "seq": seq})).await;
    assert_eq!(texts(&search(&scene.a1.rest, "q=tulip").await), [] as [&str; 0], "at once");
}

#[tokio::test]
async fn conversations_by_what_was_said_in_them() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut b2 = scene.node.buyer("b2").await;
    let second = b2.opens("acme", "red tulips").await;
    scene.b1.say("acme", "blue tulips").await;
    finds(&scene.a1.rest, "q=tulip", &["blue tulips", "red tulips"]).await;
    for (query, wanted) in [
        ("text=tulip", vec![scene.conversation, second]),
        ("text=red", vec![second]),
        ("text=red&state=claimed", vec![]),
        ("text=tulip&state=claimed", vec![scene.conversation]),
        ("text=tulip&buyer=b2", vec![second]),
        ("text=tulip&q=b2", vec![second]),
        ("text=roses", vec![]),
        ("text=!", vec![]),
    ] {
        let page = scene.a1.rest.get(&format!("/shops/acme/conversations?{query}")).await.expect(200);
        let found: Vec<u64> = page["items"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect();
        assert_eq!(found, wanted, "{query}");
    }
}

#[tokio::test]
async fn agents_of_the_shop_alone_search_and_nothing_direct_is_found() {
    let mut scene = Scene::set(TestNode::builder()).await;
    scene.node.shop("bolt").await;
    let a2 = scene.node.agent("bolt", "a2").await;
    let mut b2 = scene.node.buyer("b2").await;
    b2.say("bolt", "a secret of bolt").await;
    scene.b1.say(To::User("b2".into()), "a secret of ours").await;
    scene.b1.say("acme", "a secret of acme").await;
    finds(&scene.a1.rest, "q=secret", &["a secret of acme"]).await;
    let elsewhere = "/shops/acme/messages?q=secret";
    for somebody in [&a2.rest, &scene.b1.rest, &b2.rest] {
        somebody.get(elsewhere).await.refused(404, "not_found");
        somebody.get("/shops/none/messages?q=secret").await.refused(404, "not_found");
    }
    scene.node.operator().await.get(elsewhere).await.refused(403, "forbidden");
    scene.node.anonymous().get(elsewhere).await.refused(401, "unauthenticated");
}

/// The node dies between the commit and the index.
#[tokio::test]
async fn what_a_killed_node_had_not_indexed_is_found_after_its_restart() {
    let mut scene = Scene::set(TestNode::builder()).await;
    for n in 0..20 {
        scene.b1.say("acme", &format!("tulip {n}")).await;
    }
    scene.node.restart().await;
    let rest = scene.node.rest("a1");
    let all: Vec<String> = (0..20).rev().map(|n| format!("tulip {n}")).collect();
    finds(&rest, "q=tulip&limit=100", &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn every_node_finds_what_was_said_on_another_and_indexes_when_one_dies() {
    let (redis, database) = (TestRedis::start(), TestPostgres::shared().fresh_database());
    let node = || TestNode::builder().database(&database).set("redis.url", redis.url()).start();
    let (mut first, second) = (node().await, node().await);
    first.shop("acme").await;
    first.employ("acme", "a1", "agent").await;
    let mut b1 = first.buyer("b1").await;
    b1.say("acme", "tulip on the first").await;
    for node in [&first, &second] {
        finds(&node.rest("a1"), "q=tulip", &["tulip on the first"]).await;
    }
    b1.say("acme", "rose on the first").await;
    first.kill();
    let mut b1 = second.buyer("b1").await;
    b1.say("acme", "rose on the second").await;
    finds(&second.rest("a1"), "q=rose", &["rose on the second", "rose on the first"]).await;
}
