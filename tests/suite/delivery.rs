//! Delivery to who is connected: audience, cursors, receipts, repeats (the contract's section 2.3).

use super::lists::talking;
use super::scene::Scene;
use shopbell_harness::{Person, TestNode, Value, json, long};
use std::time::{Duration, Instant};

#[tokio::test]
async fn while_it_waits_everybody_online_hears_and_afterwards_the_claimant_alone() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut boss = node.supervisor("acme", "boss").await;
    let mut owner = node.admin("acme", "owner").await;
    let mut off = node.agent("acme", "off").await;
    off.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let mut b1 = node.buyer("b1").await;

    let conversation = b1.opens("acme", "hi").await;
    for agent in [&mut a1, &mut boss, &mut owner] {
        agent.hears("hi").await;
    }
    off.sees(conversation, "opened").await;
    off.silence(json!({"type": "message"})).await;

    a1.claim(conversation).await;
    b1.say("acme", "for you").await;
    a1.hears("for you").await;
    a1.say(conversation, "for the buyer").await;
    b1.hears("for the buyer").await;
    for agent in [&mut boss, &mut owner, &mut off] {
        agent.silence(json!({"type": "message"})).await;
        let history = agent.ok(json!({"type": "history", "conversation": conversation})).await;
        assert_eq!(history["messages"].as_array().unwrap().len(), 3, "{} reads the record", agent.uid);
    }
}

#[tokio::test]
async fn the_senders_other_sessions_get_a_copy_once() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut tablet = scene.b1.second_device().await;
    let mut desk = scene.a1.second_device().await;
    let copy = tablet.uid.clone();
    scene.b1.say("acme", "to the desk").await;
    tablet.hears_unacked("to the desk").await;
    scene.a1.hears("to the desk").await;
    scene.a1.say(scene.conversation, "to the buyer").await;
    desk.hears_unacked("to the buyer").await;
    scene.b1.hears("to the buyer").await;
    scene.b1.silence(json!({"type": "message", "from": {"uid": copy}})).await;
    // Longer than the first repeat: copies are not repeated.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let own = tablet.take_all(json!({"type": "message", "content": {"text": "to the desk"}})).await;
    assert!(own.is_empty(), "{own:?}");
    // Nor queued.
    tablet.leave().await;
    scene.b1.say("acme", "while the tablet sleeps").await;
    let again = scene.b1.second_device().await;
    assert_eq!(again.welcome["queued"], 0, "{}", again.welcome);
}

#[tokio::test]
async fn receipts_tell_the_other_side_how_far_it_came() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    for text in ["two", "three", "four"] {
        scene.b1.say("acme", text).await;
        scene.a1.hears_unacked(text).await;
    }
    scene.a1.acks(conversation, 3).await;
    scene.b1.expect(json!({"type": "delivered", "conversation": conversation, "by": "a1", "seq": 3})).await;
    assert_eq!(scene.a1.summary(conversation).await["unread"], 4);
    assert_eq!(scene.a1.reads(conversation, 2).await, 2);
    scene.b1.expect(json!({"type": "read", "conversation": conversation, "by": "a1", "seq": 2})).await;
    // A cursor never goes back.
    scene.a1.acks(conversation, 1).await;
    assert_eq!(scene.a1.reads(conversation, 1).await, 2);
    // Reading raises what is delivered.
    assert_eq!(scene.a1.reads(conversation, 4).await, 0);
    scene.b1.expect(json!({"type": "read", "seq": 4})).await;
    let page = scene.b1.rest.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    for message in page["items"].as_array().unwrap() {
        assert!(message["delivered_at"].is_string() && message["read_at"].is_string(), "{message}");
    }
    // The other way round.
    scene.a1.say(conversation, "five").await;
    scene.b1.hears_unacked("five").await;
    assert_eq!(scene.b1.summary(conversation).await["unread"], 1);
    scene.b1.acks(conversation, 5).await;
    scene.a1.expect(json!({"type": "delivered", "by": "b1", "seq": 5})).await;
    assert_eq!(scene.b1.reads(conversation, 5).await, 0);
    scene.a1.expect(json!({"type": "read", "by": "b1", "seq": 5})).await;
}

