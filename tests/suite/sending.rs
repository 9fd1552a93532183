//! Sending: ids, order, recall and the record (the contract's sections 2.1 and 4).

use shopbell_harness::{Person, TestNode, To, Value, json};
use std::collections::BTreeSet;

fn send(id: &str, to: impl Into<To>, text: &str) -> Value {
    json!({"type": "send", "id": id, "to": to.into().json(), "content": {"kind": "text", "text": text}})
}

/// `ok` of a repeated send: the first one's place, and nothing new.
fn repeats(ok: &Value, conversation: u64, seq: u64) {
    assert_eq!(ok["duplicate"], true, "{ok}");
    assert_eq!((&ok["conversation"], &ok["seq"]), (&json!(conversation), &json!(seq)), "{ok}");
}

#[tokio::test]
async fn the_same_id_again_is_the_same_message_for_ever() {
    let mut node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let first = b1.ok(send("k1", "acme", "hi")).await;
    let conversation = first["conversation"].as_u64().unwrap();
    a1.hears("hi").await;

    repeats(&b1.ok(send("k1", "acme", "hi")).await, conversation, 1);
    repeats(&b1.ok(send("k1", "acme", "  hi\n")).await, conversation, 1);
    repeats(&b1.ok(send("k1", conversation, "hi")).await, conversation, 1);
    let body = json!({"id": "k1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "hi"}});
    repeats(&b1.rest.post("/messages", body.clone()).await.expect(200), conversation, 1);
    let mut tablet = b1.second_device().await;
    repeats(&tablet.ok(send("k1", "acme", "hi")).await, conversation, 1);

    a1.claim(conversation).await;
    a1.resolve(conversation).await;
    repeats(&b1.ok(send("k1", "acme", "hi")).await, conversation, 1);
    let summary = b1.summary(conversation).await;
    assert_eq!((&summary["state"], &summary["last_seq"]), (&json!("resolved"), &json!(1)), "it reopens nothing");

    node.restart().await;
    b1.come_back(node.base()).await;
    repeats(&b1.ok(send("k1", "acme", "hi")).await, conversation, 1);
    repeats(&b1.rest.post("/messages", body).await.expect(200), conversation, 1);
    assert_eq!(b1.texts(conversation).await, ["hi"]);
    a1.come_back(node.base()).await;
    a1.silence(json!({"type": "message"})).await;
}

#[tokio::test]
async fn the_same_id_with_anything_else_is_a_conflict() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.ok(send("k1", "acme", "hi")).await["conversation"].as_u64().unwrap();
    let elsewhere = b1.ok(send("k2", "bolt", "hi")).await["conversation"].as_u64().unwrap();
    b1.refused(send("k1", "acme", "hello"), "conflict").await;
    b1.refused(send("k1", "bolt", "hi"), "conflict").await;
    b1.refused(send("k1", elsewhere, "hi"), "conflict").await;
    b1.refused(send("k1", To::User("b2".into()), "hi"), "conflict").await;
    let body = json!({"id": "k1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "hello"}});
    b1.rest.post("/messages", body).await.refused(409, "conflict");
    assert_eq!(b1.texts(conversation).await, ["hi"]);
    assert_eq!(b1.texts(elsewhere).await, ["hi"]);

    // Ids are each sender's own.
    let mut b2 = node.buyer("b2").await;
    assert_eq!(b2.ok(send("k1", "acme", "hello")).await["duplicate"], false);
}

#[tokio::test]
async fn a_refused_send_uses_no_id_up() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.refused(send("k1", conversation, "hello"), "not_claimed").await;
    a1.refused(send("k1", conversation, ""), "invalid").await;
    a1.claim(conversation).await;
    let ok = a1.ok(send("k1", conversation, "hello, other words")).await;
    assert_eq!((&ok["duplicate"], &ok["seq"]), (&json!(false), &json!(2)));
}

#[tokio::test]
async fn an_id_is_looked_up_before_the_claim() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.claim(conversation).await;
    let seq = a1.ok(send("k1", conversation, "hello")).await["seq"].as_u64().unwrap();
    a1.release(conversation).await;
    repeats(&a1.ok(send("k1", conversation, "hello")).await, conversation, seq);
    a2.claim(conversation).await;
    repeats(&a1.ok(send("k1", conversation, "hello")).await, conversation, seq);
    a1.refused(send("k1", conversation, "other"), "conflict").await;
    a1.refused(send("k9", conversation, "new"), "not_claimant").await;
}

#[tokio::test]
async fn what_is_recalled_keeps_its_place_and_its_id() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.ok(send("k1", "acme", "oops")).await["conversation"].as_u64().unwrap();
    a1.hears("oops").await;
    a1.claim(conversation).await;
    let recall = |seq: u64| json!({"type": "recall", "conversation": conversation, "seq": seq});
    assert_eq!(a1.ask(recall(1)).await["type"], "error", "only its sender recalls a message");
    b1.ok(recall(1)).await;
    let event = json!({"type": "recalled", "conversation": conversation, "seq": 1, "by": "b1"});
    assert!(a1.expect(event.clone()).await["at"].is_string());
    repeats(&b1.ok(send("k1", "acme", "oops")).await, conversation, 1);
    b1.refused(send("k1", "acme", "other"), "conflict").await;
    let message = b1.rest.get(&format!("/conversations/{conversation}/messages/1")).await.expect(200);
    assert_eq!(message["content"], json!({"kind": "recalled"}));
    assert_eq!(b1.say("acme", "next").await["seq"], 2);
    let history = a1.ok(json!({"type": "history", "conversation": conversation})).await;
    assert_eq!(history["messages"][0]["content"], json!({"kind": "recalled"}));
    assert_eq!(b1.ask(recall(99)).await["type"], "error");
}

