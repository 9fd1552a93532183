//! A conversation between bystanders, to be checked after somebody else has misbehaved.

use shopbell_harness::{NodeBuilder, Person, Session, TestNode, json};

/// Shop `acme`, where agent `a1` has claimed the conversation of buyer `b1`.
pub struct Scene {
    pub node: TestNode,
    pub a1: Person,
    pub b1: Person,
    pub conversation: u64,
    said: Vec<String>,
}

impl Scene {
    pub async fn set(builder: NodeBuilder) -> Self {
        let node = builder.start().await;
        node.shop("acme").await;
        let mut a1 = node.agent("acme", "a1").await;
        let mut b1 = node.buyer("b1").await;
        let conversation = b1.opens("acme", "hi").await;
        a1.hears("hi").await;
        a1.claim(conversation).await;
        Self { node, a1, b1, conversation, said: vec!["hi".into()] }
    }

    /// The bystanders talk on in both directions, and everything they ever said is in the record.
    pub async fn goes_on(&mut self, after: &str) {
        let (question, answer) = (format!("after {after}?"), format!("after {after}."));
        self.b1.say("acme", &question).await;
        self.a1.hears(&question).await;
        self.a1.say(self.conversation, &answer).await;
        self.b1.hears(&answer).await;
        self.said.extend([question, answer]);
        assert_eq!(self.b1.texts(self.conversation).await, self.said, "after {after}");
    }

    /// A connection that is logged in as `uid`, with nothing else known of it.
    pub async fn session(&self, uid: &str) -> Session {
        let mut session = Session::open(self.node.base()).await;
        let welcome = session.ask(json!({"type": "login", "token": self.node.token(uid)})).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        session.expect(json!({"type": "flushed"})).await;
        session
    }
}
