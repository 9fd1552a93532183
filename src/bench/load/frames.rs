//! The frames of a run: written by hand, and of what comes only what is needed is read, without a tree.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a server says, as far as the load generator looks at it.
#[derive(Debug, Deserialize)]
pub struct Said<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub id: Option<&'a str>,
    /// A number, or a summary.
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(default)]
    pub seq: u32,
    pub client_id: Option<&'a str>,
    #[serde(default)]
    pub redelivered: bool,
    #[serde(default)]
    pub duplicate: bool,
    pub code: Option<&'a str>,
    pub retry_after_ms: Option<u64>,
}

impl Said<'_> {
    /// The number of the conversation it is about; 0 where none is named.
    pub fn conversation(&self) -> u64 {
        self.conversation.and_then(|raw| raw.get().parse().ok()).unwrap_or_default()
    }
}

/// A page of history.
#[derive(Debug, Deserialize)]
pub struct Page<'a> {
    #[serde(borrow)]
    pub messages: Vec<Entry<'a>>,
    pub more: bool,
}

#[derive(Debug, Deserialize)]
pub struct Entry<'a> {
    pub seq: u32,
    pub client_id: &'a str,
}

/// Which message of which talk a key is: `RANDOM.TALK.NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub talk: u32,
    pub number: u32,
}

impl Key {
    /// The talk and the number that an `id` names, if it is one of a run's.
    pub fn parse(id: &str) -> Option<Self> {
        let (_, rest) = id.split_once('.')?;
        let (talk, number) = rest.split_once('.')?;
        Some(Self { talk: talk.parse().ok()?, number: number.parse().ok()? })
    }

    /// As clients' keys are in no order, nor are these; the same key is always written the same.
    fn scattered(self) -> u32 {
        let mixed = (u64::from(self.talk) << 32 | u64::from(self.number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29) as u32
    }
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    Shop(&'a str),
    User(&'a str),
    Conversation(u64),
}

/// One buffer for all frames.
#[derive(Default)]
pub struct Pen(String);

// Writing into a string cannot fail.
impl Pen {
    pub fn send(&mut self, key: Key, to: To<'_>, text: &str) -> &str {
        let (random, Key { talk, number }) = (key.scattered(), key);
        self.0.clear();
        write!(self.0, r#"{{"type":"send","id":"{random:08x}.{talk}.{number}","to":"#).ok();
        match to {
            To::Shop(shop) => write!(self.0, r#"{{"shop":"{shop}"}}"#).ok(),
            To::User(uid) => write!(self.0, r#"{{"user":"{uid}"}}"#).ok(),
            To::Conversation(id) => write!(self.0, r#"{{"conversation":{id}}}"#).ok(),
        };
        write!(self.0, r#","content":{{"kind":"text","text":"{text}"}}}}"#).ok();
        &self.0
    }

    pub fn ack(&mut self, conversation: u64, seq: u32) -> &str {
        self.0.clear();
        write!(self.0, r#"{{"type":"ack","conversation":{conversation},"seq":{seq}}}"#).ok();
        &self.0
    }

    /// The reply has the talk's number as its `id`.
    pub fn claim(&mut self, talk: u32, conversation: u64) -> &str {
        self.0.clear();
        write!(self.0, r#"{{"type":"claim","id":"{talk}","conversation":{conversation}}}"#).ok();
        &self.0
    }

    /// The reply has the talk's number as its `id`.
    pub fn history(&mut self, talk: u32, conversation: u64, after: u32) -> &str {
        self.0.clear();
        write!(
            self.0,
            r#"{{"type":"history","id":"{talk}","conversation":{conversation},"after":{after},"limit":200}}"#
        )
        .ok();
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::{self, Frame};

    #[test]
    fn what_is_written_is_what_the_server_reads() {
        let mut pen = Pen::default();
        let key = Key { talk: 7, number: 4_000_000_000 };
        for to in [To::Shop("acme"), To::User("bob"), To::Conversation(17)] {
            let sent = frame::parse(pen.send(key, to, "hi")).unwrap();
            assert_eq!(sent.id.as_deref().and_then(Key::parse), Some(key));
            assert!(matches!(sent.frame, Frame::Send { .. }), "{sent:?}");
        }
        assert!(matches!(frame::parse(pen.ack(17, 3)).unwrap().frame, Frame::Ack { seq: 3, .. }));
        assert!(matches!(frame::parse(pen.claim(7, 17)).unwrap().frame, Frame::Claim { .. }));
        let history = frame::parse(pen.history(7, 17, 200)).unwrap();
        assert!(matches!(history.frame, Frame::History { after: Some(200), limit: 200, .. }));
        assert_eq!(Key::parse("hello"), None);
    }

    #[test]
    fn of_what_comes_only_what_is_needed_is_read() {
        let message = r#"{"type":"message","conversation":17,"seq":3,"shop":"acme","from":{"uid":"b"},
            "content":{"kind":"text","text":"\u4f60\n"},"client_id":"0.1.2","at":"now","redelivered":true}"#;
        let said: Said<'_> = serde_json::from_str(message).unwrap();
        assert_eq!((said.kind, said.conversation(), said.seq, said.redelivered), ("message", 17, 3, true));
        let event: Said<'_> =
            serde_json::from_str(r#"{"type":"conversation","conversation":{"id":17,"last_seq":2}}"#).unwrap();
        assert_eq!((event.conversation(), event.seq), (0, 0));
    }
}