#[tokio::test]
async fn a_cursor_does_not_pass_the_last_message() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    for kind in ["ack", "read"] {
        for person in [&mut scene.a1, &mut scene.b1] {
            let frame = json!({"type": kind, "conversation": conversation, "seq": 2});
            assert_eq!(person.refused(frame, "invalid").await["field"], "seq", "{kind} by {}", person.uid);
        }
    }
    let path = format!("/conversations/{conversation}/read");
    assert_eq!(scene.b1.rest.post(&path, json!({"seq": 2})).await.refused(400, "invalid")["field"], "seq");
    let read = scene.a1.rest.post(&path, json!({"seq": 1})).await;
    assert!((200..300).contains(&read.status), "{read:?}");
    scene.b1.expect(json!({"type": "read", "seq": 1})).await;
}

#[tokio::test]
async fn only_the_claimant_moves_the_shops_cursors() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears_unacked("hi").await;
    a2.hears_unacked("hi").await;
    let read = json!({"type": "read", "conversation": conversation, "seq": 1});
    a2.acks(conversation, 1).await;
    a2.ok(read.clone()).await;
    a2.ok(json!({"type": "view", "conversation": conversation, "on": true})).await;
    b1.silence(json!({"type": "delivered"})).await;
    b1.silence(json!({"type": "read"})).await;
    a1.claim(conversation).await;
    a2.ok(read.clone()).await;
    b1.silence(json!({"type": "read"})).await;
    assert_eq!(a1.summary(conversation).await["unread"], 1);
    a1.ok(read).await;
    b1.expect(json!({"type": "read", "by": "a1", "seq": 1})).await;
}

#[tokio::test]
async fn a_claim_hands_over_what_the_claimant_has_not_acked() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "one").await;
    b1.say("acme", "two").await;
    a1.hears("one").await;
    a1.hears("two").await;
    // Acks went without an id: a round trip, and they are in.
    a1.settle().await;
    let mut a2 = node.agent("acme", "a2").await;
    a2.claim(conversation).await;
    assert_eq!(a2.hears("one").await["seq"], 1, "a2 was not there when it was said");
    assert_eq!(a2.hears("two").await["seq"], 2);
    b1.expect(json!({"type": "delivered", "by": "a2", "seq": 2})).await;
    // Who acked everything while it waited gets nothing again.
    a2.release(conversation).await;
    a1.claim(conversation).await;
    a1.silence(json!({"type": "message"})).await;
}

#[tokio::test]
async fn on_a_claim_the_buyer_learns_what_the_claimant_has() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears_unacked("hi").await;
    a1.acks(conversation, 1).await;
    a1.claim(conversation).await;
    b1.expect(json!({"type": "delivered", "conversation": conversation, "by": "a1", "seq": 1})).await;
}

#[tokio::test]
async fn a_transfer_hands_over_what_was_not_acked() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut a2 = scene.node.agent("acme", "a2").await;
    scene.b1.say("acme", "urgent").await;
    scene.a1.hears_unacked("urgent").await;
    scene.a1.transfer(scene.conversation, "a2").await;
    a2.hears("urgent").await;
    scene.b1.expect(json!({"type": "delivered", "by": "a2", "seq": 2})).await;
}

/// `ann` has sent `ben`, who is away, 300 messages: more than a window.
async fn three_hundred_for_ben() -> (TestNode, Person, u64) {
    let limits = TestNode::builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
    let node = limits.start().await;
    let mut ann = node.buyer("ann").await;
    for n in 1..=300 {
        ann.tell(json!({"type": "send", "id": format!("m{n}"), "to": {"user": "ben"},
            "content": {"kind": "text", "text": n.to_string()}}))
            .await;
    }
    let last = ann.expect(json!({"type": "ok", "id": "m300"})).await;
    let conversation = last["conversation"].as_u64().unwrap();
    (node, ann, conversation)
}

#[tokio::test]
async fn an_ack_counts_only_as_far_as_the_session_was_given() {
    let (node, mut ann, conversation) = three_hundred_for_ben().await;
    let mut ben = node.person("ben").await;
    ben.expect(json!({"type": "message", "seq": 256})).await;
    // Ahead of what it was given: the rest comes nevertheless.
    ben.acks(conversation, 300).await;
    ann.expect(json!({"type": "delivered", "by": "ben", "seq": 256})).await;
    ben.expect(json!({"type": "message", "seq": 300})).await;
    ben.acks(conversation, 300).await;
    ann.expect(json!({"type": "delivered", "by": "ben", "seq": 300})).await;
}

