//! Agents that are disabled, shops that are, passwords that must be changed, and the last admin.

use std::time::Duration;

use shopbell_harness::{Answer, Closed, Method, Rest, SECRET, Session, TestNode, Value, json, now, sign};

#[tokio::test]
async fn a_disabled_agent_is_none_until_it_is_enabled() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    let shown = owner.patch("/shops/acme/agents/a1", json!({"disabled": true})).await.expect(200);
    assert_eq!(shown["disabled"], true);
    assert_eq!(a1.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));
    b1.sees(conversation, "released").await;
    a2.sees(conversation, "released").await;
    // Its platform may sign it a new token, with which it is a buyer like everybody.
    let claims = json!({"sub": "a1", "iat": now() + 5, "exp": now() + 60});
    let again = Rest::new(node.base(), Some(&sign(SECRET, &claims)));
    assert_eq!(again.get("/me").await.expect(200)["shops"], json!([]));
    again.get("/shops/acme/conversations").await.refused(404, "not_found");
    again.get(&format!("/conversations/{conversation}")).await.refused(404, "not_found");
    again.post(&format!("/conversations/{conversation}/claim"), json!({})).await.refused(404, "not_found");
    a2.claim(conversation).await;
    let refused = a2.refused(json!({"type": "transfer", "conversation": conversation, "to": "a1"}), "invalid").await;
    assert_eq!(refused["field"], "to");
    let listed = owner.get("/shops/acme/agents").await.expect(200);
    let disabled: Vec<(&Value, &Value)> =
        listed["items"].as_array().unwrap().iter().map(|agent| (&agent["uid"], &agent["disabled"])).collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(disabled, [(&json!("a1"), &yes), (&json!("a2"), &no), (&json!("owner"), &no)]);

    owner.patch("/shops/acme/agents/a1", json!({"disabled": false})).await.expect(200);
    again.get("/shops/acme/conversations").await.expect(200);
}

#[tokio::test]
async fn with_all_agents_disabled_nobody_is_on_duty() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    node.operator().await.patch("/shops/acme/agents/a1", json!({"disabled": true})).await.expect(200);
    let mut b1 = node.buyer("b1").await;
    b1.opens("acme", "hi").await;
    b1.expect(json!({"type": "notice", "code": "away"})).await;
    node.operator().await.patch("/shops/acme/agents/a1", json!({"disabled": false})).await.expect(200);
    node.employ("acme", "owner", "admin").await;
    let tickets = node.rest("owner").get("/shops/acme/tickets").await.expect(200);
    assert_eq!(tickets["items"][0]["left_message"], true, "{tickets}");
}

