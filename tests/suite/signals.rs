//! What is said once and never stored: typing, presence, notices, and the merged news of claimed conversations.

use super::scene::Scene;
use shopbell_harness::{TestNode, json};
use std::time::{Duration, Instant};

/// Everybody has been there for long enough to be told of.
async fn stable_scene() -> Scene {
    let scene = Scene::set(TestNode::builder().set("presence.delay", "100ms")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene
}

#[tokio::test]
async fn typing_reaches_the_other_side_only() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    let mut a2 = scene.node.agent("acme", "a2").await;
    let mut tablet = scene.b1.second_device().await;
    for on in [true, false] {
        let typing = json!({"type": "typing", "conversation": conversation, "on": on});
        scene.b1.ok(typing.clone()).await;
        scene.a1.expect(json!({"type": "typing", "conversation": conversation, "by": "b1", "on": on})).await;
        scene.a1.ok(typing).await;
        scene.b1.expect(json!({"type": "typing", "conversation": conversation, "by": "a1", "on": on})).await;
    }
    a2.silence(json!({"type": "typing"})).await;
    tablet.settle().await;
    assert!(tablet.heard(json!({"type": "typing", "by": "b1"})).is_empty(), "not to one's own side");
}

#[tokio::test]
async fn the_page_that_a_buyer_looks_at_reaches_who_answers() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    let mut a2 = scene.node.agent("acme", "a2").await;
    let page = |title| json!({"type": "page", "conversation": conversation, "url": "https://shop.example/teapot?x=1", "title": title});
    for title in [json!("A teapot"), json!(null)] {
        scene.b1.ok(page(title.clone())).await;
        let mut told = page(title);
        told["by"] = json!("b1");
        scene.a1.expect(told).await;
    }
    a2.silence(json!({"type": "page"})).await;
    for url in [json!("javascript:alert(1)"), json!("/teapot"), json!(null), json!(7)] {
        scene.b1.refused(json!({"type": "page", "conversation": conversation, "url": url}), "invalid").await;
    }
}

#[tokio::test]
async fn the_claimant_sees_its_buyer_come_and_go() {
    let mut scene = stable_scene().await;
    let presence = |online: bool| json!({"type": "presence", "uid": "b1", "online": online});
    scene.b1.leave().await;
    let gone = scene.a1.expect(presence(false)).await;
    assert!(gone["at"].is_string(), "{gone}");
    scene.b1.come_back(scene.node.base()).await;
    scene.a1.expect(presence(true)).await;
}

#[tokio::test]
async fn one_is_offline_when_the_last_session_is_gone() {
    let mut scene = stable_scene().await;
    let mut tablet = scene.b1.second_device().await;
    scene.b1.leave().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.a1.silence(json!({"type": "presence", "uid": "b1", "online": false})).await;
    scene.a1.say(scene.conversation, "still there?").await;
    tablet.hears("still there?").await;
    tablet.leave().await;
    scene.a1.expect(json!({"type": "presence", "uid": "b1", "online": false})).await;
}

#[tokio::test]
async fn colleagues_see_each_other_come_go_and_rest() {
    let node = TestNode::builder().set("presence.delay", "100ms").start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    a1.expect(json!({"type": "presence", "uid": "a2", "online": true})).await;
    a2.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    a1.expect(json!({"type": "presence", "uid": "a2", "status": "away"})).await;
    a2.leave().await;
    a1.expect(json!({"type": "presence", "uid": "a2", "online": false})).await;
}

#[tokio::test]
async fn a_short_absence_is_not_worth_a_word() {
    let mut scene = Scene::set(TestNode::builder().set("presence.delay", "1s")).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    scene.a1.take_all(json!({"type": "presence"})).await;
    scene.b1.leave().await;
    scene.b1.come_back(scene.node.base()).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    scene.a1.silence(json!({"type": "presence", "uid": "b1", "online": false})).await;
}

#[tokio::test]
async fn the_buyer_sees_whether_somebody_is_on_duty() {
    let mut scene = stable_scene().await;
    scene.a1.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    scene.b1.expect(json!({"type": "presence", "shop": "acme", "online": false})).await;
    scene.a1.ok(json!({"type": "status", "shop": "acme", "status": "online"})).await;
    scene.b1.expect(json!({"type": "presence", "shop": "acme", "online": true})).await;
}

#[tokio::test]
async fn a_status_is_an_agents_of_that_shop() {
    let mut scene = Scene::set(TestNode::builder()).await;
    scene.node.shop("bolt").await;
    let status = |shop: &str| json!({"type": "status", "shop": shop, "status": "away"});
    assert_eq!(scene.b1.ask(status("acme")).await["type"], "error", "a buyer has none");
    let foreign = scene.a1.refused(status("bolt"), "not_found").await;
    let absent = scene.a1.refused(status("nowhere"), "not_found").await;
    assert_eq!(foreign["message"], absent["message"]);
}

#[tokio::test]
async fn who_moves_up_is_told_but_not_more_often_than_every_ten_seconds() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let (mut b1, mut b2) = (node.buyer("b1").await, node.buyer("b2").await);
    let first = b1.opens("acme", "hi").await;
    let before = Instant::now();
    b2.opens("acme", "hi").await;
    let place = |place: u64| json!({"type": "notice", "code": "queue_position", "position": place});
    b2.expect(place(2)).await;
    a1.claim(first).await;
    b2.expect_within(place(1), Duration::from_secs(20)).await;
    assert!(before.elapsed() >= Duration::from_secs(10), "{:?}", before.elapsed());
}

#[tokio::test]
async fn who_waits_is_told_the_place_in_the_queue() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let _a1 = node.agent("acme", "a1").await;
    for place in 1..=3 {
        let mut buyer = node.buyer(&format!("b{place}")).await;
        buyer.opens("acme", "hi").await;
        let notice = buyer.expect(json!({"type": "notice", "code": "queue_position"})).await;
        assert_eq!(notice["position"], json!(place), "{notice}");
        assert!(notice["text"].is_string(), "{notice}");
        buyer.silence(json!({"type": "notice", "code": "away"})).await;
    }
}

#[tokio::test]
async fn who_asks_an_empty_shop_is_told_so() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    a1.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "anybody?").await;
    let notice = b1.expect(json!({"type": "notice", "code": "away"})).await;
    assert!(notice["text"].is_string(), "{notice}");
}

#[tokio::test]
async fn news_of_a_claimed_conversation_is_merged_and_the_last_always_comes() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut a2 = scene.node.agent("acme", "a2").await;
    let began = Instant::now();
    for n in 2..=20 {
        scene.b1.say("acme", &n.to_string()).await;
        scene.a1.hears(&n.to_string()).await;
    }
    let news = json!({"type": "conversation", "cause": "message", "conversation": {"id": scene.conversation}});
    let mut last = news.clone();
    last["conversation"]["last_seq"] = json!(20);
    let summary = a2.expect(last).await["conversation"].take();
    assert_eq!(summary["last_message"]["content"]["text"], "20");
    let earlier = a2.take_all(news.clone()).await;
    let took = began.elapsed();
    assert!(earlier.len() as u64 <= took.as_secs() + 1, "merged to one a second: {} in {took:?}", earlier.len());
    scene.a1.silence(news.clone()).await;
    scene.b1.silence(news).await;
}
