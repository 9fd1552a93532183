//! `shopbell seed`: a server on it answers as on any other.

use std::time::Duration;

use shopbell_harness::{TestNode, eventually_within, json};

#[tokio::test]
async fn a_seeded_shop_is_looked_at_and_goes_on() {
    let builder = TestNode::builder();
    let few = ["seed", "--shops", "2", "--conversations", "30", "--messages", "1000", "--agents-per-shop", "3"];
    let seeded = builder.run(&few);
    assert_eq!(seeded.code, Some(0), "{seeded:?}");
    assert!(seeded.stdout.contains("shopbell token --sub admin@shop-01"), "{seeded:?}");
    assert!(seeded.stderr.contains("100 %"), "{seeded:?}");
    let again = builder.run(&few);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("the database is not empty: it has users"), "{again:?}");

    let node = builder.start().await;
    let admin = node.rest("admin@shop-01");
    let inbox = admin.get("/shops/shop-01/conversations?limit=100").await.expect(200);
    let inbox = inbox["items"].as_array().unwrap();
    assert!(inbox.len() > 5, "{inbox:?}");
    for summary in inbox {
        let (id, last) = (&summary["id"], summary["last_seq"].as_u64().unwrap());
        let path = format!("/conversations/{id}/messages?limit=200&after={}", last.saturating_sub(200));
        let page = admin.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.last().unwrap()["seq"], last, "{summary}");
        assert_eq!(items.last().unwrap()["content"], summary["last_message"]["content"], "{summary}");
        let unread = items.iter().filter(|item| item["from"]["role"] == "buyer" && item["read_at"].is_null()).count();
        assert_eq!(summary["unread"], unread, "{summary}");
    }
    let buyer = inbox.iter().map(|summary| summary["buyer"]["uid"].as_str().unwrap()).next().unwrap();
    let body = json!({"id": "new", "to": {"shop": "shop-01"}, "content": {"kind": "text", "text": "and on it goes"}});
    let sent = node.rest(buyer).post("/messages", body).await.expect(201);
    let known = inbox.iter().find(|summary| summary["id"] == sent["conversation"]).expect("the same conversation");
    assert_eq!(sent["seq"], known["last_seq"].as_u64().unwrap() + 1);
}

#[tokio::test]
async fn operators_see_when_a_seeded_shop_is_indexed() {
    let builder = TestNode::builder();
    let few = ["seed", "--shops", "1", "--conversations", "100", "--messages", "3000", "--agents-per-shop", "3"];
    let seeded = builder.run(&few);
    assert_eq!(seeded.code, Some(0), "{seeded:?}");
    let node = builder.start().await;
    let admin = node.rest("admin@shop-01");
    // Made in the background, at the pace of the disk.
    eventually_within(Duration::from_secs(60), "the index is said to be complete", async || {
        String::from_utf8_lossy(&node.anonymous().get("//metrics").await.bytes).contains("search_backlog 0\n")
    })
    .await;
    // Then everything is found: of each conversation something that its buyer has said, the oldest ones too.
    for summary in admin.get("/shops/shop-01/conversations?limit=100").await.expect(200)["items"].as_array().unwrap() {
        let page = admin.get(&format!("/conversations/{}/messages?limit=50&after=0", summary["id"])).await.expect(200);
        let is_short = |text: &&str| (1..=30).contains(&text.chars().count());
        let of_buyer = page["items"].as_array().unwrap().iter().filter(|item| item["from"]["role"] == "buyer");
        let Some(text) = of_buyer.filter_map(|item| item["content"]["text"].as_str()).find(is_short) else { continue };
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let uid = summary["buyer"]["uid"].as_str().unwrap();
        let found = admin.get(&format!("/shops/shop-01/messages?q={encoded}&uid={uid}")).await.expect(200);
        assert!(!found["items"].as_array().unwrap().is_empty(), "{text} is not found");
    }
}
