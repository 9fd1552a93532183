//! `shopbell seed`: a server on it answers as on any other.

use shopbell_harness::{TestNode, json};

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