#[tokio::test]
async fn what_a_session_read_in_its_history_it_was_given() {
    let (node, mut ann, conversation) = three_hundred_for_ben().await;
    let mut ben = node.person("ben").await;
    ben.expect(json!({"type": "message", "seq": 256})).await;
    let page = json!({"type": "history", "conversation": conversation, "after": 200, "limit": 200});
    assert_eq!(ben.ok(page).await["messages"].as_array().unwrap().len(), 100);
    ben.acks(conversation, 300).await;
    ann.expect(json!({"type": "delivered", "by": "ben", "seq": 300})).await;
}

#[tokio::test]
async fn what_is_not_acked_is_repeated() {
    let mut scene = Scene::set(TestNode::builder()).await;
    scene.b1.say("acme", "hello?").await;
    let wanted = json!({"type": "message", "seq": 2});
    let first = scene.a1.expect(wanted.clone()).await;
    assert_eq!(first["redelivered"], false);
    let written = Instant::now();
    let schedule: &[u64] = if long() { &[1, 5, 10, 30] } else { &[1, 5] };
    for after in schedule {
        let repeat = scene.a1.expect_within(wanted.clone(), Duration::from_secs(35)).await;
        let waited = written.elapsed();
        assert_eq!(repeat["redelivered"], true);
        assert_eq!(repeat["content"], first["content"]);
        let due = Duration::from_secs(*after);
        assert!(
            waited + Duration::from_millis(200) >= due && waited < due + Duration::from_secs(2),
            "{after}: {waited:?}"
        );
    }
    scene.a1.acks(scene.conversation, 2).await;
    scene.b1.expect(json!({"type": "delivered", "seq": 2})).await;
}

