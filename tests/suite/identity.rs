//! Tokens: which are good, and that all others are refused alike (the contract's section 1).

use super::scene::Scene;
use shopbell_harness::{Closed, Rest, SECRET, Session, TestNode, Value, json, now, sign, sign_with};

/// Tokens that must be refused, each with its reason.
fn forged() -> Vec<(&'static str, String)> {
    let claims = json!({"sub": "b1", "iat": now(), "exp": now() + 3600});
    let with = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        sign(SECRET, &claims)
    };
    let without = |key: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(key);
        sign(SECRET, &claims)
    };
    let under = |header: Value| sign_with(SECRET, &header, &claims);
    let good = sign(SECRET, &claims);
    let (body, signature) = good.rsplit_once('.').unwrap();
    let none = under(json!({"alg": "none"}));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    let other_body = with("sub", json!("b2"));
    vec![
        ("garbage", "garbage".into()),
        ("two dots", "..".into()),
        ("no signature", format!("{body}.")),
        ("no third part", body.into()),
        ("a short signature", good[..good.len() - 4].into()),
        ("another secret", sign("another secret, just as long as the first", &claims)),
        ("an empty secret", sign("", &claims)),
        ("another's signature", format!("{}.{signature}", other_body.rsplit_once('.').unwrap().0)),
        ("alg none, signed", none),
        ("alg none, unsigned", unsigned),
        ("alg None", under(json!({"alg": "None"}))),
        ("alg HS384", under(json!({"alg": "HS384"}))),
        ("alg HS512", under(json!({"alg": "HS512"}))),
        ("alg RS256", under(json!({"alg": "RS256"}))),
        ("no alg", under(json!({"typ": "JWT"}))),
        ("exp missing", without("exp")),
        ("exp past", with("exp", json!(now() - 1))),
        ("exp long past", with("exp", json!(0))),
        ("exp a string", with("exp", json!((now() + 3600).to_string()))),
        ("exp null", with("exp", Value::Null)),
        ("exp negative", with("exp", json!(-1))),
        ("sub missing", without("sub")),
        ("sub empty", with("sub", json!(""))),
        ("sub a number", with("sub", json!(17))),
        ("sub with a space", with("sub", json!("b 1"))),
        ("sub with a slash", with("sub", json!("../b1"))),
        ("sub of 129 characters", with("sub", json!("x".repeat(129)))),
        ("sub in Chinese", with("sub", json!("张三"))),
    ]
}

#[tokio::test]
async fn forged_tokens_are_refused_alike_at_every_door() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let base = scene.node.base().to_owned();
    let mut answers = Vec::new();
    for (what, token) in forged() {
        let mut session = Session::open(&base).await;
        let error = session.refused(json!({"type": "login", "id": "in", "token": token}), "unauthenticated").await;
        let problem = Rest::new(&base, Some(&token)).get("/me").await.refused(401, "unauthenticated");
        let bearer = format!("Bearer {token}");
        let upgrade = Session::open_with(&base, &[("authorization", &bearer)]).await;
        assert_eq!(upgrade.err(), Some(401), "{what}");
        answers.push((what, error, problem));
    }
    for (what, error, problem) in &answers[1..] {
        assert_eq!((error, problem), (&answers[0].1, &answers[0].2), "{what} is told apart");
    }
    scene.goes_on("every forged token").await;
}

#[tokio::test]
async fn a_third_bad_token_closes() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut session = Session::open(scene.node.base()).await;
    for _ in 0..2 {
        session.refused(json!({"type": "login", "token": "garbage"}), "unauthenticated").await;
    }
    session.tell(json!({"type": "login", "token": "garbage"})).await;
    assert_eq!(session.closed().await, Closed(Some(4401)));
    // After two bad ones a good one is good.
    let mut session = Session::open(scene.node.base()).await;
    for _ in 0..2 {
        session.refused(json!({"type": "login", "token": "garbage"}), "unauthenticated").await;
    }
    session.tell(json!({"type": "login", "id": "in", "token": scene.node.token("b2")})).await;
    session.expect(json!({"type": "welcome", "id": "in"})).await;
    scene.goes_on("a third bad token").await;
}

