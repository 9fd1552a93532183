//! What the server sends over the socket. Each function gives one frame as JSON text.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    code,
    time::At,
    view::{Card, Marks, Membership, MessageHead, Raw, RecordView, Summary},
};
use crate::domain::{
    command::{Message, Snapshot},
    conversation::Cause,
    cursor::Which,
    ids::{ConversationId, Seq, Timestamp},
    people::{Agent, Person, Shop, Status},
    refusal::Refusal,
};

/// What a client has to keep to, as `welcome` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub frame_bytes: usize,
    pub messages_per_second: u32,
    pub frames_per_second: u32,
    pub file_bytes: usize,
    pub text_characters: usize,
    pub window_messages: usize,
    pub window_bytes: usize,
    /// How long a sender may take a message back.
    pub recall_window_ms: u64,
}

/// How often the server pings, and how long it waits for a sign of life.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Heartbeat {
    pub interval_ms: u64,
    pub timeout_ms: u64,
}

/// About how long a `message` is without its content.
const AROUND_CONTENT: usize = 384;

#[derive(Serialize)]
struct Typed<'a, T> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    fields: T,
}

fn frame<T: Serialize>(kind: &'static str, id: Option<&str>, fields: T) -> String {
    encode(&Typed { r#type: kind, id, fields })
}

/// Everything that is sent is made of strings, numbers and maps with string keys, so encoding cannot fail; if it did, the client
/// would be told that something is unavailable.
fn encode(value: &impl Serialize) -> String {
    encode_into(Vec::new(), value)
}

/// The same, into memory that has room for it.
fn encode_into(mut memory: Vec<u8>, value: &impl Serialize) -> String {
    let written = serde_json::to_writer(&mut memory, value).ok();
    let text = written.and_then(|()| String::from_utf8(memory).ok());
    text.unwrap_or_else(|| r#"{"type":"error","code":"unavailable"}"#.into())
}

pub struct Welcome<'a> {
    pub user: &'a Person,
    pub shops: &'a [(std::sync::Arc<Shop>, Agent)],
    pub session: &'a str,
    pub heartbeat: Heartbeat,
    pub limits: &'a Limits,
    pub at: Timestamp,
    pub queued: usize,
}

pub fn welcome(id: Option<&str>, w: &Welcome<'_>) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        user: Card<'a>,
        shops: Vec<Membership<'a>>,
        session: &'a str,
        heartbeat: Heartbeat,
        limits: &'a Limits,
        at: At,
        queued: usize,
    }
    let shops = w.shops.iter().map(|(shop, agent)| Membership::of(shop, agent)).collect();
    let fields = Fields {
        user: Card::of(w.user),
        shops,
        session: w.session,
        heartbeat: w.heartbeat,
        limits: w.limits,
        at: At(w.at),
        queued: w.queued,
    };
    frame("welcome", id, fields)
}

pub fn message(message: &Message, redelivered: bool) -> String {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        #[serde(flatten)]
        message: MessageHead<'a>,
        redelivered: bool,
    }
    let frame = Frame { r#type: "message", message: MessageHead::of(message), redelivered };
    let mut text = encode_into(Vec::with_capacity(message.content.len() + AROUND_CONTENT), &frame);
    // The content is an object already: it comes last, and is not read again.
    text.pop();
    text.extend([r#","content":"#, &message.content, "}"]);
    text
}

pub fn flushed(count: usize) -> String {
    format!(r#"{{"type":"flushed","count":{count}}}"#)
}

pub fn conversation(cause: Cause, snapshot: &Snapshot, side: Which) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        cause: &'static str,
        conversation: Summary<'a>,
    }
    frame("conversation", None, Fields { cause: cause.as_str(), conversation: Summary { snapshot, side } })
}

/// Which cursor a receipt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    Delivered,
    Read,
}

pub fn receipt(kind: Receipt, conversation: ConversationId, by: &Person, seq: Seq) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversation: i64,
        by: &'a str,
        seq: Seq,
    }
    let name = match kind {
        Receipt::Delivered => "delivered",
        Receipt::Read => "read",
    };
    frame(name, None, Fields { conversation: conversation.0, by: &by.uid, seq })
}

pub fn typing(conversation: ConversationId, by: &Person, on: bool) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversation: i64,
        by: &'a str,
        on: bool,
    }
    frame("typing", None, Fields { conversation: conversation.0, by: &by.uid, on })
}

/// The page that a buyer looks at.
pub fn page(conversation: ConversationId, by: &Person, url: &str, title: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversation: i64,
        by: &'a str,
        url: &'a str,
        title: Option<&'a str>,
    }
    frame("page", None, Fields { conversation: conversation.0, by: &by.uid, url, title })
}

/// Of whom a presence is told.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    User(&'a Person),
    Shop(&'a Shop),
}

pub fn presence(whose: Whose<'_>, online: bool, status: Option<Status>, at: Timestamp) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        uid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        shop: Option<&'a str>,
        online: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
        at: At,
    }
    let (uid, shop) = match whose {
        Whose::User(person) => (Some(&*person.uid), None),
        Whose::Shop(shop) => (None, Some(&*shop.shop)),
    };
    frame("presence", None, Fields { uid, shop, online, status: status.map(Status::as_str), at: At(at) })
}