#[tokio::test]
async fn after_the_window_nothing_is_recalled() {
    let node = TestNode::builder().set("chat.recall_window", "50ms").start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    assert_eq!(b1.welcome["limits"]["recall_window_ms"], 50, "pages know how long");
    let conversation = b1.opens("acme", "hi").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    b1.refused(json!({"type": "recall", "conversation": conversation, "seq": 1}), "conflict").await;
    assert_eq!(b1.texts(conversation).await, ["hi"]);
}

/// Sends `count` texts without waiting in between, then collects the seqs from the replies.
async fn pour(person: &mut Person, to: u64, name: &str, count: usize) -> Vec<u64> {
    for n in 0..count {
        person.tell(send(&format!("{name}-{n}"), to, &format!("{name} {n}"))).await;
    }
    let mut seqs = Vec::new();
    for n in 0..count {
        let ok = person.expect(json!({"type": "ok", "id": format!("{name}-{n}")})).await;
        seqs.push(ok["seq"].as_u64().unwrap());
    }
    seqs
}

#[tokio::test]
async fn two_who_send_at_once_get_one_order_without_gaps() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    let mut tablet = b1.second_device().await;

    let (from_a1, from_b1) =
        tokio::join!(pour(&mut a1, conversation, "agent", 50), pour(&mut b1, conversation, "buyer", 50));
    for seqs in [&from_a1, &from_b1] {
        assert!(seqs.is_sorted(), "one's own messages keep their order: {seqs:?}");
    }
    let all: BTreeSet<u64> = from_a1.iter().chain(&from_b1).copied().collect();
    assert_eq!(all, (2..=101).collect(), "one seq each, none left out");

    // Each hears the other in order, and the second device hears everything in order.
    for (listener, expected) in [(&mut a1, &from_b1), (&mut b1, &from_a1)] {
        let mut heard = Vec::new();
        for _ in expected {
            let message = listener.expect(json!({"type": "message", "redelivered": false})).await;
            listener.tell(json!({"type": "ack", "conversation": conversation, "seq": message["seq"]})).await;
            heard.push(message["seq"].as_u64().unwrap());
        }
        assert_eq!(&heard, expected, "{}", listener.uid);
    }
    let mut copied = Vec::new();
    for _ in 0..100 {
        let message = tablet.expect(json!({"type": "message", "redelivered": false})).await;
        copied.push(message["seq"].as_u64().unwrap());
    }
    assert_eq!(copied, (2..=101).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_pages_are_in_order_and_bounds_are_exclusive() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "1").await;
    for n in 2..=60 {
        b1.say("acme", &n.to_string()).await;
    }
    let rows: &[(Value, std::ops::RangeInclusive<u64>, bool)] = &[
        (json!({}), 11..=60, true),
        (json!({"limit": 200}), 1..=60, false),
        (json!({"limit": 3}), 58..=60, true),
        (json!({"before": 4}), 1..=3, false),
        (json!({"before": 10, "limit": 3}), 7..=9, true),
        (json!({"after": 57}), 58..=60, false),
        (json!({"after": 0, "limit": 3}), 1..=3, true),
        (json!({"after": 10, "before": 14}), 11..=13, false),
    ];
    for (bounds, wanted, more) in rows {
        let mut frame = json!({"type": "history", "conversation": conversation});
        frame.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        // Members and any agent of the shop, claimant or not.
        for person in [&mut b1, &mut a1] {
            let reply = person.ok(frame.clone()).await;
            let seqs: Vec<u64> =
                reply["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
            assert_eq!((seqs, &reply["more"]), (wanted.clone().collect(), &json!(more)), "{bounds}");
        }
        let query = bounds.as_object().unwrap().iter().map(|(key, value)| format!("{key}={value}"));
        let query = query.collect::<Vec<_>>().join("&");
        // A page of REST is 20 where it does not say.
        if bounds.get("limit").is_some() {
            let page = a1.rest.get(&format!("/conversations/{conversation}/messages?{query}")).await;
            if bounds["limit"] != 200 {
                let page = page.expect(200);
                let seqs: Vec<u64> =
                    page["items"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
                assert_eq!((seqs, &page["more"]), (wanted.clone().collect(), &json!(more)), "{query}");
            }
        }
    }
    let reply = b1.ok(json!({"type": "history", "conversation": conversation, "limit": 1})).await;
    let message = &reply["messages"][0];
    for field in
        ["conversation", "seq", "shop", "from", "content", "client_id", "at", "delivered_at", "read_at", "edited_at"]
    {
        assert!(message.get(field).is_some(), "{field} in {message}");
    }
    assert_eq!(message["edited_at"], Value::Null);
}

#[tokio::test]
async fn what_was_answered_ok_survives_kill_9() {
    let mut node = TestNode::start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "0").await;
    for n in 1..40 {
        b1.tell(send(&format!("s{n}"), conversation, &n.to_string())).await;
    }
    b1.expect(json!({"type": "ok", "id": "s20"})).await;
    node.kill();
    b1.closed().await;
    let acked = b1.heard(json!({"type": "ok"})).len();
    node.restart().await;
    b1.come_back(node.base()).await;
    let texts = b1.texts(conversation).await;
    assert!(texts.len() > acked + 1, "{acked} more after s20 acked, {texts:?} stored");
    for n in 1..40 {
        b1.ok(send(&format!("s{n}"), conversation, &n.to_string())).await;
    }
    assert_eq!(b1.texts(conversation).await, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}
