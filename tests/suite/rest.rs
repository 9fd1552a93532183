//! REST as scripts and shop back ends use it: shops, agents, problems, health, metrics, the description (the
//! contract's section 4).

use shopbell_harness::{Answer, Method, TestNode, TestRedis, Value, eventually, json};

#[tokio::test]
async fn the_operator_makes_shops() {
    let node = TestNode::start().await;
    let operator = node.operator().await;
    let made = operator.post("/shops", json!({"shop": "acme", "name": "Acme"})).await.expect(201);
    assert_eq!((&made["shop"], &made["name"]), (&json!("acme"), &json!("Acme")));
    operator.post("/shops", json!({"shop": "acme", "name": "Acme"})).await.refused(409, "conflict");
    assert_eq!(operator.post("/shops", json!({"name": "Acme"})).await.refused(400, "invalid")["field"], "shop");
    for name in ["", "a b", "../x", "x/y"] {
        let problem = operator.post("/shops", json!({"shop": name, "name": "X"})).await.refused(400, "invalid");
        assert_eq!(problem["field"], "shop", "{name:?}");
    }
    let shop = operator.get("/shops/acme").await.expect(200);
    assert_eq!(shop["name"], "Acme");
    let shops = operator.get("/shops").await.expect(200);
    assert_eq!((shops["items"].as_array().unwrap().len(), &shops["next"]), (1, &Value::Null));
    node.rest("b1").post("/shops", json!({"shop": "mine", "name": "Mine"})).await.refused(403, "forbidden");
    node.anonymous().post("/shops", json!({"shop": "mine"})).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn admins_and_the_operator_list_agents() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "boss", "supervisor").await;
    node.employ("acme", "a1", "agent").await;
    node.employ("bolt", "rival", "admin").await;
    let owner = node.rest("owner");
    let made = owner.post("/shops/acme/agents", json!({"uid": "a2", "name": "Ann", "role": "agent"})).await.expect(201);
    assert_eq!((&made["uid"], &made["name"], &made["role"]), (&json!("a2"), &json!("Ann"), &json!("agent")));
    assert!(!made.to_string().contains("password"), "{made}");
    owner.post("/shops/acme/agents", json!({"uid": "a2", "role": "agent"})).await.refused(409, "conflict");
    for (body, field) in [
        (json!({"role": "agent"}), "uid"),
        (json!({"uid": "a b", "role": "agent"}), "uid"),
        (json!({"uid": "a3"}), "role"),
        (json!({"uid": "a3", "role": "king"}), "role"),
    ] {
        let problem = owner.post("/shops/acme/agents", body.clone()).await.refused(400, "invalid");
        assert_eq!(problem["field"], json!(field), "{body}");
    }
    let agents = owner.get("/shops/acme/agents").await.expect(200);
    let mut uids: Vec<&str> = agents["items"].as_array().unwrap().iter().map(|a| a["uid"].as_str().unwrap()).collect();
    uids.sort_unstable();
    assert_eq!(uids, ["a1", "a2", "boss", "owner"]);

    // Too small a role: 403. Another shop's, or nobody's: 404, the same as for a shop that does not exist.
    for uid in ["a1", "boss"] {
        node.rest(uid)
            .post("/shops/acme/agents", json!({"uid": "a4", "role": "agent"}))
            .await
            .refused(403, "forbidden");
    }
    for uid in ["rival", "b1"] {
        let rest = node.rest(uid);
        for (method, path) in [(Method::GET, "agents"), (Method::POST, "agents"), (Method::GET, "")] {
            let ask = async |shop: &str| {
                let path = format!("/shops/{shop}/{path}");
                let body = json!({"uid": "a4", "role": "agent"});
                Answer::of(rest.request(method.clone(), path.trim_end_matches('/')).json(&body)).await
            };
            let foreign = ask("acme").await.refused(404, "not_found");
            assert_eq!(foreign, ask("nowhere").await.refused(404, "not_found"), "{method} {path} by {uid}");
        }
    }
}

#[tokio::test]
async fn a_password_is_set_only_for_a_user_of_ones_own() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    node.employ("acme", "shared", "agent").await;
    let body = json!({"uid": "shared", "role": "agent", "password": "taken over by bolt"});
    node.operator().await.post("/shops/bolt/agents", body).await.refused(409, "conflict");
    let operator = json!({"uid": "op", "role": "agent", "password": "taken over by bolt"});
    node.operator().await.post("/shops/bolt/agents", operator).await.refused(409, "conflict");
    node.employ("bolt", "shared", "agent").await;
}

#[tokio::test]
async fn the_operator_reads_no_messages() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    let operator = node.operator().await;
    for path in ["", "/messages", "/timeline"] {
        operator.get(&format!("/conversations/{conversation}{path}")).await.refused(404, "not_found");
    }
    let own = operator.get("/conversations").await.expect(200);
    assert_eq!(own["items"], json!([]));
}