/// What has become of a message.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// It has this content now.
    Edited(&'a str),
    Recalled,
    Deleted,
}

pub fn changed(change: Change<'_>, conversation: ConversationId, seq: Seq, by: &Person, at: Timestamp) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversation: i64,
        seq: Seq,
        by: &'a str,
        at: At,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Raw<'a>>,
    }
    let (name, content) = match change {
        Change::Edited(content) => ("edited", Some(Raw(content))),
        Change::Recalled => ("recalled", None),
        Change::Deleted => ("deleted", None),
    };
    frame(name, None, Fields { conversation: conversation.0, seq, by: &by.uid, at: At(at), content })
}

/// Something a person should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    QueuePosition { conversation: ConversationId, position: usize },
    Away { conversation: ConversationId },
    TokenExpiring,
    Draining { reconnect_ms: u64 },
    Resync,
}

/// The languages notices are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    Chinese,
}

impl Language {
    /// The first of the two that an `Accept-Language` header (RFC 9110, section 12.5.4) names.
    pub fn accepted(header: &str) -> Language {
        header
            .split(',')
            .find_map(|tag| match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
                "zh" => Some(Language::Chinese),
                "en" => Some(Language::English),
                _ => None,
            })
            .unwrap_or_default()
    }
}

pub fn notice(notice: Notice, language: Language) -> String {
    use Language::{Chinese, English};
    let (code, text) = match (notice, language) {
        (Notice::QueuePosition { position, .. }, English) => {
            ("queue_position", format!("You are number {position} in the queue."))
        }
        (Notice::QueuePosition { position, .. }, Chinese) => ("queue_position", format!("您排在第 {position} 位。")),
        (Notice::Away { .. }, English) => {
            ("away", "Nobody is on duty now. Leave a message, and we will answer.".into())
        }
        (Notice::Away { .. }, Chinese) => ("away", "客服暂时不在线，请留言，我们会尽快回复。".into()),
        (Notice::TokenExpiring, English) => ("token_expiring", "Your login is about to expire.".into()),
        (Notice::TokenExpiring, Chinese) => ("token_expiring", "登录即将过期。".into()),
        (Notice::Draining { .. }, English) => ("draining", "The server restarts; reconnecting shortly.".into()),
        (Notice::Draining { .. }, Chinese) => ("draining", "服务器正在重启，即将重新连接。".into()),
        (Notice::Resync, English) => ("resync", "Refreshing the list of conversations.".into()),
        (Notice::Resync, Chinese) => ("resync", "正在刷新会话列表。".into()),
    };
    #[derive(Serialize)]
    struct Fields {
        code: &'static str,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reconnect_ms: Option<u64>,
    }
    let mut fields = Fields { code, text, conversation: None, position: None, reconnect_ms: None };
    match notice {
        Notice::QueuePosition { conversation, position } => {
            (fields.conversation, fields.position) = (Some(conversation.0), Some(position));
        }
        Notice::Away { conversation } => fields.conversation = Some(conversation.0),
        Notice::Draining { reconnect_ms } => fields.reconnect_ms = Some(reconnect_ms),
        Notice::TokenExpiring | Notice::Resync => {}
    }
    frame("notice", None, fields)
}

/// A bare `ok`.
pub fn ok(id: &str) -> String {
    frame("ok", Some(id), ())
}

pub fn sent(id: &str, conversation: ConversationId, seq: Seq, at: Timestamp, duplicate: bool) -> String {
    #[derive(Serialize)]
    struct Fields {
        conversation: i64,
        seq: Seq,
        at: At,
        duplicate: bool,
    }
    frame("ok", Some(id), Fields { conversation: conversation.0, seq, at: At(at), duplicate })
}

pub fn read_ok(id: &str, unread: i64) -> String {
    #[derive(Serialize)]
    struct Fields {
        unread: i64,
    }
    frame("ok", Some(id), Fields { unread })
}

pub fn conversation_ok(id: &str, snapshot: &Snapshot, side: Which) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversation: Summary<'a>,
    }
    frame("ok", Some(id), Fields { conversation: Summary { snapshot, side } })
}

pub fn inbox(id: &str, page: &[(Snapshot, Which)], next: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        conversations: Vec<Summary<'a>>,
        next: Option<&'a str>,
    }
    let conversations = page.iter().map(|(snapshot, side)| Summary { snapshot, side: *side }).collect();
    frame("ok", Some(id), Fields { conversations, next })
}

pub fn history(id: &str, page: &[(Message, Marks)], more: bool) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        messages: Vec<RecordView<'a>>,
        more: bool,
    }
    let messages = page.iter().map(|(message, marks)| RecordView::of(message, marks)).collect();
    frame("ok", Some(id), Fields { messages, more })
}

pub fn pong(id: &str, at: Timestamp) -> String {
    #[derive(Serialize)]
    struct Fields {
        at: At,
    }
    frame("pong", Some(id), Fields { at: At(at) })
}

pub fn error(id: Option<&str>, refusal: &Refusal) -> String {
    struct Error<'a>(Option<&'a str>, &'a Refusal);
    impl Serialize for Error<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("type", "error")?;
            if let Some(id) = self.0 {
                map.serialize_entry("id", id)?;
            }
            code::serialize_into(self.1, &mut map)?;
            map.end()
        }
    }
    encode(&Error(id, refusal))
}
