//! Canned replies: whose they are, how they are found, and what stands in their placeholders.

use shopbell_harness::{TestNode, Value, json};

fn shortcuts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|reply| reply["shortcut"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_shop_has_replies_and_each_agent_its_own() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "a1", "agent").await;
    node.employ("acme", "a2", "supervisor").await;
    let (owner, a1, a2) = (node.rest("owner"), node.rest("a1"), node.rest("a2"));
    let path = "/shops/acme/replies";
    let hi = json!({"shortcut": "hi", "text": " Hello {buyer.name} ", "group": "Greetings"});
    let made = owner.post(path, hi.clone()).await.expect(201);
    assert_eq!((&made["text"], &made["group"]), (&json!("Hello {buyer.name}"), &json!("Greetings")));
    assert_eq!((&made["own"], &made["rendered"]), (&json!(false), &Value::Null));
    let hi_of_shop = format!("{path}/{}", made["id"]);
    owner.post(path, hi.clone()).await.refused(409, "conflict");
    a1.post(path, hi.clone()).await.refused(403, "forbidden");
    a2.post(path, hi).await.refused(403, "forbidden");
    let own = |text: &str| json!({"shortcut": "hi", "text": text, "own": true});
    let made = a1.post(path, own("Hi there")).await.expect(201);
    assert_eq!((&made["own"], &made["group"]), (&json!(true), &Value::Null));
    let hi_of_a1 = format!("{path}/{}", made["id"]);
    a1.post(path, own("again")).await.refused(409, "conflict");
    a2.post(path, own("Hey")).await.expect(201);
    a1.post(path, json!({"shortcut": "bye", "text": "Bye {} {\"x\"}", "own": true})).await.expect(201);

    assert_eq!(shortcuts(&a1.get(path).await.expect(200)), ["bye", "hi", "hi"]);
    assert_eq!(shortcuts(&owner.get(path).await.expect(200)), ["hi"]);
    assert_eq!(shortcuts(&node.operator().await.get(path).await.expect(200)), ["hi"]);
    let first = a1.get(&format!("{path}?limit=2")).await.expect(200);
    let rest = a1.get(&format!("{path}?limit=2&cursor={}", first["next"].as_str().unwrap())).await.expect(200);
    assert_eq!((shortcuts(&first), shortcuts(&rest)), (vec!["bye", "hi"], vec!["hi"]));
    assert_eq!(rest["next"], Value::Null);
    for (q, found) in [("GREET", 1), ("there", 1), ("by", 1), ("%25", 0), ("h", 2)] {
        let page = a1.get(&format!("{path}?q={q}")).await.expect(200);
        assert_eq!(shortcuts(&page).len(), found, "{q}: {page}");
    }

    // Another's own is not there, for nobody; the shop's are its admins'.
    for rest in [&a2, &owner] {
        rest.patch(&hi_of_a1, json!({"text": "mine"})).await.refused(404, "not_found");
        rest.delete(&hi_of_a1).await.refused(404, "not_found");
    }
    a1.patch(&hi_of_shop, json!({"text": "mine"})).await.refused(403, "forbidden");
    a1.delete(&hi_of_shop).await.refused(403, "forbidden");
    a1.patch(&hi_of_a1, json!({"shortcut": "bye"})).await.refused(409, "conflict");
    let changed = owner.patch(&hi_of_shop, json!({"group": null, "text": "Good day"})).await.expect(200);
    assert_eq!(
        (&changed["group"], &changed["text"], &changed["shortcut"]),
        (&Value::Null, &json!("Good day"), &json!("hi"))
    );
    a1.delete(&hi_of_a1).await.expect(204);
    a1.delete(&hi_of_a1).await.refused(404, "not_found");
    a1.patch(&format!("{path}/0"), json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn replies_are_refused_by_the_field() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    for (body, field) in [
        (json!({"text": "x"}), "shortcut"),
        (json!({"text": "x", "shortcut": ""}), "shortcut"),
        (json!({"text": "x", "shortcut": "a b"}), "shortcut"),
        (json!({"text": "x", "shortcut": "/hi"}), "shortcut"),
        (json!({"text": "x", "shortcut": "x".repeat(25)}), "shortcut"),
        (json!({"shortcut": "hi"}), "text"),
        (json!({"shortcut": "hi", "text": "  "}), "text"),
        (json!({"shortcut": "hi", "text": "x".repeat(4_001)}), "text"),
        (json!({"shortcut": "hi", "text": "Hello {buyer.phone}"}), "text"),
        (json!({"shortcut": "hi", "text": "Hello {name}"}), "text"),
        (json!({"shortcut": "hi", "text": "x", "group": 7}), "group"),
        (json!({"shortcut": "hi", "text": "x", "own": "yes"}), "own"),
    ] {
        let problem = owner.post("/shops/acme/replies", body.clone()).await.refused(400, "invalid");
        assert_eq!(problem["field"], field, "{body}");
    }
    owner.post("/shops/acme/replies", json!({"shortcut": "张".repeat(24), "text": "x"})).await.expect(201);
    owner.post("/shops/acme/replies", json!({"shortcut": "张", "text": "x"})).await.expect(201);
    let first = owner.get("/shops/acme/replies?limit=1").await.expect(200);
    let next = first["next"].as_str().unwrap().to_owned();
    let second = owner.get(&format!("/shops/acme/replies?limit=1&cursor={next}")).await.expect(200);
    assert_eq!((shortcuts(&second).len(), &second["next"]), (1, &Value::Null));
    owner.get("/shops/acme/replies?cursor=x").await.refused(400, "invalid");
}

#[tokio::test]
async fn a_reply_is_rendered_for_a_conversation_of_its_shop() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let boss = node.admin("acme", "boss").await;
    let a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let here = b1.opens("acme", "hi").await;
    let elsewhere = b1.opens("bolt", "hi").await;
    let text = "Hello {buyer.name}, {agent.name} of {shop.name}";
    boss.rest.post("/shops/acme/replies", json!({"shortcut": "hi", "text": text})).await.expect(201);
    let page = a1.rest.get(&format!("/shops/acme/replies?conversation={here}")).await.expect(200);
    assert_eq!(page["items"][0]["rendered"], "Hello b1, a1 of acme");
    assert_eq!(page["items"][0]["text"], text);
    for conversation in [elsewhere, 4_000_000] {
        let path = format!("/shops/acme/replies?conversation={conversation}");
        a1.rest.get(&path).await.refused(404, "not_found");
    }
    let operator = node.operator().await;
    operator.get(&format!("/shops/acme/replies?conversation={here}")).await.refused(403, "forbidden");
    b1.rest.get("/shops/acme/replies").await.refused(404, "not_found");
}
