//! What a client sends over the socket.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{content, fields::Fields};
use crate::domain::{
    command::{CLIENT_ID_MAX, Target},
    content::Content,
    ids::{ConversationId, Seq},
    people::Status,
    refusal::Refusal,
    signal::Signal,
};

/// The longest `id` of a frame, in characters.
pub const ID_MAX: usize = CLIENT_ID_MAX;
/// A page of the history or of the inbox, when the client does not say.
pub const PAGE: usize = 50;
/// The largest page of the history.
pub const PAGE_MAX: usize = 200;
/// The largest page of an inbox.
pub const INBOX_MAX: usize = 100;
const TOKEN_MAX: usize = 8_192;

/// Every type; what is not here is no frame.
pub const TYPES: [&str; 16] = [
    "login", "ping", "send", "ack", "read", "view", "typing", "page", "claim", "release", "resolve", "transfer",
    "recall", "status", "inbox", "history",
];

#[derive(Clone, Debug)]
pub enum Frame {
    Login { token: Box<str> },
    Ping,
    Send { client_id: Arc<str>, to: Target, content: Content },
    Ack { conversation: ConversationId, seq: Seq },
    Read { conversation: ConversationId, seq: Seq },
    View { conversation: ConversationId, on: bool },
    Signal { conversation: ConversationId, signal: Signal },
    Claim { conversation: ConversationId },
    Release { conversation: ConversationId },
    Resolve { conversation: ConversationId },
    Transfer { conversation: ConversationId, to: Arc<str> },
    Recall { conversation: ConversationId, seq: Seq },
    Status { shop: Arc<str>, status: Status },
    Inbox { shop: Option<Arc<str>>, state: InboxState, cursor: Option<Box<str>>, limit: usize },
    History { conversation: ConversationId, before: Option<Seq>, after: Option<Seq>, limit: usize },
}

/// Which conversations an inbox shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InboxState {
    Waiting,
    Claimed,
    Mine,
    Resolved,
    #[default]
    All,
}

impl InboxState {
    pub fn parse(s: &str) -> Option<InboxState> {
        Some(match s {
            "waiting" => InboxState::Waiting,
            "claimed" => InboxState::Claimed,
            "mine" => InboxState::Mine,
            "resolved" => InboxState::Resolved,
            "all" => InboxState::All,
            _ => return None,
        })
    }
}

/// A frame with the `id` under which it wants its reply.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub id: Option<Arc<str>>,
    pub frame: Frame,
}

/// A frame that is refused as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub id: Option<Arc<str>>,
    pub refusal: Refusal,
}

/// Reads one text message.
///
/// # Errors
/// `BadFrame` for what is no JSON object of a known type (nesting beyond 128 levels included), `Invalid` for its fields.
pub fn parse(text: &str) -> Result<Incoming, Rejected> {
    let rejected = |id, refusal| Rejected { id, refusal };
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| rejected(None, Refusal::BadFrame))?;
    let fields = Fields::new(&object);
    let id = fields.maybe_text("id", 1, ID_MAX).map(|id| id.map(Arc::<str>::from));
    let known = id.clone().ok().flatten();
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let frame = TYPES.contains(&kind).then(|| read(kind, fields, known.clone())).flatten();
    let Some(frame) = frame else { return Err(rejected(known, Refusal::BadFrame)) };
    let id = id.map_err(|refusal| rejected(None, refusal))?;
    let frame = frame.map_err(|refusal| rejected(known, refusal))?;
    Ok(Incoming { id, frame })
}

/// The frame of this type, `None` for an unknown type.
fn read(kind: &str, fields: Fields<'_>, id: Option<Arc<str>>) -> Option<Result<Frame, Refusal>> {
    let conversation = || fields.conversation();
    let read = || -> Result<Option<Frame>, Refusal> {
        Ok(Some(match kind {
            "login" => Frame::Login { token: fields.text("token", 1, TOKEN_MAX)?.into() },
            "ping" => Frame::Ping,
            "send" => Frame::Send {
                client_id: id.ok_or_else(|| fields.invalid("id"))?,
                to: target(fields)?,
                content: content::parse(fields)?,
            },
            "ack" => Frame::Ack { conversation: conversation()?, seq: fields.seq()? },
            "read" => Frame::Read { conversation: conversation()?, seq: fields.seq()? },
            "view" => Frame::View { conversation: conversation()?, on: fields.flag("on")? },
            "typing" => Frame::Signal { conversation: conversation()?, signal: Signal::Typing(fields.flag("on")?) },
            "page" => Frame::Signal { conversation: conversation()?, signal: page(fields)? },
            "claim" => Frame::Claim { conversation: conversation()? },
            "release" => Frame::Release { conversation: conversation()? },
            "resolve" => Frame::Resolve { conversation: conversation()? },
            "transfer" => Frame::Transfer { conversation: conversation()?, to: fields.name("to")?.into() },
            "recall" => Frame::Recall { conversation: conversation()?, seq: fields.integer("seq", 1, i64::MAX)? },
            "status" => {
                Frame::Status { shop: fields.name("shop")?.into(), status: fields.word("status", Status::parse)? }
            }
            "inbox" => Frame::Inbox {
                shop: fields.maybe_name("shop")?.map(Arc::from),
                state: fields.maybe_word("state", InboxState::parse)?.unwrap_or_default(),
                cursor: fields.maybe_text("cursor", 1, 256)?.map(Box::from),
                limit: limit(fields, PAGE, INBOX_MAX)?,
            },
            "history" => Frame::History {
                conversation: conversation()?,
                before: fields.maybe_integer("before", 0, i64::MAX)?,
                after: fields.maybe_integer("after", 0, i64::MAX)?,
                limit: limit(fields, PAGE, PAGE_MAX)?,
            },
            _ => return Ok(None),
        }))
    };
    read().transpose()
}

/// The page that a buyer looks at.
fn page(fields: Fields<'_>) -> Result<Signal, Refusal> {
    let url = content::required_url(fields, "url")?.into();
    Ok(Signal::Page { url, title: fields.maybe_text("title", 0, content::TITLE_MAX)?.map(Arc::from) })
}

fn limit(fields: Fields<'_>, default: usize, max: usize) -> Result<usize, Refusal> {
    Ok(fields.maybe_integer("limit", 1, max as i64)?.map_or(default, |n| n as usize))
}

/// `to` of a send: exactly one of `shop`, `user`, `conversation`.
///
/// # Errors
/// `Invalid` with `to` or the part of it that is wrong.
pub fn target(fields: Fields<'_>) -> Result<Target, Refusal> {
    let to = fields.object("to")?;
    match (to.get("shop"), to.get("user"), to.get("conversation")) {
        (Some(_), None, None) => to.name("shop").map(|name| Target::Shop(name.into())),
        (None, Some(_), None) => to.name("user").map(|uid| Target::User(uid.into())),
        (None, None, Some(_)) => to.conversation().map(Target::Conversation),
        _ => Err(fields.invalid("to")),
    }
}