#[tokio::test]
async fn in_a_disabled_shop_nothing_is_said_and_everything_read() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let operator = node.operator().await;
    let boss = node.admin("acme", "boss").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    boss.rest.patch("/shops/acme", json!({"disabled": true})).await.refused(403, "forbidden");
    assert_eq!(operator.patch("/shops/acme", json!({"disabled": true})).await.expect(200)["disabled"], true);
    let say = |text: &str, to: Value| {
        let content = json!({"kind": "text", "text": text});
        json!({"type": "send", "id": text, "to": to, "content": content})
    };
    b1.refused(say("more", json!({"shop": "acme"})), "forbidden").await;
    a1.refused(say("answer", json!({"conversation": conversation})), "forbidden").await;
    let mut b2 = node.buyer("b2").await;
    b2.refused(say("new", json!({"shop": "acme"})), "forbidden").await;
    node.anonymous().post("/visitors", json!({"shop": "acme"})).await.refused(403, "forbidden");
    // What is in hand may be read and finished; nothing new is taken on.
    a1.rest.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    b1.rest.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    a1.refused(json!({"type": "transfer", "conversation": conversation, "to": "boss"}), "forbidden").await;
    a1.resolve(conversation).await;
    a1.refused(json!({"type": "claim", "conversation": conversation}), "forbidden").await;
    boss.rest.get("/shops/acme").await.expect(200);
    boss.rest.patch("/shops/acme", json!({"name": "Acme"})).await.expect(200);

    operator.patch("/shops/acme", json!({"disabled": false})).await.expect(200);
    b1.say("acme", "back again").await;
    b2.say("acme", "new").await;
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_good_for_nothing_else() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    let login = async |password: &str| {
        node.anonymous().post("/login", json!({"uid": "a1", "password": password})).await.expect(200)
    };
    let rest = |granted: &Value| Rest::new(node.base(), granted["token"].as_str());
    let body = json!({"uid": "a1", "role": "agent", "password": "the first one", "must_change_password": true});
    let made = owner.post("/shops/acme/agents", body).await.expect(201);
    assert!(!made.to_string().contains("password"), "{made}");
    let granted = login("the first one").await;
    assert_eq!(granted["must_change_password"], true);
    let limited = rest(&granted);
    assert_eq!(limited.get("/me").await.expect(200)["must_change_password"], true);
    for path in ["/conversations", "/shops/acme/conversations"] {
        limited.get(path).await.refused(403, "forbidden");
    }
    limited.post("/messages", json!({})).await.refused(403, "forbidden");
    let mut session = Session::open(node.base()).await;
    let frame = json!({"type": "login", "id": "in", "token": granted["token"]});
    session.refused(frame, "forbidden").await;
    let bearer = format!("Bearer {}", granted["token"].as_str().unwrap());
    assert_eq!(Session::open_with(node.base(), &[("authorization", &bearer)]).await.err(), Some(403));

    let change = |old: &str, new: &str| json!({"old": old, "new": new});
    let same = limited.post("/me/password", change("the first one", "the first one")).await.refused(400, "invalid");
    assert_eq!(same["field"], "new");
    let request = limited.request(Method::POST, "/me/password").header("idempotency-key", "once");
    let granted = Answer::of(request.json(&change("the first one", "the second one"))).await.expect(200);
    assert!(granted["must_change_password"].is_null(), "{granted}");
    rest(&granted).get("/shops/acme/conversations").await.expect(200);
    limited.get("/me").await.refused(401, "unauthenticated");
    let granted = login("the second one").await;
    assert!(granted["must_change_password"].is_null(), "{granted}");

    // Set anew by an admin: as before where it does not ask for a change.
    owner.patch("/shops/acme/agents/a1", json!({"password": "the third one"})).await.expect(200);
    rest(&login("the third one").await).get("/conversations").await.expect(200);
    owner.patch("/shops/acme/agents/a1", json!({"must_change_password": true})).await.expect(200);
    let granted = login("the third one").await;
    assert_eq!(granted["must_change_password"], true);
    rest(&granted).post("/logout", json!({})).await.expect(204);
}

#[tokio::test]
async fn a_shop_keeps_an_admin() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    for change in [json!({"role": "agent"}), json!({"disabled": true})] {
        owner.patch("/shops/acme/agents/owner", change).await.refused(409, "conflict");
    }
    owner.delete("/shops/acme/agents/owner").await.refused(409, "conflict");
    owner.patch("/shops/acme/agents/owner", json!({"role": "admin", "capacity": 3})).await.expect(200);
    node.employ("acme", "second", "admin").await;
    owner.patch("/shops/acme/agents/second", json!({"disabled": true})).await.expect(200);
    owner.delete("/shops/acme/agents/owner").await.refused(409, "conflict");
    owner.patch("/shops/acme/agents/second", json!({"disabled": false})).await.expect(200);
    owner.patch("/shops/acme/agents/owner", json!({"role": "agent"})).await.expect(200);
    // An operator may leave it without one, and name another.
    node.operator().await.delete("/shops/acme/agents/second").await.expect(204);
    node.operator().await.patch("/shops/acme/agents/owner", json!({"role": "admin"})).await.expect(200);
}

#[tokio::test]
async fn where_a_platform_names_everybody_admins_give_no_passwords() {
    let node = TestNode::builder().set("auth.shop_passwords", false).start().await;
    node.shop("acme").await;
    node.employ("acme", "boss", "admin").await;
    let (boss, operator) = (node.rest("boss"), node.operator().await);
    let agent = |uid: &str| json!({"uid": uid, "role": "agent", "password": "a good password"});
    boss.post("/shops/acme/agents", agent("a1")).await.refused(403, "forbidden");
    boss.post("/shops/acme/agents", json!({"uid": "a1", "role": "agent"})).await.expect(201);
    let change = json!({"password": "a good password"});
    boss.patch("/shops/acme/agents/a1", change.clone()).await.refused(403, "forbidden");
    let login =
        async |uid: &str| node.anonymous().post("/login", json!({"uid": uid, "password": "a good password"})).await;
    login("a1").await.refused(401, "unauthenticated");
    // Whose the server is may.
    operator.patch("/shops/acme/agents/a1", change).await.expect(200);
    operator.post("/shops/acme/agents", agent("a2")).await.expect(201);
    for uid in ["a1", "a2"] {
        login(uid).await.expect(200);
    }
}
