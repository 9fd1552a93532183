//! Redis may lose everything, hang or be gone: nobody misses a message. And what it holds is kept tidy.

use super::lists::{Lists, flushes, talking};
use shopbell_harness::{TestNode, TestRedis, eventually};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_redis_that_lost_everything_loses_no_message() {
    let mut redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "one").await;
    redis.lose_everything();
    a1.say(conversation, "two").await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["one", "two"]).await;
    redis.kill();
    b1.leave().await;
    a1.say(conversation, "three").await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["three"]).await;
}

#[tokio::test]
async fn people_talk_on_while_redis_is_silent() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    redis.freeze();
    let mut times = Vec::new();
    for n in 0..10 {
        let started = Instant::now();
        b1.say("acme", &format!("q{n}")).await;
        a1.hears(&format!("q{n}")).await;
        times.push(started.elapsed());
        let started = Instant::now();
        a1.say(conversation, &format!("a{n}")).await;
        b1.hears(&format!("a{n}")).await;
        times.push(started.elapsed());
    }
    // The disk may hold up one or two of them; Redis would hold up each.
    times.sort_unstable();
    assert!(times[10] < Duration::from_millis(150), "{times:?}");
    redis.thaw();
}

#[tokio::test]
async fn lists_outlive_a_restart() {
    for lists in [Lists::in_database(), Lists::in_redis()] {
        let mut node = lists.node().await;
        node.shop("acme").await;
        node.employ("acme", "a1", "agent").await;
        let mut b1 = node.buyer("b1").await;
        b1.say("acme", "before the restart").await;
        node.restart().await;
        let mut a1 = node.person("a1").await;
        flushes(&mut a1, &["before the restart"]).await;
    }
}

#[tokio::test]
async fn keys_in_redis_begin_with_the_prefix_and_are_trimmed() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).set("redis.prefix", "mine:").start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "one").await;
    eventually("the list has an entry", async || redis.ask("KEYS mine:offline:{b1}").contains("mine:offline:{b1}"))
        .await;
    let keys = redis.ask("KEYS *");
    let foreign = keys.lines().filter(|line| !line.starts_with(['*', '$', '+']) && !line.starts_with("mine:"));
    assert_eq!(foreign.count(), 0, "{keys}");
    let lifetime = redis.ask("TTL mine:offline:{b1}");
    assert!(!lifetime.starts_with(":-"), "it expires: {lifetime}");
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["one"]).await;
    eventually("the list is gone", async || {
        let length = redis.ask("LLEN mine:offline:{b1}");
        length.starts_with(":0")
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_full_loses_no_message() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    redis.ask("CONFIG SET maxmemory 1");
    b1.leave().await;
    for text in ["one", "two"] {
        a1.say(conversation, text).await;
    }
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["one", "two"]).await;
    a1.say(conversation, "three").await;
    b1.hears("three").await;
}

#[tokio::test]
async fn a_list_is_bounded_and_the_store_knows_the_rest() {
    for lists in [Lists::in_database(), Lists::in_redis()] {
        let node = lists.builder().set("offline.max_messages", 5).set("redis.prefix", "mine:").start().await;
        let (mut a1, mut b1, conversation) = talking(&node).await;
        b1.leave().await;
        let texts: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        for text in &texts {
            a1.say(conversation, text).await;
        }
        if let Some(redis) = &lists.redis {
            eventually("the list is filled, and no further", async || {
                redis.ask("LLEN mine:offline:{b1}").starts_with(":5")
            })
            .await;
        }
        b1.come_back(node.base()).await;
        flushes(&mut b1, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
}

#[tokio::test]
async fn agents_find_those_who_wait_though_redis_is_silent() {
    let lists = Lists::in_redis_that_freezes();
    let node = lists.node().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "one").await;
    b1.say("acme", "two").await;
    lists.before_login();
    let mut a1 = node.person("a1").await;
    flushes(&mut a1, &["one", "two"]).await;
}
