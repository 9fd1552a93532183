//! What a node keeps of a shop in memory goes when nobody there has to do with it any more, and nothing is lost with it.

use std::time::Duration;

use shopbell_harness::{NodeBuilder, TestNode, TestPostgres, eventually, json};

use super::lists::flushes;

fn builder() -> NodeBuilder {
    TestNode::builder().set("chat.dispatcher_idle", "300ms")
}

async fn keeps(node: &TestNode, shops: usize) -> bool {
    let metrics = String::from_utf8_lossy(&node.anonymous().get("//metrics").await.bytes).into_owned();
    metrics.lines().any(|line| line == format!("shopbell_dispatchers {shops}"))
}

#[tokio::test]
async fn a_shop_that_was_let_go_is_found_again_as_it_was() {
    let node = builder().start().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "one").await;
    assert!(keeps(&node, 1).await);
    b1.leave().await;
    eventually("the shop is let go", async || keeps(&node, 0).await).await;

    b1.come_back(node.base()).await;
    b1.say("acme", "two").await;
    b1.leave().await;
    eventually("it is let go again", async || keeps(&node, 0).await).await;

    let mut a1 = node.person("a1").await;
    flushes(&mut a1, &["one", "two"]).await;
    b1.come_back(node.base()).await;
    a1.claim(conversation).await;
    b1.sees(conversation, "claimed").await;
    b1.say("acme", "three").await;
    a1.hears("three").await;
    // Longer than it would be kept without anybody.
    assert!(keeps(&node, 1).await);
}

#[tokio::test]
async fn what_is_under_way_when_the_last_one_leaves_is_told() {
    let postgres = TestPostgres::start();
    let node = builder().database(&postgres.fresh_database()).start().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "one").await;
    postgres.freeze();
    let content = json!({"kind": "text", "text": "two"});
    b1.tell(json!({"type": "send", "id": "two", "to": {"shop": "acme"}, "content": content})).await;
    b1.leave().await;
    // Longer than a shop is kept that nobody needs.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    postgres.thaw();
    eventually("the shop is let go", async || keeps(&node, 0).await).await;
    assert_eq!(b1.summary(conversation).await["last_seq"], 2, "it is stored");
    let mut a1 = node.person("a1").await;
    flushes(&mut a1, &["one", "two"]).await;
}
