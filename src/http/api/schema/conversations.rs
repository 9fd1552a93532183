//! Conversations, their claims and their ratings.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    messages::Content,
    people::{Author, Name, User},
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    Support,
    Direct,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Claimed,
    Resolved,
}

#[derive(Serialize, ToSchema)]
pub struct LastMessage {
    pub seq: i64,
    pub from: Author,
    pub content: Content,
    #[schema(format = DateTime)]
    pub at: String,
}

/// A conversation's summary, as the side of whoever asks sees it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 17,
    "kind": "support",
    "shop": "acme",
    "buyer": { "uid": "b1", "name": "Mei", "avatar": null },
    "state": "claimed",
    "claimed_by": { "uid": "alice", "name": "Alice" },
    "claim_version": 1,
    "last_seq": 1,
    "last_message": {
        "seq": 1,
        "from": { "uid": "b1", "name": "Mei", "role": "buyer" },
        "content": { "kind": "text", "text": "Hello" },
        "at": "2026-11-20T10:00:00.000Z",
    },
    "unread": 1,
    "waiting_since": null,
    "created_at": "2026-11-20T10:00:00.000Z",
    "updated_at": "2026-11-20T10:00:05.000Z",
}))]
pub struct Conversation {
    pub id: i64,
    pub kind: ConversationKind,
    /// `null` in a direct conversation.
    #[schema(required)]
    pub shop: Option<String>,
    /// Of kind `support`.
    pub buyer: Option<User>,
    /// Of kind `direct`: the other user.
    pub peer: Option<User>,
    /// `null` in a direct conversation.
    #[schema(required)]
    pub state: Option<State>,
    #[schema(required)]
    pub claimed_by: Option<Name>,
    /// Only a bot of the shop has had it so far; absent: no.
    pub with_bot: Option<bool>,
    /// Counts the changes of claim.
    pub claim_version: i64,
    pub last_seq: i64,
    #[schema(required)]
    pub last_message: Option<LastMessage>,
    pub unread: i64,
    #[schema(format = DateTime, required)]
    pub waiting_since: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct Conversations {
    /// The latest activity first.
    pub items: Vec<Conversation>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Opened,
    Claimed,
    Released,
    Transferred,
    Resolved,
    Reopened,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "at": "2026-11-20T10:00:05.000Z",
    "cause": "claimed",
    "by": { "uid": "alice", "name": "Alice" },
    "from": null,
    "to": { "uid": "alice", "name": "Alice" },
    "claim_version": 1,
    "ticket": 1,
}))]
pub struct Change {
    #[schema(format = DateTime)]
    pub at: String,
    pub cause: Cause,
    pub by: Name,
    /// The claimant before.
    #[schema(required)]
    pub from: Option<Name>,
    /// The claimant after.
    #[schema(required)]
    pub to: Option<Name>,
    pub claim_version: i64,
    pub ticket: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Timeline {
    /// The oldest first.
    pub items: Vec<Change>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "seq": 4 }))]
pub struct ReadUpTo {
    #[schema(minimum = 0)]
    pub seq: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "unread": 0 }))]
pub struct Unread {
    pub unread: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "to": "bob" }))]
pub struct Transfer {
    /// An agent of the shop, online or not.
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub to: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "score": 5, "comment": "Quick and kind" }))]
pub struct Rating {
    #[schema(minimum = 1, maximum = 5)]
    pub score: i64,
    #[schema(min_length = 1, max_length = 1000, pattern = "^[^\\x00]*$")]
    pub comment: Option<String>,
}
