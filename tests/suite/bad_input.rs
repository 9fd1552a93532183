//! What a client may send wrong, and what it gets: the table of the contract's section 2.2. After every row the
//! bystanders' conversation goes on and nothing stored is lost.

use super::scene::Scene;
use shopbell_harness::{Closed, Session, TestNode, Value, json};
use std::time::Duration;

fn text(text: impl Into<String>) -> Value {
    json!({"kind": "text", "text": text.into()})
}

fn send(content: Value) -> Value {
    json!({"type": "send", "to": {"shop": "acme"}, "content": content})
}

#[tokio::test]
async fn what_is_no_frame_is_a_bad_frame() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let deep = |open: &str, close: &str, levels: usize| {
        format!(r#"{{"type":"ping","x":{}{}}}"#, open.repeat(levels), close.repeat(levels))
    };
    let rows: &[(&str, String)] = &[
        ("no JSON", "hello".into()),
        ("an empty message", String::new()),
        ("half an object", r#"{"type":"ping""#.into()),
        ("two objects", r#"{"type":"ping"}{"type":"ping"}"#.into()),
        ("a lone surrogate", r#"{"type":"ping","x":"\ud800"}"#.into()),
        ("an array", "[1,2]".into()),
        ("a number", "17".into()),
        ("null", "null".into()),
        ("a string", r#""ping""#.into()),
        ("no type", r#"{"id":"1"}"#.into()),
        ("a numeric type", r#"{"type":7}"#.into()),
        ("an unknown type", r#"{"type":"fly"}"#.into()),
        ("a type in capitals", r#"{"type":"PING"}"#.into()),
        ("a server's type", r#"{"type":"welcome"}"#.into()),
        ("arrays 30,000 deep", deep("[", "]", 30_000)),
        ("objects 10,000 deep", deep(r#"{"x":"#, "}", 10_000).replace(":}", ":0}")),
    ];
    let mut session = scene.session("villain").await;
    for (what, message) in rows {
        session.text(message.as_str()).await;
        let error = session.expect(json!({"type": "error"})).await;
        assert_eq!(error["code"], "bad_frame", "{what}: {error}");
        session.settle().await;
        scene.goes_on(what).await;
    }
    session.binary(br#"{"type":"ping"}"#.to_vec()).await;
    let error = session.expect(json!({"type": "error"})).await;
    assert_eq!(error["code"], "bad_frame", "a binary message: {error}");
    scene.goes_on("a binary message").await;
}

#[tokio::test]
async fn an_unknown_type_is_answered_under_its_id() {
    let scene = Scene::set(TestNode::builder()).await;
    let mut session = scene.session("villain").await;
    session.refused(json!({"type": "fly"}), "bad_frame").await;
}

#[tokio::test]
async fn ten_bad_frames_in_a_row_close_the_session() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut session = scene.session("villain").await;
    for _ in 0..2 {
        for _ in 0..9 {
            session.text("hello").await;
            session.expect(json!({"type": "error", "code": "bad_frame"})).await;
        }
        // One good frame, and the row begins anew.
        session.settle().await;
    }
    for _ in 0..10 {
        session.text("hello").await;
    }
    assert_eq!(session.closed().await, Closed(Some(4400)));
    scene.goes_on("ten bad frames").await;
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    let image = |url: &str| send(json!({"kind": "image", "url": url}));
    let rows: Vec<(Value, &str)> = vec![
        (json!({"type": "login"}), "token"),
        (json!({"type": "login", "token": 7}), "token"),
        (json!({"type": "send", "content": text("hi")}), "to"),
        (json!({"type": "send", "to": "acme", "content": text("hi")}), "to"),
        (json!({"type": "send", "to": {}, "content": text("hi")}), "to"),
        (json!({"type": "send", "to": {"shop": "acme", "user": "b1"}, "content": text("hi")}), "to"),
        (json!({"type": "send", "to": {"shop": "acme"}}), "content"),
        (send(json!("hi")), "content"),
        (send(json!({"text": "hi"})), "content.kind"),
        (send(json!({"kind": "dance"})), "content.kind"),
        (send(json!({"kind": "recalled"})), "content.kind"),
        (send(json!({"kind": "text"})), "content.text"),
        (send(json!({"kind": "text", "text": 7})), "content.text"),
        (send(text("")), "content.text"),
        (send(text(" \n\t ")), "content.text"),
        (send(text("x".repeat(4_001))), "content.text"),
        (send(text("好".repeat(4_001))), "content.text"),
        (send(text("a\u{0}b")), "content.text"),
        (send(json!({"kind": "image"})), "content.url"),
        (image("javascript:alert(1)"), "content.url"),
        (image("JavaScript:alert(1)"), "content.url"),
        (image(" javascript:alert(1)"), "content.url"),
        (image("java\nscript:alert(1)"), "content.url"),
        (image("data:text/html,<script>"), "content.url"),
        (image("vbscript:x"), "content.url"),
        (image("file:///etc/passwd"), "content.url"),
        (image("ftp://example.org/x"), "content.url"),
        (image("/etc/passwd"), "content.url"),
        (send(json!({"kind": "file", "url": "https://example.org/x", "size": 1})), "content.name"),
        (send(json!({"kind": "file", "url": "https://example.org/x", "name": "x"})), "content.size"),
        (send(json!({"kind": "file", "url": "https://example.org/x", "name": "x", "size": "1"})), "content.size"),
        (send(json!({"kind": "product", "title": "Shoe"})), "content.id"),
        (send(json!({"kind": "product", "id": "1"})), "content.title"),
        (send(json!({"kind": "product", "id": "1", "title": "Shoe", "url": "javascript:x"})), "content.url"),
        (send(json!({"kind": "product", "id": "1", "title": "Shoe", "image": "javascript:x"})), "content.image"),
        (send(json!({"kind": "order", "title": "Shoe"})), "content.id"),
        (send(json!({"kind": "order", "id": "1", "title": "Shoe", "url": "javascript:x"})), "content.url"),
        (json!({"type": "ack", "seq": 1}), "conversation"),
        (json!({"type": "ack", "conversation": "17", "seq": 1}), "conversation"),
        (json!({"type": "ack", "conversation": conversation}), "seq"),
        (json!({"type": "ack", "conversation": conversation, "seq": "1"}), "seq"),
        (json!({"type": "ack", "conversation": conversation, "seq": -1}), "seq"),
        (json!({"type": "ack", "conversation": conversation, "seq": 1.5}), "seq"),
        (json!({"type": "read", "conversation": conversation}), "seq"),
        (json!({"type": "view", "conversation": conversation}), "on"),
        (json!({"type": "view", "conversation": conversation, "on": "yes"}), "on"),
        (json!({"type": "typing", "conversation": conversation, "on": 1}), "on"),
        (json!({"type": "claim"}), "conversation"),
        (json!({"type": "release", "conversation": null}), "conversation"),
        (json!({"type": "resolve", "conversation": {}}), "conversation"),
        (json!({"type": "transfer", "conversation": conversation}), "to"),
        (json!({"type": "recall", "conversation": conversation}), "seq"),
        (json!({"type": "status", "status": "online"}), "shop"),
        (json!({"type": "status", "shop": "acme", "status": "asleep"}), "status"),
        (json!({"type": "inbox", "state": "lost"}), "state"),
        (json!({"type": "inbox", "shop": 7}), "shop"),
        (json!({"type": "history"}), "conversation"),
        (json!({"type": "history", "conversation": conversation, "before": "x"}), "before"),
        (json!({"type": "history", "conversation": conversation, "after": "x"}), "after"),
        (json!({"type": "history", "conversation": conversation, "limit": "x"}), "limit"),
    ];
    let mut villain = scene.session("b1").await;
    for (at, (frame, field)) in rows.iter().enumerate() {
        let error = villain.refused(frame.clone(), "invalid").await;
        assert_eq!(error["field"], json!(field), "{frame} got {error}");
        if at % 8 == 0 {
            scene.goes_on(&format!("row {at}")).await;
        }
    }
    // What is wrong with the id itself cannot be answered under it.
    for id in [json!(""), json!("x".repeat(65)), json!(7), json!({})] {
        villain.tell(json!({"type": "ping", "id": id})).await;
        let error = villain.expect(json!({"type": "error", "code": "invalid"})).await;
        assert_eq!(error["field"], "id", "{id}: {error}");
    }
    villain.tell(send(text("without an id"))).await;
    assert_eq!(villain.expect(json!({"type": "error", "code": "invalid"})).await["field"], "id");
    scene.goes_on("every wrong field").await;
}

#[tokio::test]
async fn what_is_just_allowed_is_taken() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let contents = [
        text("好".repeat(4_000)),
        json!({"kind": "image", "url": "https://example.org/a.png", "width": 3, "height": 4}),
        json!({"kind": "image", "url": "http://example.org/a.png"}),
        json!({"kind": "image", "url": "/files/00112233445566778899aabbccddeeff/a.png"}),
        json!({"kind": "file", "url": "https://example.org/a.pdf", "name": "a.pdf", "size": 10}),
        json!({"kind": "product", "id": "1", "title": "Shoe", "price": "9.90", "url": "https://example.org/1"}),
        json!({"kind": "order", "id": "1", "title": "Shoe", "status": "sent", "amount": "9.90"}),
    ];
    for content in contents {
        let ok = scene.b1.ok(send(content.clone())).await;
        let message = scene.a1.expect(json!({"type": "message", "seq": ok["seq"]})).await;
        assert_eq!(message["content"], content);
    }
    let mut trimmed = scene.b1.ok(send(text(format!("  {}\n", "x".repeat(4_000))))).await;
    let seq = trimmed["seq"].take();
    let message = scene.a1.expect(json!({"type": "message", "seq": seq})).await;
    assert_eq!(message["content"], text("x".repeat(4_000)), "limits count after trimming");
    scene
        .b1
        .ok(json!({"type": "ack", "id": "y".repeat(64), "conversation": scene.conversation, "seq": 0,
        "colour": "unknown keys are ignored"}))
        .await;
}

#[tokio::test]
async fn without_an_id_only_errors_are_answered() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    scene.b1.tell(json!({"type": "typing", "conversation": conversation, "on": true})).await;
    scene.b1.tell(json!({"type": "read", "conversation": conversation, "seq": 1})).await;
    scene.b1.tell(json!({"type": "claim", "conversation": conversation})).await;
    scene.b1.expect(json!({"type": "error", "code": "forbidden"})).await;
    let answers = scene.b1.take_all(json!({"type": "ok"})).await;
    assert!(answers.is_empty(), "{answers:?}");
}

#[tokio::test]
async fn logging_in_twice_extends_or_is_forbidden() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut session = scene.session("b2").await;
    let again = session.ask(json!({"type": "login", "token": scene.node.token("b2")})).await;
    assert_eq!((&again["type"], &again["user"]["uid"]), (&json!("welcome"), &json!("b2")));
    session.refused(json!({"type": "login", "token": scene.node.token("b1")}), "forbidden").await;
    let ok = session.ok(send(text("still me"))).await;
    let message = scene.a1.expect(json!({"type": "message", "conversation": ok["conversation"]})).await;
    assert_eq!(message["from"]["uid"], "b2");
    scene.goes_on("a login as somebody else").await;
}

#[tokio::test]
async fn who_does_not_log_in_in_time_is_closed() {
    let mut scene = Scene::set(TestNode::builder().set("limits.login_timeout", "300ms")).await;
    let mut idle = Session::open(scene.node.base()).await;
    let mut busy = Session::open(scene.node.base()).await;
    busy.text("hello").await;
    assert_eq!(idle.closed().await, Closed(Some(4401)));
    assert_eq!(busy.closed().await, Closed(Some(4401)));
    scene.goes_on("two that never logged in").await;
}

#[tokio::test]
async fn flooding_is_refused_and_then_closed() {
    let limits = TestNode::builder().set("limits.messages_per_second", 1).set("limits.messages_burst", 5);
    let node = limits.start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut flood = node.buyer("flood").await;
    for n in 0..120 {
        let mut frame = send(text(format!("flood {n}")));
        frame["id"] = json!(format!("flood-{n}"));
        flood.tell(frame).await;
    }
    assert_eq!(flood.closed().await, Closed(Some(4429)));
    let refused = flood.heard(json!({"type": "error", "code": "rate_limited"}));
    assert!(refused.len() >= 90, "{} refusals", refused.len());
    assert!(refused.iter().all(|error| error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0)), "{:?}", refused[0]);
    // Whether an `ok` overtook the close depends on the moment; what was said is stored, what was refused is not.
    let accepted = flood.heard(json!({"type": "ok"})).len();
    let conversation = a1.expect(json!({"type": "message"})).await["conversation"].as_u64().unwrap();
    let stored = a1.texts(conversation).await;
    assert!(stored.len() >= accepted && (1..=10).contains(&stored.len()), "{accepted} accepted, {stored:?} stored");
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "a bystander").await;
    a1.hears("a bystander").await;
}

#[tokio::test]
async fn frames_other_than_messages_have_a_limit_of_their_own() {
    let mut scene = Scene::set(TestNode::builder().set("limits.frames_per_second", 20)).await;
    let mut session = scene.session("b2").await;
    for _ in 0..60 {
        session.tell(json!({"type": "ping"})).await;
    }
    let error = session.expect(json!({"type": "error"})).await;
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    scene.goes_on("sixty pings at once").await;
}

#[tokio::test]
async fn who_never_acks_is_closed_and_misses_nothing() {
    let limits = TestNode::builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
    let node = limits.start().await;
    let mut b1 = node.buyer("b1").await;
    let mut deaf = node.buyer("deaf").await;
    for n in 0..300 {
        b1.tell(
            json!({"type": "send", "id": format!("m{n}"), "to": {"user": "deaf"}, "content": text(format!("m{n}"))}),
        )
        .await;
    }
    for n in 0..300 {
        b1.expect(json!({"id": format!("m{n}"), "type": "ok"})).await;
    }
    assert_eq!(deaf.closed_within(Duration::from_secs(12)).await, Closed(Some(4430)));
    let given = deaf.heard(json!({"type": "message"}));
    let highest = given.iter().map(|message| message["seq"].as_u64().unwrap()).max();
    assert_eq!(highest, Some(256), "a window of 256");
    deaf.come_back(node.base()).await;
    assert_eq!(deaf.welcome["queued"], 300);
    for seq in 1..=300 {
        let message = deaf.expect(json!({"type": "message", "seq": seq})).await;
        deaf.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": seq})).await;
    }
    deaf.expect(json!({"type": "flushed", "count": 300})).await;
}
