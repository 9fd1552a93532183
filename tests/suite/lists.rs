//! What the stories of those who were away share: where the offline lists are, and what a flush must look like.

use shopbell_harness::{NodeBuilder, Person, TestNode, TestRedis, eventually, json};

/// Where the offline lists are.
pub struct Lists {
    pub redis: Option<TestRedis>,
    freezes: bool,
}

impl Lists {
    pub fn in_database() -> Self {
        Self { redis: None, freezes: false }
    }

    pub fn in_redis() -> Self {
        Self { redis: Some(TestRedis::start()), freezes: false }
    }

    /// Redis works while people are away, and is silent when they come back.
    pub fn in_redis_that_freezes() -> Self {
        Self { redis: Some(TestRedis::start()), freezes: true }
    }

    /// A node that keeps its lists there, before it starts.
    pub fn builder(&self) -> NodeBuilder {
        let builder = TestNode::builder();
        match &self.redis {
            Some(redis) => builder.redis(redis),
            None => builder,
        }
    }

    /// A running node that keeps its lists there.
    pub async fn node(&self) -> TestNode {
        self.builder().start().await
    }

    /// The moment before somebody comes back.
    pub fn before_login(&self) {
        if let (Some(redis), true) = (&self.redis, self.freezes) {
            redis.freeze();
        }
    }
}

/// The flush: `welcome` counted right, these texts in this order, `flushed`; everything is acked.
pub async fn flushes(person: &mut Person, texts: &[&str]) {
    assert_eq!(person.welcome["queued"], json!(texts.len()), "{}", person.welcome);
    let flushed = person.expect(json!({"type": "flushed"})).await;
    assert_eq!(flushed["count"], json!(texts.len()));
    let messages = person.heard(json!({"type": "message"}));
    let heard: Vec<&str> = messages.iter().map(|message| message["content"]["text"].as_str().unwrap()).collect();
    assert_eq!(heard, texts, "before `flushed`");
    for text in texts {
        let message = person.hears_unacked(text).await;
        let number = |key: &str| message[key].as_u64().expect("a number");
        // Answered when it is stored: an ack without an `id` may still be on its way when its sender leaves.
        person.acks(number("conversation"), number("seq")).await;
    }
    person.settle().await;
}

/// Shop `acme`; `a1` has claimed and both sides have acked everything.
pub async fn talking(node: &TestNode) -> (Person, Person, u64) {
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears_unacked("hi").await;
    a1.claim(conversation).await;
    a1.acks(conversation, 1).await;
    arrived(&b1, conversation, 1).await;
    (a1, b1, conversation)
}

/// Waits until the store knows that the message has arrived.
pub async fn arrived(reader: &Person, conversation: u64, seq: u64) {
    let path = format!("/conversations/{conversation}/messages/{seq}");
    let marked = async || reader.rest.get(&path).await.expect(200)["delivered_at"].is_string();
    eventually("the message is marked as delivered", marked).await;
}