#[tokio::test]
async fn what_is_acked_is_not_repeated() {
    let mut scene = Scene::set(TestNode::builder()).await;
    for n in 0..5 {
        scene.b1.say("acme", &format!("m{n}")).await;
        scene.a1.hears(&format!("m{n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    scene.a1.silence(json!({"type": "message"})).await;
}

#[tokio::test]
async fn what_is_read_has_arrived_and_is_not_repeated() {
    let mut scene = Scene::set(TestNode::builder()).await;
    scene.b1.say("acme", "hello?").await;
    scene.a1.expect(json!({"type": "message", "seq": 2})).await;
    scene.a1.reads(scene.conversation, 2).await;
    scene.b1.expect(json!({"type": "delivered", "by": "a1", "seq": 2})).await;
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    scene.a1.silence(json!({"type": "message"})).await;
}

#[tokio::test]
async fn a_long_history_comes_in_pages_that_hold_nothing_up() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    for n in 2..=60 {
        scene.b1.say("acme", &format!("{n} {}", "x".repeat(3_900))).await;
    }
    let ask = |before: u64| json!({"type": "history", "conversation": conversation, "before": before, "limit": 200});
    let (mut seqs, mut pages) = (Vec::new(), 0);
    let mut before = 61;
    loop {
        let page = scene.a1.ok(ask(before)).await;
        assert!(page.to_string().len() < 140 << 10, "cut at about 128 KiB");
        let messages = page["messages"].as_array().unwrap();
        seqs.splice(0..0, messages.iter().map(|message| message["seq"].as_u64().unwrap()));
        (before, pages) = (seqs[0], pages + 1);
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
    assert_eq!(pages, 2);
}

#[tokio::test]
async fn the_oldest_sixteen_are_repeated() {
    let mut scene = Scene::set(TestNode::builder()).await;
    for n in 2..=30 {
        scene.b1.say("acme", &n.to_string()).await;
        scene.a1.expect(json!({"type": "message", "seq": n, "redelivered": false})).await;
    }
    for n in 2..=17 {
        scene.a1.expect(json!({"type": "message", "seq": n, "redelivered": true})).await;
    }
    let beyond = scene.a1.take_all(json!({"type": "message", "redelivered": true})).await;
    let beyond: Vec<u64> = beyond.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert!(beyond.iter().all(|seq| *seq <= 17), "{beyond:?}");
}

#[tokio::test]
async fn while_on_screen_what_is_acked_counts_as_read() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    let view = |on: bool| json!({"type": "view", "conversation": conversation, "on": on});
    scene.a1.ok(view(true)).await;
    scene.b1.say("acme", "seen at once").await;
    scene.a1.hears("seen at once").await;
    scene.b1.expect(json!({"type": "read", "by": "a1", "seq": 2})).await;
    scene.a1.ok(view(false)).await;
    scene.b1.say("acme", "seen later").await;
    scene.a1.hears("seen later").await;
    scene.b1.expect(json!({"type": "delivered", "by": "a1", "seq": 3})).await;
    scene.b1.silence(json!({"type": "read"})).await;
    scene.a1.reads(conversation, 3).await;
    scene.b1.expect(json!({"type": "read", "by": "a1", "seq": 3})).await;
}

#[tokio::test]
async fn two_shops_hear_nothing_of_each_other() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut rival = node.agent("bolt", "rival").await;
    let mut b1 = node.buyer("b1").await;
    let here = b1.opens("acme", "for acme").await;
    let there = b1.opens("bolt", "for bolt").await;
    assert_ne!(here, there);
    a1.hears("for acme").await;
    rival.hears("for bolt").await;
    a1.claim(here).await;
    a1.say(here, "acme answers").await;
    b1.hears("acme answers").await;
    for (agent, other) in [(&mut a1, there), (&mut rival, here)] {
        agent.silence(json!({"type": "message"})).await;
        agent.silence(json!({"type": "conversation", "conversation": {"id": other}})).await;
    }
}

#[tokio::test]
async fn inbox_tells_a_console_where_it_stands() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut conversations = Vec::new();
    let mut buyers: Vec<Person> = Vec::new();
    for n in 0..4 {
        let mut buyer = node.buyer(&format!("b{n}")).await;
        conversations.push(buyer.opens("acme", "hi").await);
        buyers.push(buyer);
    }
    a1.claim(conversations[1]).await;
    a2.claim(conversations[2]).await;
    a2.claim(conversations[3]).await;
    a2.resolve(conversations[3]).await;
    let rows: &[(&str, &[usize])] =
        &[("waiting", &[0]), ("claimed", &[1, 2]), ("mine", &[1]), ("resolved", &[3]), ("all", &[0, 1, 2, 3])];
    for (state, wanted) in rows {
        let reply = a1.ok(json!({"type": "inbox", "shop": "acme", "state": state})).await;
        let mut ids: Vec<u64> =
            reply["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        let wanted: Vec<u64> = wanted.iter().map(|at| conversations[*at]).collect();
        assert_eq!((ids, &reply["next"]), (wanted, &Value::Null), "{state}");
    }
    // By pages, each once.
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut frame = json!({"type": "inbox", "shop": "acme", "state": "all", "limit": 3});
        if !cursor.is_null() {
            frame["cursor"] = cursor;
        }
        let reply = a1.ok(frame).await;
        seen.extend(reply["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()));
        cursor = reply["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    seen.sort_unstable();
    conversations.sort_unstable();
    assert_eq!(seen, conversations);
    // A buyer sees its own, and no shop's.
    let own = buyers[0].ok(json!({"type": "inbox"})).await;
    assert_eq!(own["conversations"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(buyers[0].ask(json!({"type": "inbox", "shop": "acme"})).await["type"], "error");
}

#[tokio::test]
async fn an_ack_counts_though_its_sender_leaves_at_once() {
    let node = TestNode::start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "one").await;
    for _ in 0..10 {
        // A session that has just come does not know yet where its conversation is dealt with.
        b1.come_back(node.base()).await;
        let heard = b1.hears_unacked("one").await;
        b1.tell(json!({"type": "ack", "conversation": conversation, "seq": heard["seq"]})).await;
        b1.leave().await;
        a1.expect(json!({"type": "delivered", "by": "b1", "seq": heard["seq"]})).await;
        a1.say(conversation, "one").await;
    }
}
