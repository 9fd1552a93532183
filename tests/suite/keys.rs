//! API keys: made by admins, shown once, good for what their scopes say, until they are revoked; and bots, which talk with one.

use shopbell_harness::{Rest, Session, TestNode, Value, json};

fn keyed(node: &TestNode, key: &Value) -> Rest {
    Rest::new(node.base(), Some(key["key"].as_str().expect("the key itself")))
}

#[tokio::test]
async fn a_key_is_good_for_its_scopes_in_its_shop_until_it_is_revoked() {
    let node = TestNode::start().await;
    for shop in ["acme", "bolt"] {
        node.shop(shop).await;
        // The same person, so that nothing but the key keeps them apart.
        node.employ(shop, "owner", "admin").await;
    }
    let (owner, mut buyer) = (node.rest("owner"), node.buyer("b1").await);
    let here = buyer.opens("acme", "hi").await;
    let elsewhere = buyer.opens("bolt", "hi").await;
    let wanted = json!({"name": "Warehouse", "scopes": ["messages.write"]});
    let made = owner.post("/shops/acme/keys", wanted.clone()).await.expect(201);
    let secret = made["key"].as_str().unwrap().to_owned();
    assert_eq!((&made["uid"], &made["scopes"]), (&json!("owner"), &json!(["messages.write"])));
    assert!(secret.ends_with(made["hint"].as_str().unwrap()));
    let key = keyed(&node, &made);

    let me = key.get("/me").await.expect(200);
    assert_eq!((&me["user"]["uid"], me["shops"].as_array().unwrap().len()), (&json!("owner"), 1));
    let added = |id: &str| json!({"id": id, "as": "b1", "content": {"kind": "text", "text": "by the shop"}});
    key.post(&format!("/conversations/{here}/messages"), added("1")).await.expect(201);
    for (method, path) in [
        ("GET", "/conversations".to_owned()),
        ("GET", "/shops/acme".to_owned()),
        ("GET", format!("/conversations/{here}/messages")),
        ("GET", "/shops/acme/keys".to_owned()),
        ("POST", "/shops/acme/keys".to_owned()),
        ("POST", format!("/conversations/{here}/claim")),
        ("POST", "/logout".to_owned()),
        ("DELETE", format!("/conversations/{here}/messages/1")),
    ] {
        let request = key.request(method.parse().unwrap(), &path).json(&wanted);
        shopbell_harness::Answer::of(request).await.refused(403, "forbidden");
    }
    // Its owner may, in the other shop; the key is not for that.
    let path = format!("/conversations/{elsewhere}/messages");
    key.post(&path, added("2")).await.refused(404, "not_found");
    owner.post(&path, added("2")).await.expect(201);
    let mut session = Session::open(node.base()).await;
    session.tell(json!({"type": "login", "id": "1", "token": secret})).await;
    session.expect(json!({"type": "error", "code": "forbidden"})).await;

    // It is shown nowhere again, and used to the minute.
    let listed = owner.get("/shops/acme/keys").await.expect(200);
    assert_eq!((&listed["items"][0]["name"], listed["items"][0].get("key")), (&json!("Warehouse"), None));
    assert!(!listed.to_string().contains(&secret));
    let audit = owner.get("/shops/acme/audit?what=key").await.expect(200);
    assert!(!audit.to_string().contains(&secret) && audit["items"][0]["what"] == "key.added", "{audit}");
    shopbell_harness::eventually("the use is noted", async || {
        owner.get("/shops/acme/keys").await.expect(200)["items"][0]["used_at"].is_string()
    })
    .await;
    assert!(!node.log().contains(&secret));

    let path = format!("/shops/acme/keys/{}", made["id"]);
    owner.delete(&format!("/shops/bolt/keys/{}", made["id"])).await.refused(404, "not_found");
    owner.delete(&path).await.expect(204);
    owner.delete(&path).await.expect(204);
    key.get("/me").await.refused(401, "unauthenticated");
    owner.get("/me").await.expect(200);
    let acts = owner.get("/shops/acme/audit?what=key.revoked").await.expect(200);
    assert_eq!(acts["items"].as_array().unwrap().len(), 1);

    // Admins alone make keys; and a key ends with its maker's role.
    let made = owner.post("/shops/acme/keys", wanted.clone()).await.expect(201);
    node.employ("acme", "a1", "supervisor").await;
    node.rest("a1").post("/shops/acme/keys", wanted.clone()).await.refused(403, "forbidden");
    node.operator().await.post("/shops/acme/keys", wanted.clone()).await.refused(403, "forbidden");
    keyed(&node, &made).get("/me").await.expect(200);
    node.operator().await.patch("/shops/acme/agents/owner", json!({"role": "agent"})).await.expect(200);
    keyed(&node, &made).get("/me").await.refused(401, "unauthenticated");
    Rest::new(node.base(), Some("sbk_wrong")).get("/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn keys_are_refused_by_the_field() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "a1", "agent").await;
    let owner = node.rest("owner");
    for (body, field) in [
        (json!({"scopes": ["events.read"]}), "name"),
        (json!({"name": " ", "scopes": ["events.read"]}), "name"),
        (json!({"name": "x"}), "scopes"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": ["everything"]}), "scopes"),
        (json!({"name": "x", "scopes": "events.read"}), "scopes"),
        (json!({"name": "x", "scopes": ["bot"]}), "uid"),
        (json!({"name": "x", "scopes": ["bot"], "uid": "a1"}), "uid"),
        (json!({"name": "x", "scopes": ["bot"], "uid": "nobody"}), "uid"),
        (json!({"name": "x", "scopes": ["events.read"], "uid": "a1"}), "uid"),
    ] {
        let problem = owner.post("/shops/acme/keys", body.clone()).await.refused(400, "invalid");
        assert_eq!(problem["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_bot_answers_with_its_key() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "a1", "agent").await;
    let owner = node.rest("owner");
    // A bot has no password, and is no person; a person is no bot.
    let bot = |password: Value| json!({"uid": "helper", "name": "Helper", "role": "bot", "password": password});
    let problem = owner.post("/shops/acme/agents", bot(json!("a long enough one"))).await.refused(400, "invalid");
    assert_eq!(problem["field"], "password");
    owner.post("/shops/acme/agents", bot(Value::Null)).await.expect(201);
    owner.patch("/shops/acme/agents/helper", json!({"role": "agent"})).await.refused(409, "conflict");
    owner.patch("/shops/acme/agents/a1", json!({"role": "bot"})).await.refused(409, "conflict");
    node.buyer("b0").await;
    owner.post("/shops/acme/agents", json!({"uid": "b0", "role": "bot"})).await.refused(409, "conflict");

    let wanted = json!({"name": "Helper", "scopes": ["bot"], "uid": "helper"});
    let (one, two) = (
        owner.post("/shops/acme/keys", wanted.clone()).await.expect(201),
        owner.post("/shops/acme/keys", wanted).await.expect(201),
    );
    let login = async |key: &Value| {
        let mut session = Session::open(node.base()).await;
        session.tell(json!({"type": "login", "id": "1", "token": key["key"]})).await;
        session
    };
    let mut helper = login(&one).await;
    let welcome = helper.expect(json!({"type": "welcome"})).await;
    assert_eq!(welcome["shops"][0]["role"], "bot");
    helper.expect(json!({"type": "flushed"})).await;
    let mut buyer = node.buyer("b1").await;
    let conversation = buyer.opens("acme", "hi").await;
    helper.expect(json!({"type": "message", "content": {"text": "hi"}})).await;
    helper.tell(json!({"type": "claim", "id": "2", "conversation": conversation})).await;
    helper.expect(json!({"type": "ok", "id": "2"})).await;
    let hello = json!({"kind": "text", "text": "hello"});
    let rest = keyed(&node, &two);
    rest.post("/messages", json!({"id": "1", "to": {"conversation": conversation}, "content": hello}))
        .await
        .expect(201);
    let said = buyer.rest.get(&format!("/conversations/{conversation}/messages/2")).await.expect(200);
    assert_eq!((&said["from"]["role"], &said["from"]["uid"]), (&json!("bot"), &json!("helper")));
    rest.get("/shops/acme/keys").await.refused(403, "forbidden");
    rest.get("/shops/acme/audit").await.refused(403, "forbidden");
    rest.post("/me/password", json!({"new": "a long enough one"})).await.refused(403, "forbidden");

    // Without its key it is gone; the other key is as good as before.
    owner.delete(&format!("/shops/acme/keys/{}", one["id"])).await.expect(204);
    assert_eq!(helper.closed().await.0, Some(4401));
    let mut refused = login(&one).await;
    refused.expect(json!({"type": "error", "code": "unauthenticated"})).await;
    rest.get("/me").await.expect(200);
    let mut again = login(&two).await;
    again.expect(json!({"type": "welcome"})).await;
    owner.patch("/shops/acme/agents/helper", json!({"disabled": true})).await.expect(200);
    rest.get("/me").await.refused(401, "unauthenticated");
}
