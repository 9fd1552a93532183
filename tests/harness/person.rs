//! A person: a uid, a token, and a session while connected.

use super::rest::Rest;
use super::session::Session;
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};

/// Somebody who talks. While connected, everything a [`Session`] can do, a person can.
pub struct Person {
    pub uid: String,
    pub token: String,
    pub rest: Rest,
    /// The last `welcome`.
    pub welcome: Value,
    base: String,
    session: Option<Session>,
}

/// Whom or what a message goes to.
pub enum To {
    Shop(String),
    User(String),
    Conversation(u64),
}

impl To {
    /// The `to` of a `send`.
    pub fn json(&self) -> Value {
        match self {
            Self::Shop(shop) => json!({ "shop": shop }),
            Self::User(uid) => json!({ "user": uid }),
            Self::Conversation(conversation) => json!({ "conversation": conversation }),
        }
    }
}

impl From<&str> for To {
    fn from(shop: &str) -> Self {
        Self::Shop(shop.into())
    }
}

impl From<&String> for To {
    fn from(shop: &String) -> Self {
        Self::Shop(shop.clone())
    }
}

impl From<u64> for To {
    fn from(conversation: u64) -> Self {
        Self::Conversation(conversation)
    }
}

impl Deref for Person {
    type Target = Session;
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("the person is connected")
    }
}

impl DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("the person is connected")
    }
}

impl Person {
    /// Connects and logs in, up to and with `flushed`, where no message waits; what does wait is kept to be asked for.
    pub async fn connect(base: &str, uid: &str, token: &str) -> Self {
        let rest = Rest::new(base, Some(token));
        let (uid, token, base) = (uid.into(), token.into(), base.into());
        let mut person = Self { uid, token, rest, welcome: Value::Null, base, session: None };
        person.arrive().await;
        if person.welcome["queued"] == 0 {
            person.expect(json!({"type": "flushed"})).await;
        }
        person
    }

    /// Connects again after `leave`, a kill or a restart, up to `welcome`. `base` moves with a restarted node.
    pub async fn come_back(&mut self, base: &str) {
        self.base = base.into();
        self.rest = Rest::new(base, Some(&self.token));
        self.arrive().await;
    }

    /// The same person on one more connection.
    pub async fn second_device(&self) -> Self {
        Self::connect(&self.base, &self.uid, &self.token).await
    }

    /// Closes the connection and waits until the server has closed it too.
    pub async fn leave(&mut self) {
        self.session.take().expect("the person is connected").close().await;
    }

    /// Drops the connection without a word, as a tunnel does.
    pub fn vanish(&mut self) {
        self.session = None;
    }

    async fn arrive(&mut self) {
        let mut session = Session::open(&self.base).await;
        self.welcome = session.ask(json!({"type": "login", "token": self.token})).await;
        assert_eq!(self.welcome["type"], "welcome", "{} is let in: {}", self.uid, self.welcome);
        self.session = Some(session);
    }

    /// Sends a text, which must be stored; gives the `ok`.
    pub async fn say(&mut self, to: impl Into<To>, text: &str) -> Value {
        let frame = saying(to, text);
        self.ok(frame).await
    }

    /// Sends a text that must be refused with `code`.
    pub async fn cannot_say(&mut self, to: impl Into<To>, text: &str, code: &str) -> Value {
        let frame = saying(to, text);
        self.refused(frame, code).await
    }

    /// Opens a conversation by a first text; gives its number.
    pub async fn opens(&mut self, to: impl Into<To>, text: &str) -> u64 {
        self.say(to, text).await["conversation"].as_u64().expect("a conversation")
    }

    /// The next message with this text arrives, and is acked.
    pub async fn hears(&mut self, text: &str) -> Value {
        let message = self.hears_unacked(text).await;
        self.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": message["seq"]})).await;
        message
    }

    /// The next message with this text arrives, and is left unacked.
    pub async fn hears_unacked(&mut self, text: &str) -> Value {
        self.expect(json!({"type": "message", "content": {"kind": "text", "text": text}})).await
    }

    /// The event `conversation` with this cause arrives; gives the summary.
    pub async fn sees(&mut self, conversation: u64, cause: &str) -> Value {
        let event = json!({"type": "conversation", "cause": cause, "conversation": {"id": conversation}});
        self.expect(event).await["conversation"].take()
    }

    /// Acks up to `seq`; must be `ok`.
    pub async fn acks(&mut self, conversation: u64, seq: u64) {
        self.ok(json!({"type": "ack", "conversation": conversation, "seq": seq})).await;
    }

    /// Reads up to `seq`; gives what is left unread.
    pub async fn reads(&mut self, conversation: u64, seq: u64) -> u64 {
        let reply = self.ok(json!({"type": "read", "conversation": conversation, "seq": seq})).await;
        reply["unread"].as_u64().expect("unread is a number")
    }

    /// `claim`; gives the summary.
    pub async fn claim(&mut self, conversation: u64) -> Value {
        self.changes("claim", conversation).await
    }

    /// `release`; gives the summary.
    pub async fn release(&mut self, conversation: u64) -> Value {
        self.changes("release", conversation).await
    }

    /// `resolve`; gives the summary.
    pub async fn resolve(&mut self, conversation: u64) -> Value {
        self.changes("resolve", conversation).await
    }

    /// `transfer`; gives the summary.
    pub async fn transfer(&mut self, conversation: u64, to: &str) -> Value {
        self.ok(json!({"type": "transfer", "conversation": conversation, "to": to})).await["conversation"].take()
    }

    /// The summary, by REST.
    pub async fn summary(&self, conversation: u64) -> Value {
        self.rest.get(&format!("/conversations/{conversation}")).await.expect(200)
    }

    /// Texts of the whole record, oldest first, by REST, page by page.
    pub async fn texts(&self, conversation: u64) -> Vec<String> {
        let mut texts = Vec::new();
        let mut after = json!(0);
        loop {
            let path = format!("/conversations/{conversation}/messages?limit=100&after={after}");
            let page = self.rest.get(&path).await.expect(200);
            let items = page["items"].as_array().expect("items");
            texts.extend(items.iter().map(|item| item["content"]["text"].as_str().unwrap_or_default().to_owned()));
            match (page["more"].as_bool(), items.last()) {
                (Some(true), Some(last)) => after = last["seq"].clone(),
                _ => return texts,
            }
        }
    }

    async fn changes(&mut self, command: &str, conversation: u64) -> Value {
        self.ok(json!({"type": command, "conversation": conversation})).await["conversation"].take()
    }
}

fn saying(to: impl Into<To>, text: &str) -> Value {
    json!({"type": "send", "to": to.into().json(), "content": {"kind": "text", "text": text}})
}
