//! Who was away gets everything, once, in order: the flush at login (the contract's section 2.3). Every story runs three
//! times: with lists in the database, in a real Redis, and with that Redis frozen at login.

use super::lists::{Lists, flushes, talking};
use shopbell_harness::{To, Wire, WireFrame, json};
use std::time::{Duration, Instant};

/// Declares each story once per kind of list.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod with_lists_in_the_database {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_database()).await; })*
        }
        mod with_lists_in_redis {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis()).await; })*
        }
        mod with_redis_frozen_at_login {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis_that_freezes()).await; })*
        }
    };
}

stories!(
    a_buyer_comes_back,
    a_claimant_comes_back,
    a_direct_user_comes_back,
    what_was_acked_does_not_come_again,
    what_is_said_during_the_flush_comes_after_it,
    a_flush_that_breaks_off_loses_nothing,
    more_than_a_window_waits,
    a_recalled_message_comes_in_its_present_form,
);

async fn a_buyer_comes_back(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for text in ["one", "two", "three"] {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    let asked = Instant::now();
    b1.come_back(node.base()).await;
    assert!(asked.elapsed() < Duration::from_millis(2_000), "the store serves after {:?}", asked.elapsed());
    flushes(&mut b1, &["one", "two", "three"]).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 4})).await;
    a1.say(conversation, "and live again").await;
    b1.hears("and live again").await;
}

async fn a_claimant_comes_back(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, _) = talking(&node).await;
    a1.leave().await;
    for text in ["one", "two"] {
        b1.say("acme", text).await;
    }
    lists.before_login();
    a1.come_back(node.base()).await;
    flushes(&mut a1, &["one", "two"]).await;
    b1.expect(json!({"type": "delivered", "by": "a1", "seq": 3})).await;
}

async fn a_direct_user_comes_back(lists: Lists) {
    let node = lists.node().await;
    let mut ann = node.buyer("ann").await;
    let mut ben = node.buyer("ben").await;
    let mut eve = node.buyer("eve").await;
    let from_ann = ann.opens(To::User("ben".into()), "0").await;
    ben.hears("0").await;
    ann.expect(json!({"type": "delivered", "seq": 1})).await;
    ben.leave().await;
    for n in 1..=3 {
        ann.say(from_ann, &format!("ann {n}")).await;
        eve.say(To::User("ben".into()), &format!("eve {n}")).await;
    }
    lists.before_login();
    ben.come_back(node.base()).await;
    assert_eq!(ben.welcome["queued"], 6);
    assert_eq!(ben.expect(json!({"type": "flushed"})).await["count"], 6);
    for name in ["ann", "eve"] {
        let messages = ben.heard(json!({"type": "message", "from": {"uid": name}}));
        let texts: Vec<&str> = messages.iter().map(|message| message["content"]["text"].as_str().unwrap()).collect();
        assert_eq!(texts, [format!("{name} 1"), format!("{name} 2"), format!("{name} 3")], "in order per conversation");
    }
}

async fn what_was_acked_does_not_come_again(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for text in ["one", "two", "three"] {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    b1.come_back(node.base()).await;
    assert_eq!(b1.welcome["queued"], 3);
    for text in ["one", "two", "three"] {
        b1.hears_unacked(text).await;
    }
    b1.acks(conversation, 3).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 3})).await;
    b1.leave().await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["three"]).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 4})).await;
    b1.leave().await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &[]).await;
}

async fn what_is_said_during_the_flush_comes_after_it(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for n in 0..30 {
        a1.say(conversation, &format!("before {n}")).await;
    }
    lists.before_login();
    let (_, ()) = tokio::join!(
        async {
            for n in 0..30 {
                a1.say(conversation, &format!("during {n}")).await;
            }
        },
        b1.come_back(node.base())
    );
    // Whether a message of the second thirty is queued or live depends on the moment; order and once do not.
    let queued = b1.welcome["queued"].as_u64().unwrap();
    assert!((30..=60).contains(&queued), "{queued}");
    let mut seqs = Vec::new();
    while seqs.len() < 60 {
        let message = b1.expect(json!({"type": "message"})).await;
        let seq = message["seq"].as_u64().unwrap();
        if !seqs.contains(&seq) {
            seqs.push(seq);
        }
        b1.tell(json!({"type": "ack", "conversation": conversation, "seq": seqs.last()})).await;
    }
    assert_eq!(seqs, (2..=61).collect::<Vec<_>>());
    assert_eq!(b1.expect(json!({"type": "flushed"})).await["count"], json!(queued));
}

async fn a_flush_that_breaks_off_loses_nothing(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    let texts: Vec<String> = (0..50).map(|n| format!("{n} {}", "x".repeat(2_000))).collect();
    for text in &texts {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    for _ in 0..3 {
        // Reads a little of the flush and breaks off.
        let mut wire = Wire::open(node.base()).await;
        let login = json!({"type": "login", "id": "in", "token": node.token("b1")}).to_string();
        wire.send(&WireFrame::new(WireFrame::TEXT, login)).await;
        wire.frame("message").await;
        drop(wire);
    }
    b1.come_back(node.base()).await;
    flushes(&mut b1, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

async fn more_than_a_window_waits(lists: Lists) {
    let limits = lists.builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
    let node = limits.start().await;
    let mut ann = node.buyer("ann").await;
    for n in 1..=600 {
        ann.tell(json!({"type": "send", "id": format!("m{n}"), "to": {"user": "ben"},
            "content": {"kind": "text", "text": n.to_string()}}))
            .await;
    }
    for n in 1..=600 {
        ann.expect(json!({"type": "ok", "id": format!("m{n}")})).await;
    }
    lists.before_login();
    let mut ben = node.buyer("ben").await;
    assert_eq!(ben.welcome["queued"], 600);
    ben.expect(json!({"type": "message", "seq": 256})).await;
    ben.silence(json!({"type": "message", "seq": 257})).await;
    for seq in (1..=600).filter(|seq| *seq != 256) {
        let message = ben.expect(json!({"type": "message", "seq": seq})).await;
        if seq % 50 == 0 || seq == 257 {
            ben.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": seq})).await;
        }
        if seq == 255 {
            ben.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": 256})).await;
        }
    }
    ben.expect(json!({"type": "flushed", "count": 600})).await;
}

async fn a_recalled_message_comes_in_its_present_form(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "oops").await;
    a1.say(conversation, "well").await;
    a1.ok(json!({"type": "recall", "conversation": conversation, "seq": 2})).await;
    lists.before_login();
    b1.come_back(node.base()).await;
    let recalled = b1.expect(json!({"type": "message", "seq": 2})).await;
    assert_eq!(recalled["content"], json!({"kind": "recalled"}));
    b1.hears("well").await;
    b1.expect(json!({"type": "flushed"})).await;
}