#[tokio::test]
async fn problems_are_problems_everywhere() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let raw = async |body: &'static str, media: &str| {
        let request = b1.request(Method::POST, "/messages").header("content-type", media).body(body);
        Answer::of(request).await
    };
    for body in ["", "{", "[]", "7", "null"] {
        let answer = raw(body, "application/json").await;
        assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{answer:?}");
        assert!(answer.body["code"].is_string() && answer.body["status"] == 400, "{:?}", answer.body);
    }
    b1.get("/no/such/thing").await.refused(404, "not_found");
    for path in ["/conversations/x", "/conversations/0", "/conversations/-1", "/conversations/99999999999999999999"] {
        let answer = b1.get(path).await;
        assert!([400, 404].contains(&answer.status) && answer.body["code"].is_string(), "{path}: {answer:?}");
    }
    for path in ["/me", "/conversations", "/conversations/1"] {
        node.anonymous().get(path).await.refused(401, "unauthenticated");
    }
    let big = json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "x".repeat(4_000_000)}});
    b1.post("/messages", big).await.refused(413, "too_large");
}

#[tokio::test]
async fn messages_are_refused_as_on_the_socket() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    let content = json!({"kind": "text", "text": "hi"});
    for (body, field) in [
        (json!({"to": {"shop": "acme"}, "content": content}), "id"),
        (json!({"id": "x".repeat(65), "to": {"shop": "acme"}, "content": content}), "id"),
        (json!({"id": "1", "content": content}), "to"),
        (json!({"id": "1", "to": {"shop": "acme"}}), "content"),
        (json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": " "}}), "content.text"),
        (
            json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "image", "url": "javascript:x"}}),
            "content.url",
        ),
    ] {
        assert_eq!(b1.post("/messages", body.clone()).await.refused(400, "invalid")["field"], json!(field), "{body}");
    }
    b1.post("/messages", json!({"id": "1", "to": {"shop": "nowhere"}, "content": content}))
        .await
        .refused(404, "not_found");
    b1.post("/messages", json!({"id": "1", "to": {"conversation": 99}, "content": content}))
        .await
        .refused(404, "not_found");
    let ok = b1.post("/messages", json!({"id": "1", "to": {"shop": "acme"}, "content": content})).await.expect(201);
    assert_eq!((&ok["seq"], &ok["duplicate"]), (&json!(1), &json!(false)), "a refused send used no id up");
    assert!(ok["at"].is_string() && ok["conversation"].is_u64(), "{ok}");
}

#[tokio::test]
async fn what_is_posted_is_delivered() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let body = json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "posted"}});
    let conversation = b1.rest.post("/messages", body).await.expect(201)["conversation"].as_u64().unwrap();
    a1.hears("posted").await;
    b1.hears_unacked("posted").await;
    let summary = a1.rest.post(&format!("/conversations/{conversation}/claim"), json!({})).await.expect(200);
    assert_eq!(summary["claimed_by"]["uid"], "a1");
    b1.sees(conversation, "claimed").await;
}

#[tokio::test]
async fn health_and_readiness() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let anonymous = node.anonymous();
    anonymous.get("//healthz").await.expect(200);
    anonymous.get("//readyz").await.expect(200);
    redis.freeze();
    eventually("readyz says 503", async || anonymous.get("//readyz").await.status == 503).await;
    anonymous.get("//healthz").await.expect(200);
    redis.thaw();
    eventually("readyz says 200", async || anonymous.get("//readyz").await.status == 200).await;
}

#[tokio::test]
async fn metrics_name_no_shop_and_no_user() {
    let node = TestNode::start().await;
    node.shop("shop-of-secrets").await;
    let mut b1 = node.buyer("buyer-of-secrets").await;
    b1.say("shop-of-secrets", "hi").await;
    let answer = node.anonymous().get("//metrics").await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.bytes).unwrap();
    assert!(text.contains("# TYPE "), "Prometheus' text format: {text}");
    assert!(!text.contains("of-secrets"), "{text}");
}

#[tokio::test]
async fn the_api_describes_itself() {
    let node = TestNode::start().await;
    let document = node.anonymous().get("//api/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for wanted in [
        "/login",
        "/visitors",
        "/logout",
        "/me",
        "/me/password",
        "/messages",
        "/conversations",
        "/conversations/{id}",
        "/conversations/{id}/messages",
        "/conversations/{id}/messages/{seq}",
        "/conversations/{id}/timeline",
        "/conversations/{id}/read",
        "/conversations/{id}/claim",
        "/conversations/{id}/release",
        "/conversations/{id}/transfer",
        "/conversations/{id}/resolve",
        "/conversations/{id}/rating",
        "/files",
        "/shops",
        "/shops/{shop}",
        "/shops/{shop}/agents",
    ] {
        assert!(paths.iter().any(|path| path.ends_with(wanted)), "{wanted} in {paths:?}");
    }
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    for path in
        ["//healthz", "//readyz", "//metrics", "//api/openapi.json", "/me", "/conversations", "//demo", "//agent"]
    {
        let get = b1.get(path).await;
        let head = Answer::of(b1.request(Method::HEAD, path)).await;
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert!(head.bytes.is_empty(), "{path}");
    }
}
