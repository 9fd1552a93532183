//! Sessions live as long as something comes from them and their token is good (the contract's sections 1 and 2.4).

use super::scene::Scene;
use shopbell_harness::{Closed, Method, SECRET, Session, TestNode, Wire, WireFrame, json, now, sign};
use std::time::Duration;

#[tokio::test]
async fn the_server_pings_and_closes_who_stays_silent() {
    let quick = TestNode::builder().set("heartbeat.interval_ms", 100).set("heartbeat.timeout_ms", 700);
    let mut scene = Scene::set(quick).await;
    assert_eq!(scene.b1.welcome["heartbeat"], json!({"interval_ms": 100, "timeout_ms": 700}));
    let mut silent = Wire::login(scene.node.base(), &scene.node.token("silent")).await;
    scene.b1.pinged().await;
    scene.b1.pinged().await;
    // A `Wire` answers no ping.
    assert_eq!(silent.closed().await, Some(4408));
    // Any of these keeps a session: a pong, a ping, a frame, even a bad one.
    for sign_of_life in [
        WireFrame::new(WireFrame::PONG, ""),
        WireFrame::new(WireFrame::PING, ""),
        WireFrame::new(WireFrame::TEXT, r#"{"type":"ping","id":"p"}"#),
    ] {
        let mut wire = Wire::login(scene.node.base(), &scene.node.token("alive")).await;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            wire.send(&sign_of_life).await;
        }
        wire.send(&WireFrame::new(WireFrame::TEXT, r#"{"type":"ping","id":"p"}"#)).await;
        wire.frame("pong").await;
    }
    scene.goes_on("a silent session").await;
}

#[tokio::test]
async fn a_clients_ping_is_answered_with_the_time() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let pong = scene.b1.ask(json!({"type": "ping"})).await;
    assert_eq!(pong["type"], "pong");
    let at = pong["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && &at[10..11] == "T", "RFC 3339 with milliseconds: {at}");
}

fn expiring(uid: &str, seconds: i64) -> String {
    sign(SECRET, &json!({"sub": uid, "iat": now(), "exp": now() + seconds}))
}

#[tokio::test]
async fn a_token_that_expires_ends_its_session_after_a_notice() {
    let node = TestNode::start().await;
    // Who is known is let in without a write.
    node.rest("b1").get("/me").await.expect(200);
    let mut session = Session::open(node.base()).await;
    session.tell(json!({"type": "login", "id": "in", "token": expiring("b1", 3)})).await;
    session.expect(json!({"type": "welcome"})).await;
    let notice = session.expect(json!({"type": "notice", "code": "token_expiring"})).await;
    assert!(notice["text"].is_string(), "{notice}");
    assert_eq!(session.closed().await, Closed(Some(4401)));
}

#[tokio::test]
async fn logging_in_again_extends_the_session() {
    let node = TestNode::start().await;
    node.rest("b1").get("/me").await.expect(200);
    let mut session = Session::open(node.base()).await;
    session.tell(json!({"type": "login", "id": "in", "token": expiring("b1", 2)})).await;
    session.expect(json!({"type": "welcome"})).await;
    session.expect(json!({"type": "notice", "code": "token_expiring"})).await;
    session.tell(json!({"type": "login", "id": "again", "token": expiring("b1", 3600)})).await;
    let welcome = session.expect(json!({"type": "welcome", "id": "again"})).await;
    assert_eq!(welcome["queued"], 0);
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    session.settle().await;
}

#[tokio::test]
async fn logging_out_ends_every_session_and_every_token() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut phone = scene.node.person("b2").await;
    let mut tablet = phone.second_device().await;
    let undated = sign(SECRET, &json!({"sub": "b2", "exp": now() + 3600}));
    let logout = phone.rest.post("/logout", json!({})).await;
    assert!((200..300).contains(&logout.status), "{logout:?}");
    for session in [&mut phone, &mut tablet] {
        assert_eq!(session.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));
    }
    phone.rest.get("/me").await.refused(401, "unauthenticated");
    for token in [&phone.token, &undated] {
        let mut session = Session::open(scene.node.base()).await;
        session.refused(json!({"type": "login", "token": token}), "unauthenticated").await;
    }
    // A token issued afterwards is good. `iat` counts in seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    scene.node.person("b2").await.settle().await;
    scene.goes_on("somebody else's logout").await;
}

#[tokio::test]
async fn a_changed_password_ends_every_session() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let agent = json!({"uid": "a1", "name": "Ann", "role": "agent", "password": "first password"});
    node.operator().await.post("/shops/acme/agents", agent).await.expect(201);
    let login = json!({"uid": "a1", "password": "first password"});
    let first = node.anonymous().post("/login", login.clone()).await.expect(200);
    let token = first["token"].as_str().unwrap();
    let mut a1 = shopbell_harness::Person::connect(node.base(), "a1", token).await;
    let change = json!({"old": "first password", "new": "second password", "password": "second password",
        "current": "first password"});
    let changed = a1.rest.post("/me/password", change).await;
    assert!((200..300).contains(&changed.status), "{changed:?}");
    assert_eq!(a1.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));
    a1.rest.get("/me").await.refused(401, "unauthenticated");
    node.anonymous().post("/login", login).await.refused(401, "unauthenticated");
    node.anonymous().post("/login", json!({"uid": "a1", "password": "second password"})).await.expect(200);
}

#[tokio::test]
async fn removing_an_agent_ends_its_sessions() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let removed = node.operator().await.delete("/shops/acme/agents/a1").await;
    assert!((200..300).contains(&removed.status), "{removed:?}");
    assert_eq!(a1.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));
}

#[tokio::test]
async fn sigterm_drains_and_what_was_accepted_is_stored() {
    let mut node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "0").await;
    a1.hears("0").await;
    for n in 1..20 {
        b1.tell(json!({"type": "send", "id": format!("s{n}"), "to": {"shop": "acme"},
            "content": {"kind": "text", "text": n.to_string()}}))
            .await;
    }
    b1.expect(json!({"type": "ok", "id": "s1"})).await;
    node.terminate();
    for person in [&mut a1, &mut b1] {
        let notice = person.expect(json!({"type": "notice", "code": "draining"})).await;
        assert!(notice["reconnect_ms"].is_u64(), "{notice}");
        assert_eq!(person.closed().await, Closed(Some(1012)));
    }
    let accepted = b1.heard(json!({"type": "ok"})).len() + 2;
    assert_eq!(node.ended().await, Some(0), "{}", node.log());
    node.restart().await;
    b1.come_back(node.base()).await;
    let texts = b1.texts(conversation).await;
    assert!(texts.len() >= accepted, "{accepted} were accepted, {texts:?} stored");
    let whole: Vec<String> = (0..texts.len()).map(|n| n.to_string()).collect();
    assert_eq!(texts, whole);
}

#[tokio::test]
async fn while_it_drains_nobody_new_is_let_in() {
    let mut node = TestNode::start().await;
    let mut b1 = node.buyer("b1").await;
    node.terminate();
    b1.closed().await;
    assert_eq!(node.ended().await, Some(0));
    let request = node.anonymous().request(Method::GET, "//healthz");
    assert!(request.send().await.is_err());
}
