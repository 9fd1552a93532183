//! What a client writes down: JSON, one event a line.
//!
//! `{"at":1500,"session":"b1/3","event":"sent","id":"m7","to":{"conversation":17},"text":"hi"}`
//!
//! `at` is in microseconds by one clock that never goes back, the same for all lines of a run. A session has a name of its own; its
//! first line is `open`.

use std::{
    io::{self, BufRead},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub at: u64,
    pub session: Arc<str>,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It is logged in.
    Open { user: Arc<str>, node: Arc<str> },
    /// Its connection has ended, in whatever way.
    Close,
    /// The run is over; the session had time to be given all it should, to its last moment.
    End,
    /// A `send` is about to leave, for the first time or again.
    Sent { id: Arc<str>, to: To, text: Arc<str> },
    /// `ok` to a `send`.
    Acked { id: Arc<str>, conversation: u64, seq: u64, duplicate: bool },
    /// `error` to a `send` or to a deed.
    Refused {
        id: Arc<str>,
        code: Arc<str>,
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// A `message`.
    Received {
        conversation: u64,
        #[serde(flatten)]
        message: Message,
        redelivered: bool,
    },
    /// A `claim`, `release`, `resolve` or `transfer` is about to leave.
    Asked { id: Arc<str>, deed: Deed, conversation: u64 },
    /// `ok` to it.
    Agreed {
        id: Arc<str>,
        #[serde(flatten)]
        summary: Summary,
    },
    /// A summary, from an event, an inbox or elsewhere.
    Told {
        #[serde(flatten)]
        summary: Summary,
    },
    /// The whole history, as the session's node tells it.
    Record { conversation: u64, messages: Vec<Message> },
}

/// Where a `send` goes: the `to` of the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    Shop(Arc<str>),
    User(Arc<str>),
    Conversation(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Claim,
    Release,
    Resolve,
    Transfer,
}

/// A message as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub seq: u64,
    pub from: Arc<str>,
    /// `buyer`, `agent`, `bot` or `user`.
    pub role: Arc<str>,
    /// The sender's `id`.
    pub id: Arc<str>,
    pub text: Arc<str>,
}

/// What a conversation's summary says of its claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub conversation: u64,
    pub claim_version: u64,
    /// Null for direct conversations.
    pub state: Option<Arc<str>>,
    pub claimed_by: Option<Arc<str>>,
    pub last_seq: u64,
}

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadLog {
    #[error("line {number}: {why}")]
    Line { number: usize, why: serde_json::Error },
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads a log; empty lines are none.
///
/// # Errors
/// [`BadLog`], at the first line that is no event.
pub fn read(source: impl BufRead) -> Result<Vec<Line>, BadLog> {
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(source.lines()) {
        let text = text?;
        if !text.trim().is_empty() {
            lines.push(serde_json::from_str(&text).map_err(|why| BadLog::Line { number, why })?);
        }
    }
    Ok(lines)
}
