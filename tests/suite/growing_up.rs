//! From SQLite to PostgreSQL: the same conversations go on.

use shopbell_harness::{TestNode, TestPostgres, json};

#[tokio::test]
async fn conversations_go_on_after_a_copy_to_postgresql() {
    let mut small = TestNode::builder().database("sqlite://own/shopbell.db").start().await;
    small.shop("acme").await;
    let mut a1 = small.agent("acme", "a1").await;
    let mut b1 = small.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.say(conversation, "hello").await;
    b1.hears("hello").await;
    let sent = json!({"id": "k1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "by key"}});
    let first = small.rest("b1").post("/messages", sent.clone()).await.expect(201);
    a1.hears("by key").await;
    b1.leave().await;
    a1.say(conversation, "while you were away").await;
    a1.leave().await;

    let url = TestPostgres::shared().fresh_database();
    let copy = ["copy-database", "--from", "sqlite://own/shopbell.db", "--to", &url];
    let refused = small.run(&copy);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("another server uses"), "{refused:?}");
    small.terminate();
    assert_eq!(small.ended().await, Some(0));
    let copied = small.run(&copy);
    assert_eq!(copied.code, Some(0), "{copied:?}");

    let large = small.sibling().database(&url).start().await;
    b1.come_back(large.base()).await;
    b1.hears("while you were away").await;
    let again = large.rest("b1").post("/messages", sent).await.expect(200);
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &json!(true)), "{again}");
    a1.come_back(large.base()).await;
    assert_eq!(b1.say("acme", "on PostgreSQL").await["seq"], 5);
    a1.hears("on PostgreSQL").await;
    assert_eq!(b1.texts(conversation).await, ["hi", "hello", "by key", "while you were away", "on PostgreSQL"]);
    let mut b2 = large.buyer("b2").await;
    assert_eq!(b2.opens("acme", "I am new").await, conversation + 1);
    let back = small.run(&["copy-database", "--from", &url, "--to", "sqlite://other/shopbell.db"]);
    assert!(back.stderr.contains("another server uses"), "{back:?}");
}
