//! Agents who come to a shop where buyers wait: there the offline list itself decides what is due (the contract's
//! section 2.3). Every story runs with lists in the database and in a real Redis.

use super::lists::{Lists, arrived, flushes};
use shopbell_harness::json;

/// Declares each story once per kind of list.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod with_lists_in_the_database {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_database()).await; })*
        }
        mod with_lists_in_redis {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis()).await; })*
        }
    };
}

stories!(
    agents_on_duty_find_those_who_wait,
    agents_who_are_away_find_nothing,
    what_somebody_else_claimed_is_not_flushed,
    what_an_agent_acked_while_it_waited_is_settled,
);

async fn agents_on_duty_find_those_who_wait(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    for (uid, role) in [("a1", "agent"), ("boss", "supervisor")] {
        node.employ("acme", uid, role).await;
    }
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    b1.say("acme", "one").await;
    b1.say("acme", "two").await;
    b2.say("acme", "three").await;
    for uid in ["a1", "boss"] {
        let mut agent = node.person(uid).await;
        assert_eq!(agent.welcome["queued"], 3, "{uid}: {}", agent.welcome);
        let one = agent.hears("one").await;
        assert_eq!((one["seq"].as_u64(), agent.hears("two").await["seq"].as_u64()), (Some(1), Some(2)));
        agent.hears("three").await;
        agent.expect(json!({"type": "flushed", "count": 3})).await;
    }
}

async fn agents_who_are_away_find_nothing(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    a1.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    a1.leave().await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "anybody?").await;
    a1.come_back(node.base()).await;
    assert_eq!(a1.welcome["shops"][0]["status"], "away", "the status is stored");
    flushes(&mut a1, &[]).await;
}

async fn what_somebody_else_claimed_is_not_flushed(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    node.employ("acme", "a2", "agent").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    let taken = b1.opens("acme", "taken").await;
    b2.say("acme", "free").await;
    a1.hears("taken").await;
    a1.claim(taken).await;
    let mut a2 = node.person("a2").await;
    flushes(&mut a2, &["free"]).await;
}

async fn what_an_agent_acked_while_it_waited_is_settled(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "one").await;
    let mut a1 = node.person("a1").await;
    flushes(&mut a1, &["one"]).await;
    a1.acks(conversation, 1).await;
    a1.leave().await;
    b1.say("acme", "two").await;
    a1.come_back(node.base()).await;
    flushes(&mut a1, &["two"]).await;
    // On the claim nothing of it comes again.
    a1.claim(conversation).await;
    arrived(&b1, conversation, 2).await;
    a1.silence(json!({"type": "message"})).await;
}
