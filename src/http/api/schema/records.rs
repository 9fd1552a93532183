//! A shop's records.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::Name;

/// A round of service: from the buyer's first message to its resolution.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "conversation": 17,
    "number": 1,
    "buyer": { "uid": "b1", "name": "Mei" },
    "first_seq": 1,
    "last_seq": 6,
    "opened_at": "2026-11-20T10:00:00.000Z",
    "offered_at": "2026-11-20T10:00:00.000Z",
    "outbound": false,
    "left_message": false,
    "claimed_at": "2026-11-20T10:00:05.000Z",
    "claimed_by": { "uid": "alice", "name": "Alice" },
    "last_claimed_by": { "uid": "alice", "name": "Alice" },
    "answered_at": "2026-11-20T10:00:20.000Z",
    "answered_by": { "uid": "alice", "name": "Alice" },
    "resolved_at": "2026-11-20T10:04:00.000Z",
    "resolved_by": { "uid": "alice", "name": "Alice" },
    "rated_at": "2026-11-20T10:05:00.000Z",
    "score": 5,
    "comment": null,
}))]
pub struct Ticket {
    pub conversation: i64,
    pub number: i64,
    pub buyer: Name,
    pub first_seq: i64,
    #[schema(required)]
    pub last_seq: Option<i64>,
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// When it came before people: as it was opened, or as the bot that had it first let go of it; null while only a bot has had it.
    #[schema(format = DateTime, required)]
    pub offered_at: Option<String>,
    /// Opened by an agent, who has claimed a resolved conversation.
    pub outbound: bool,
    /// Nobody was on duty as it came before people.
    pub left_message: bool,
    #[schema(format = DateTime, required)]
    pub claimed_at: Option<String>,
    /// Who of the people claimed it first.
    #[schema(required)]
    pub claimed_by: Option<Name>,
    /// Who has the claim, or had it last.
    #[schema(required)]
    pub last_claimed_by: Option<Name>,
    #[schema(format = DateTime, required)]
    pub answered_at: Option<String>,
    #[schema(required)]
    pub answered_by: Option<Name>,
    #[schema(format = DateTime, required)]
    pub resolved_at: Option<String>,
    #[schema(required)]
    pub resolved_by: Option<Name>,
    #[schema(format = DateTime, required)]
    pub rated_at: Option<String>,
    #[schema(required)]
    pub score: Option<i16>,
    #[schema(required)]
    pub comment: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Tickets {
    /// The latest first.
    pub items: Vec<Ticket>,
    #[schema(required)]
    pub next: Option<String>,
    /// How many there are on all pages; with `count=true`.
    pub count: Option<i64>,
    /// How many messages of theirs are meant; with `count=true`, where messages are sought.
    pub messages: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "b1" }))]
pub struct Erase {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub uid: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    Running,
    Done,
}

/// How far an erasure is, and what it has removed.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "b1", "state": "done", "messages": 12, "files": 1, "comments": 0 }))]
pub struct Erasure {
    pub uid: String,
    pub state: ErasureState,
    pub messages: i64,
    pub files: i64,
    pub comments: i64,
}
