//! The list of administrative acts: nothing that an admin or an operator changes is missing in it.

use shopbell_harness::{Answer, Method, Rest, TestNode, Value, json, now};

use super::stored::Stored;

/// What everybody does all day: in nobody's list. Any other route that changes something is in [`ADMINISTRATIVE`].
const EVERYDAY: &[&str] = &[
    "POST /login",
    "POST /visitors",
    "POST /logout",
    "POST /me/password",
    "POST /messages",
    "POST /messages/prepare",
    "POST /messages/commit",
    "POST /messages/abort",
    "POST /conversations/{id}/read",
    "POST /conversations/{id}/claim",
    "POST /conversations/{id}/release",
    "POST /conversations/{id}/transfer",
    "POST /conversations/{id}/resolve",
    "POST /conversations/{id}/rating",
    "POST /files",
    "POST /shops/{shop}/event-groups/{name}/take",
    "POST /shops/{shop}/event-groups/{name}/ack",
];

/// A route, what it is called with for shop `acme`, and what the list says of it then. Done one after the other by an operator who is an
/// admin there.
const ADMINISTRATIVE: &[(&str, &str, &str, &str)] = &[
    ("POST /shops", "/shops", r#"{"shop":"acme","name":"Acme"}"#, "shop.created acme"),
    ("PATCH /shops/{shop}", "/shops/acme", r#"{"time_zone":"Asia/Shanghai"}"#, "shop.changed acme"),
    ("POST /shops/{shop}/agents", "/shops/acme/agents", r#"{"uid":"op","role":"admin"}"#, "agent.added op"),
    ("PATCH /shops/{shop}/agents/{uid}", "/shops/acme/agents/op", r#"{"capacity":3}"#, "agent.changed op"),
    ("POST /shops/{shop}/replies", "/shops/acme/replies", r#"{"shortcut":"hi","text":"Hello"}"#, "reply.added hi"),
    ("PATCH /shops/{shop}/replies/{id}", "/shops/acme/replies/1", r#"{"text":"Hi"}"#, "reply.changed hi"),
    ("DELETE /shops/{shop}/replies/{id}", "/shops/acme/replies/1", "", "reply.removed hi"),
    ("POST /shops/{shop}/keys", "/shops/acme/keys", r#"{"name":"x","scopes":["events.read"]}"#, "key.added 1"),
    ("DELETE /shops/{shop}/keys/{id}", "/shops/acme/keys/1", "", "key.revoked 1"),
    ("POST /shops/{shop}/webhooks", "/shops/acme/webhooks", r#"{"url":"https://hooks.invalid/"}"#, "webhook.added 1"),
    ("PATCH /shops/{shop}/webhooks/{id}", "/shops/acme/webhooks/1", r#"{"disabled":true}"#, "webhook.changed 1"),
    ("POST /shops/{shop}/webhooks/{id}/secret", "/shops/acme/webhooks/1/secret", "{}", "webhook.secret 1"),
    ("POST /shops/{shop}/webhooks/{id}/retry", "/shops/acme/webhooks/1/retry", "{}", "webhook.retried 1"),
    ("DELETE /shops/{shop}/webhooks/{id}", "/shops/acme/webhooks/1", "", "webhook.removed 1"),
    ("POST /shops/{shop}/event-groups/{name}", "/shops/acme/event-groups/g", "{}", "event_group.added g"),
    ("DELETE /shops/{shop}/event-groups/{name}", "/shops/acme/event-groups/g", "", "event_group.removed g"),
    (
        "POST /conversations/{id}/messages",
        "/conversations/1/messages",
        r#"{"id":"k","as":"b1","content":{"kind":"text","text":"x"}}"#,
        "message.added 1/4",
    ),
    (
        "PATCH /conversations/{id}/messages/{seq}",
        "/conversations/1/messages/1",
        r#"{"content":{"kind":"text","text":"y"}}"#,
        "message.edited 1/1",
    ),
    ("DELETE /conversations/{id}/messages/{seq}", "/conversations/1/messages/2", "", "message.deleted 1/2"),
    ("DELETE /conversations/{id}/messages", "/conversations/1/messages?seq=3", "", "message.deleted 1/3"),
    (
        "POST /shops/{shop}/prepared/{ticket}/commit",
        "/shops/acme/prepared/00000000000000000000000000000001/commit",
        "",
        "message.committed 1/5",
    ),
    (
        "POST /shops/{shop}/prepared/{ticket}/abort",
        "/shops/acme/prepared/00000000000000000000000000000002/abort",
        "",
        "message.aborted 00000000000000000000000000000002",
    ),
    (
        "POST /shops/{shop}/check-back",
        "/shops/acme/check-back",
        r#"{"url":"https://93.184.215.14/check-back"}"#,
        "check_back.changed acme",
    ),
    ("DELETE /shops/{shop}/check-back", "/shops/acme/check-back", "", "check_back.removed acme"),
    (
        "POST /shops/{shop}/exports",
        "/shops/acme/exports",
        r#"{"format":"csv","what":"tickets"}"#,
        "export.created acme",
    ),
    ("POST /shops/{shop}/erase", "/shops/acme/erase", r#"{"uid":"b1"}"#, "person.erased b1"),
    ("DELETE /shops/{shop}/agents/{uid}", "/shops/acme/agents/op", "", "agent.removed op"),
];

async fn acts(rest: &Rest, query: &str) -> Vec<Value> {
    let page = rest.get(&format!("/shops/acme/audit{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

fn names(acts: &[Value]) -> Vec<String> {
    let text = |act: &Value, name: &str| act[name].as_str().unwrap().to_owned();
    acts.iter().map(|act| format!("{} {}", text(act, "what"), text(act, "subject"))).collect()
}

#[tokio::test]
async fn every_route_that_changes_something_is_everyday_or_audited() {
    let node = TestNode::start().await;
    let operator = node.operator().await;
    let document = node.anonymous().get("//api/openapi.json").await.expect(200);
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            let route = format!("{} {}", method.to_uppercase(), path.trim_start_matches("/api/v1"));
            let listed = EVERYDAY.contains(&&*route) || ADMINISTRATIVE.iter().any(|(known, ..)| *known == route);
            assert!(listed, "{route}: neither an everyday act nor shown to be audited");
        }
    }
    for (done, (route, path, body, told)) in ADMINISTRATIVE.iter().enumerate() {
        let method: Method = route.split_once(' ').unwrap().0.parse().unwrap();
        let request = operator.request(method, path).header("content-type", "application/json").body(*body);
        let answer = Answer::of(request).await;
        assert!(answer.status < 300, "{route}: {answer:?}");
        // Removing oneself ends one's token.
        let later = json!({"sub": "op", "iat": now() + 5, "exp": now() + 60});
        let operator = Rest::new(node.base(), Some(&shopbell_harness::sign(shopbell_harness::SECRET, &later)));
        let acts = acts(&operator, "?limit=100").await;
        assert_eq!((acts.len(), names(&acts)[0].as_str()), (done + 1, *told), "{route}");
        if done == 0 {
            for id in ["1", "2", "3"] {
                let content = json!({"kind": "text", "text": id});
                let message = json!({"id": id, "to": {"shop": "acme"}, "content": content});
                node.rest("b1").post("/messages", message).await.expect(201);
            }
            for id in ["1", "2"] {
                let content = json!({"kind": "text", "text": id});
                let message = json!({"id": id, "to": {"shop": "acme"}, "content": content});
                let prepared = node.rest("b1").post("/messages/prepare", message).await.expect(201);
                let was = prepared["ticket"].as_str().unwrap();
                Stored::of(&node).run(&format!("UPDATE prepared SET ticket = '{id:0>32}' WHERE ticket = '{was}'"));
            }
        }
    }
}

#[tokio::test]
async fn the_list_says_who_when_whence_and_what_was_before() {
    let node = TestNode::builder().set("http.trusted_proxies", "127.0.0.1").start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "a1", "agent").await;
    let owner = node.rest("owner");
    let change = owner.request(Method::PATCH, "/shops/acme/agents/a1").header("x-forwarded-for", "192.0.2.7");
    let body = json!({"role": "supervisor", "password": "not to be told"});
    Answer::of(change.json(&body)).await.expect(200);
    owner.patch("/shops/acme", json!({"hours": {"mon": [["09:00", "18:00"]]}})).await.expect(200);

    let all = acts(&owner, "").await;
    assert_eq!(
        names(&all),
        ["shop.changed acme", "agent.changed a1", "agent.added a1", "agent.added owner", "shop.created acme"]
    );
    let (shop, agent) = (&all[0], &all[1]);
    assert_eq!(agent["by"], json!({"uid": "owner", "name": "owner"}));
    assert_eq!((&agent["address"], &shop["address"]), (&json!("192.0.2.7"), &json!("127.0.0.1")));
    assert!(agent["at"].as_str().unwrap().ends_with('Z'), "{agent}");
    let before = json!({"name": "a1", "role": "agent", "capacity": null, "disabled": false});
    let after = json!({"name": "a1", "role": "supervisor", "capacity": null, "disabled": false, "password": "set"});
    assert_eq!((&agent["before"], &agent["after"]), (&before, &after));
    assert_eq!(
        (&shop["before"]["hours"], &shop["after"]["hours"]),
        (&json!({}), &json!({"mon": [["09:00", "18:00"]]}))
    );
    assert!(!json!(all).to_string().contains("not to be told"));
    // A refused act is none.
    owner.patch("/shops/acme", json!({"time_zone": "nowhere"})).await.refused(400, "invalid");
    assert_eq!(acts(&owner, "").await.len(), 5);

    for (query, found) in [
        ("?by=owner", 2),
        ("?by=op", 3),
        ("?by=nobody", 0),
        ("?what=agent.added", 2),
        ("?what=agent", 3),
        ("?what=age", 0),
        ("?from=2100-01-01T00:00:00Z", 0),
        ("?to=2100-01-01T00:00:00Z", 5),
        ("?to=2000-01-01T00:00:00Z", 0),
        ("?by=owner&what=shop", 1),
    ] {
        assert_eq!(acts(&owner, query).await.len(), found, "{query}");
    }
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let page = owner.get(&format!("/shops/acme/audit?limit=2{next}")).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(paged, all, "by pages as well");
    owner.get("/shops/acme/audit?from=yesterday").await.refused(400, "invalid");
}

#[tokio::test]
async fn the_list_is_the_admins_and_only_grows() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "boss", "supervisor").await;
    node.employ("bolt", "rival", "admin").await;
    node.rest("boss").get("/shops/acme/audit").await.refused(403, "forbidden");
    for uid in ["rival", "b1"] {
        let foreign = node.rest(uid).get("/shops/acme/audit").await.refused(404, "not_found");
        assert_eq!(foreign, node.rest(uid).get("/shops/nowhere/audit").await.refused(404, "not_found"));
    }
    assert_eq!(acts(&node.operator().await, "").await.len(), 3);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let refused = Answer::of(node.rest("owner").request(method.clone(), "/shops/acme/audit")).await;
        assert_eq!(refused.status, 405, "{method}");
    }
}