#[tokio::test]
async fn good_tokens_come_in_several_shapes() {
    let node = TestNode::start().await;
    let exp = now() + 3600;
    for claims in [
        json!({"sub": "b1", "exp": exp}),
        json!({"sub": "b1", "exp": exp, "iat": now(), "aud": "somebody else", "iss": "https://shop.example"}),
        json!({"sub": "b1", "exp": exp, "aud": ["x", "y"], "more": {"x": 1}}),
        json!({"sub": format!("A-z_0.9:@{}", "x".repeat(119)), "exp": exp}),
    ] {
        let token = sign(SECRET, &claims);
        let me = Rest::new(node.base(), Some(&token)).get("/me").await.expect(200);
        let uid = me["uid"].as_str().or(me["user"]["uid"].as_str());
        assert_eq!(uid, claims["sub"].as_str(), "{me}");
    }
}

#[tokio::test]
async fn a_bearer_at_the_upgrade_logs_in_at_once() {
    let node = TestNode::start().await;
    let bearer = format!("Bearer {}", node.token("b1"));
    let mut session = Session::open_with(node.base(), &[("authorization", &bearer)]).await.ok().unwrap();
    let welcome = session.expect(json!({"type": "welcome", "user": {"uid": "b1"}})).await;
    for field in ["session", "limits", "at", "queued", "shops", "heartbeat"] {
        assert!(!welcome[field].is_null(), "{field} in {welcome}");
    }
    session.expect(json!({"type": "flushed", "count": 0})).await;
    session.ok(json!({"type": "inbox"})).await;
}

#[tokio::test]
async fn name_and_avatar_come_with_the_token_and_stay() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let named = json!({"sub": "b1", "exp": now() + 60, "name": "Bo", "avatar": "https://example.org/bo.png"});
    let mut bo = shopbell_harness::Person::connect(node.base(), "b1", &sign(SECRET, &named)).await;
    let conversation = bo.opens("acme", "hi").await;
    assert_eq!(a1.hears("hi").await["from"]["name"], "Bo");
    let summary = a1.summary(conversation).await;
    assert_eq!(summary["buyer"], json!({"uid": "b1", "name": "Bo", "avatar": "https://example.org/bo.png"}));
    // A token without them leaves what is stored; one with others replaces it.
    let plain = node.person("b1").await;
    assert_eq!(plain.welcome["user"]["name"], "Bo");
    let renamed = json!({"sub": "b1", "exp": now() + 60, "name": "Bob"});
    let bob = shopbell_harness::Person::connect(node.base(), "b1", &sign(SECRET, &renamed)).await;
    assert_eq!(bob.welcome["user"], json!({"uid": "b1", "name": "Bob", "avatar": "https://example.org/bo.png"}));
}

#[tokio::test]
async fn many_come_for_the_first_time_at_once() {
    let node = TestNode::start().await;
    let comes = |uid: String, name: String| {
        let token = sign(SECRET, &json!({"sub": uid, "exp": now() + 60, "name": name}));
        let base = node.base().to_owned();
        async move { shopbell_harness::Person::connect(&base, &uid, &token).await.welcome["user"].clone() }
    };
    // Each comes on two devices, the last one with another name on each.
    let mut names: Vec<(String, String)> = (0..40).map(|n| (format!("b{n}"), format!("Buyer №{n}"))).collect();
    names.extend(names.clone());
    names[79].1 = "Somebody else".into();
    let users = futures_util::future::join_all(names.iter().map(|(uid, name)| comes(uid.clone(), name.clone()))).await;
    for ((uid, name), user) in names.iter().zip(&users) {
        assert_eq!((user["uid"].as_str(), user["name"].as_str()), (Some(&**uid), Some(&**name)));
    }
}

#[tokio::test]
async fn welcome_tells_an_agent_its_shops() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    node.employ("acme", "a1", "supervisor").await;
    let a1 = node.agent("bolt", "a1").await;
    let mut shops = a1.welcome["shops"].as_array().unwrap().clone();
    shops.sort_by_key(|shop| shop["shop"].as_str().unwrap().to_owned());
    assert_eq!(shops[0], json!({"shop": "acme", "name": "acme", "role": "supervisor", "status": "online"}));
    assert_eq!(shops[1], json!({"shop": "bolt", "name": "bolt", "role": "agent", "status": "online"}));
    assert_eq!(node.buyer("b1").await.welcome["shops"], json!([]));
}

