//! What people read over REST: conversations, messages, reading, rating (the contract's section 4).

use super::scene::Scene;
use shopbell_harness::{Rest, TestNode, Value, json};
use std::collections::BTreeSet;

fn numbers(page: &Value, field: &str) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item[field].as_u64().unwrap()).collect()
}

async fn post(rest: &Rest, shop: &str, text: &str) -> u64 {
    let body = json!({"id": format!("{shop} {text}"), "to": {"shop": shop}, "content": {"kind": "text", "text": text}});
    rest.post("/messages", body).await.expect(201)["conversation"].as_u64().unwrap()
}

#[tokio::test]
async fn ones_conversations_by_pages_latest_activity_first() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let mut conversations = Vec::new();
    for n in 0..5 {
        let shop = node.shop(&format!("shop-{n}")).await;
        conversations.push(post(&b1, &shop, "hi").await);
    }
    post(&b1, "shop-1", "again").await;
    let latest_first = [1, 4, 3, 2, 0].map(|at: usize| conversations[at]);
    let all = b1.get("/conversations").await.expect(200);
    assert_eq!((numbers(&all, "id"), &all["next"]), (latest_first.to_vec(), &Value::Null));
    let mut seen = Vec::new();
    let mut path = "/conversations?limit=2".to_owned();
    loop {
        let page = b1.get(&path).await.expect(200);
        seen.extend(numbers(&page, "id"));
        match page["next"].as_str() {
            Some(cursor) => path = format!("/conversations?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, latest_first, "by pages, each once");
    let nobody = node.rest("b2").get("/conversations").await.expect(200);
    assert_eq!(nobody, json!({"items": [], "next": null}));
    for query in ["limit=x", "cursor=garbage!", "state=lost"] {
        b1.get(&format!("/conversations?{query}")).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn conversations_by_state_and_by_words() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let shop = node.shop("acme").await;
    let other = node.shop("bolt").await;
    node.employ("acme", "a1", "agent").await;
    let resolved = post(&b1, &shop, "where are my shoes").await;
    let waiting = post(&b1, &other, "do you sell hats").await;
    let a1 = node.rest("a1");
    for step in ["claim", "resolve"] {
        a1.post(&format!("/conversations/{resolved}/{step}"), json!({})).await.expect(200);
    }
    for (query, wanted) in [
        ("state=waiting", vec![waiting]),
        ("state=resolved", vec![resolved]),
        ("state=claimed", vec![]),
        ("state=all", vec![waiting, resolved]),
    ] {
        let page = b1.get(&format!("/conversations?{query}")).await.expect(200);
        assert_eq!(BTreeSet::from_iter(numbers(&page, "id")), BTreeSet::from_iter(wanted), "{query}");
    }
    let found = b1.get("/conversations?q=bolt").await.expect(200);
    assert!(!numbers(&found, "id").contains(&resolved), "{found}");
}

#[tokio::test]
async fn a_summary_carries_what_a_list_shows() {
    let scene = Scene::set(TestNode::builder()).await;
    let summary = scene.a1.summary(scene.conversation).await;
    for field in [
        "id",
        "kind",
        "shop",
        "buyer",
        "state",
        "claimed_by",
        "claim_version",
        "last_seq",
        "last_message",
        "unread",
        "waiting_since",
        "created_at",
        "updated_at",
    ] {
        assert!(summary.get(field).is_some(), "{field} in {summary}");
    }
    assert_eq!(summary["last_message"]["content"], json!({"kind": "text", "text": "hi"}));
    assert_eq!(summary["last_message"]["from"]["uid"], "b1");
    assert_eq!((&summary["kind"], &summary["shop"]), (&json!("support"), &json!("acme")));
}

#[tokio::test]
async fn pages_of_messages() {
    let node = TestNode::start().await;
    let shop = node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let b1 = node.rest("b1");
    let mut conversation = 0;
    for n in 1..=10 {
        conversation = post(&b1, &shop, &n.to_string()).await;
    }
    let path = format!("/conversations/{conversation}/messages");
    let rows: [(&str, Vec<u64>, bool); 7] = [
        ("", (1..=10).collect(), false),
        ("?limit=4", (7..=10).collect(), true),
        ("?before=7&limit=4", (3..=6).collect(), true),
        ("?before=3", vec![1, 2], false),
        ("?after=8", vec![9, 10], false),
        ("?after=0&limit=2", vec![1, 2], true),
        ("?after=10", vec![], false),
    ];
    for (query, wanted, more) in rows {
        for rest in [&b1, &node.rest("a1")] {
            let page = rest.get(&format!("{path}{query}")).await.expect(200);
            assert_eq!((&numbers(&page, "seq"), &page["more"]), (&wanted, &json!(more)), "{query}");
        }
    }
    for query in ["?limit=x", "?before=x", "?after=-1x"] {
        b1.get(&format!("{path}{query}")).await.refused(400, "invalid");
    }
    let one = b1.get(&format!("{path}/7")).await.expect(200);
    assert_eq!((&one["seq"], &one["content"]["text"]), (&json!(7), &json!("7")));
    b1.get(&format!("{path}/11")).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_page_may_be_marked_read() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let conversation = scene.conversation;
    for n in 2..=5 {
        scene.b1.say("acme", &n.to_string()).await;
    }
    assert_eq!(scene.a1.summary(conversation).await["unread"], 5);
    let path = format!("/conversations/{conversation}/messages?limit=2&mark_read=true");
    assert_eq!(numbers(&scene.a1.rest.get(&path).await.expect(200), "seq"), [4, 5]);
    scene.b1.expect(json!({"type": "read", "by": "a1", "seq": 5})).await;
    assert_eq!(scene.a1.summary(conversation).await["unread"], 0);
    // An agent who is not the claimant changes nothing by looking.
    scene.b1.say("acme", "6").await;
    scene.node.employ("acme", "a2", "agent").await;
    scene.node.rest("a2").get(&path).await.expect(200);
    assert_eq!(scene.a1.summary(conversation).await["unread"], 1);
}

#[tokio::test]
async fn the_buyer_rates_the_last_ticket() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let path = format!("/conversations/{}/rating", scene.conversation);
    scene.a1.resolve(scene.conversation).await;
    for score in [json!(0), json!(6), json!("5"), json!(2.5), Value::Null] {
        let problem = scene.b1.rest.post(&path, json!({"score": score})).await.refused(400, "invalid");
        assert_eq!(problem["field"], "score", "{score}");
    }
    let rated = scene.b1.rest.post(&path, json!({"score": 5, "comment": "quick!"})).await;
    assert!((200..300).contains(&rated.status), "{rated:?}");
    scene.a1.rest.post(&path, json!({"score": 5})).await.refused(403, "forbidden");
    scene.node.rest("b2").post(&path, json!({"score": 5})).await.refused(404, "not_found");
}

#[tokio::test]
async fn me_is_who_i_am() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let me = node.rest("a1").get("/me").await.expect(200).to_string();
    assert!(me.contains("\"a1\""), "{me}");
    assert!(!me.contains("\"password"), "{me}");
}