#[tokio::test]
async fn a_platform_may_provision_agents_where_it_is_trusted() {
    let claims = json!({"sub": "a9", "iat": now(), "exp": now() + 60, "shops": [{"shop": "acme", "role": "agent"}]});
    let token = sign(SECRET, &claims);
    for trusted in [false, true] {
        let node = TestNode::builder().set("auth.trust_shop_claims", trusted).start().await;
        node.shop("acme").await;
        let a9 = shopbell_harness::Person::connect(node.base(), "a9", &token).await;
        assert_eq!(a9.welcome["shops"].as_array().unwrap().len(), usize::from(trusted), "{}", a9.welcome);
    }
}

#[tokio::test]
async fn agents_log_in_with_a_password() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let agent = json!({"uid": "a1", "name": "Ann", "role": "agent", "password": "correct horse battery"});
    node.operator().await.post("/shops/acme/agents", agent).await.expect(201);
    node.employ("acme", "a2", "agent").await;
    let anonymous = node.anonymous();
    let answer = anonymous.post("/login", json!({"uid": "a1", "password": "correct horse battery"})).await.expect(200);
    assert_eq!(answer["user"]["uid"], "a1");
    assert!(answer["expires_at"].as_str().unwrap().ends_with('Z'));
    let me = Rest::new(node.base(), answer["token"].as_str()).get("/me").await.expect(200);
    assert!(me.to_string().contains("\"a1\""), "{me}");
    let wrong =
        anonymous.post("/login", json!({"uid": "a1", "password": "wrong"})).await.refused(401, "unauthenticated");
    for uid in ["a2", "nobody", "op2"] {
        let answer = anonymous.post("/login", json!({"uid": uid, "password": "wrong"})).await;
        assert_eq!(answer.refused(401, "unauthenticated"), wrong, "{uid} is told apart");
    }
    let missing = anonymous.post("/login", json!({"uid": "a1"})).await.refused(400, "invalid");
    assert_eq!(missing["field"], "password");
}

#[tokio::test]
async fn visitors_get_a_token_and_renew_it() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let answer = node.anonymous().post("/visitors", json!({"shop": "acme"})).await;
    assert!(answer.status == 200 || answer.status == 201, "{answer:?}");
    let uid = answer.body["user"]["uid"].as_str().unwrap().to_owned();
    assert!(uid.starts_with("visitor:"), "{uid}");
    let visitor = Rest::new(node.base(), answer.body["token"].as_str());
    let renewed = visitor.post("/visitors", json!({"shop": "acme"})).await;
    assert_eq!(renewed.body["user"]["uid"], json!(uid), "renewed, not another one: {renewed:?}");
    let again = Rest::new(node.base(), renewed.body["token"].as_str());
    again.get("/me").await.expect(200);
    let other = node.anonymous().post("/visitors", json!({"shop": "acme"})).await;
    assert_ne!(other.body["user"]["uid"], json!(uid));
    node.anonymous().post("/visitors", json!({"shop": "nowhere"})).await.refused(404, "not_found");
    assert_eq!(node.anonymous().post("/visitors", json!({})).await.refused(400, "invalid")["field"], "shop");
}

#[tokio::test]
async fn doors_without_a_token_are_limited_per_address() {
    let limits = TestNode::builder().set("limits.requests_per_minute", 5).set("http.trusted_proxies", "127.0.0.1");
    let node = limits.start().await;
    node.shop("acme").await;
    let from = async |address: &str| {
        let request = node.anonymous().request(shopbell_harness::Method::POST, "/visitors");
        let request = request.header("x-forwarded-for", address).json(&json!({"shop": "acme"}));
        shopbell_harness::Answer::of(request).await
    };
    let mut refused = None;
    for _ in 0..8 {
        let answer = from("192.0.2.1").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    let problem = refused.expect("a refusal").refused(429, "rate_limited");
    assert!(problem["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{problem}");
    let other = from("192.0.2.2").await;
    assert!(other.status < 300, "another address is not disturbed: {other:?}");
}

#[tokio::test]
async fn who_forwards_without_being_trusted_is_not_believed() {
    let node = TestNode::builder().set("limits.requests_per_minute", 5).start().await;
    node.shop("acme").await;
    let mut refusals = 0;
    for n in 0..12 {
        let request = node.anonymous().request(shopbell_harness::Method::POST, "/visitors");
        let request = request.header("x-forwarded-for", format!("192.0.2.{n}")).json(&json!({"shop": "acme"}));
        refusals += usize::from(shopbell_harness::Answer::of(request).await.status == 429);
    }
    assert!(refusals >= 5, "{refusals} of 12 refused");
}
