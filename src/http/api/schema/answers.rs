//! What is answered.

use serde::Serialize;
use utoipa::ToSchema;

/// A person as others see it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "name": "Alice", "avatar": null }))]
pub struct User {
    pub uid: String,
    pub name: String,
    #[schema(required)]
    pub avatar: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "name": "Alice" }))]
pub struct Name {
    pub uid: String,
    pub name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "expires_at": "2026-11-21T10:00:00.000Z",
    "user": { "uid": "alice", "name": "Alice", "avatar": null },
}))]
pub struct Granted {
    pub token: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
    pub user: User,
}

/// What an agent may do; each may do what those before it may.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Agent,
    Supervisor,
    Admin,
}

/// Whether an agent takes new conversations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Online,
    Away,
}

#[derive(Serialize, ToSchema)]
pub struct Membership {
    pub shop: String,
    pub name: String,
    pub role: Role,
    pub status: Status,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "user": { "uid": "alice", "name": "Alice", "avatar": null },
    "shops": [{ "shop": "acme", "name": "Acme", "role": "admin", "status": "online" }],
    "operator": false,
    "expires_at": "2026-11-21T10:00:00.000Z",
}))]
pub struct Me {
    pub user: User,
    /// Where this user is an agent.
    pub shops: Vec<Membership>,
    pub operator: bool,
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// What was said. URLs are `https:`, `http:` or `/files/…` of this server.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    Text {
        #[schema(min_length = 1, max_length = 4000)]
        text: String,
    },
    Image {
        url: String,
        width: Option<i64>,
        height: Option<i64>,
    },
    File {
        url: String,
        #[schema(max_length = 255)]
        name: String,
        size: i64,
    },
    Product {
        id: String,
        title: String,
        price: Option<String>,
        image: Option<String>,
        url: Option<String>,
    },
    Order {
        id: String,
        title: String,
        status: Option<String>,
        amount: Option<String>,
        url: Option<String>,
    },
    /// Stands in the place of what its sender has taken back.
    Recalled,
    /// Stands in the place of what was deleted.
    Deleted,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "conversation": 17, "seq": 1, "at": "2026-11-20T10:00:00.000Z", "duplicate": false }))]
pub struct Sent {
    pub conversation: i64,
    /// The message's place: 1, 2, 3 … without gaps.
    pub seq: i64,
    #[schema(format = DateTime)]
    pub at: String,
    pub duplicate: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Buyer,
    Agent,
    Bot,
    User,
}

#[derive(Serialize, ToSchema)]
pub struct Author {
    pub uid: String,
    pub name: String,
    pub role: Speaker,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "conversation": 17,
    "seq": 1,
    "shop": "acme",
    "from": { "uid": "b1", "name": "Mei", "role": "buyer" },
    "content": { "kind": "text", "text": "Hello" },
    "client_id": "c0ffee-1",
    "at": "2026-11-20T10:00:00.000Z",
    "delivered_at": "2026-11-20T10:00:00.120Z",
    "read_at": null,
    "edited_at": null,
}))]
pub struct Message {
    pub conversation: i64,
    pub seq: i64,
    /// `null` in a direct conversation.
    #[schema(required)]
    pub shop: Option<String>,
    pub from: Author,
    pub content: Content,
    pub client_id: String,
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(format = DateTime, required)]
    pub delivered_at: Option<String>,
    #[schema(format = DateTime, required)]
    pub read_at: Option<String>,
    #[schema(format = DateTime, required)]
    pub edited_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Messages {
    /// In the order of `seq`.
    pub items: Vec<Message>,
    /// Whether there are more beyond this page.
    pub more: bool,
}

#[derive(Serialize, ToSchema)]
pub struct LastMessage {
    pub seq: i64,
    pub from: Author,
    pub content: Content,
    #[schema(format = DateTime)]
    pub at: String,
}

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
#[schema(example = json!({ "unread": 0 }))]
pub struct Unread {
    pub unread: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "score": 5, "comment": "Quick and kind" }))]
pub struct Rating {
    #[schema(minimum = 1, maximum = 5)]
    pub score: i64,
    #[schema(max_length = 1000)]
    pub comment: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Image,
    File,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "url": "/files/0f1e2d3c4b5a69788796a5b4c3d2e1f0/cup.png",
    "kind": "image",
    "name": "cup.png",
    "size": 20480,
    "width": 640,
    "height": 480,
}))]
pub struct File {
    /// Whoever has it may read the file.
    pub url: String,
    pub kind: FileKind,
    pub name: String,
    pub size: i64,
    pub width: Option<i64>,
    pub height: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "shop": "acme",
    "name": "Acme",
    "origins": ["https://acme.example"],
    "created_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct Shop {
    pub shop: String,
    pub name: String,
    pub origins: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct Shops {
    pub items: Vec<Shop>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "bob", "name": "Bob", "role": "agent", "status": "online", "capacity": 5 }))]
pub struct Agent {
    pub uid: String,
    pub name: String,
    pub role: Role,
    pub status: Status,
    #[schema(required)]
    pub capacity: Option<i32>,
}

#[derive(Serialize, ToSchema)]
pub struct Agents {
    /// By `uid`.
    pub items: Vec<Agent>,
    #[schema(required)]
    pub next: Option<String>,
}

/// A round of service: from the buyer's first message to its resolution.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "conversation": 17,
    "number": 1,
    "buyer": { "uid": "b1", "name": "Mei" },
    "first_seq": 1,
    "last_seq": 6,
    "opened_at": "2026-11-20T10:00:00.000Z",
    "left_message": false,
    "claimed_at": "2026-11-20T10:00:05.000Z",
    "claimed_by": { "uid": "alice", "name": "Alice" },
    "answered_at": "2026-11-20T10:00:20.000Z",
    "answered_by": { "uid": "alice", "name": "Alice" },
    "resolved_at": "2026-11-20T10:04:00.000Z",
    "resolved_by": { "uid": "alice", "name": "Alice" },
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
    /// Nobody was on duty.
    pub left_message: bool,
    #[schema(format = DateTime, required)]
    pub claimed_at: Option<String>,
    /// Who claimed it first.
    #[schema(required)]
    pub claimed_by: Option<Name>,
    #[schema(format = DateTime, required)]
    pub answered_at: Option<String>,
    #[schema(required)]
    pub answered_by: Option<Name>,
    #[schema(format = DateTime, required)]
    pub resolved_at: Option<String>,
    #[schema(required)]
    pub resolved_by: Option<Name>,
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
}

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// What to read about it.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    pub message: String,
    /// With `invalid`: which field (`content.text`).
    pub field: Option<String>,
    /// With `already_claimed` and `not_claimant`.
    pub claimed_by: Option<Name>,
    /// With `rate_limited` and `unavailable`.
    pub retry_after_ms: Option<u64>,
}

/// The closed list of refusals, the same on the socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    BadFrame,
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    NotClaimed,
    AlreadyClaimed,
    NotClaimant,
    Conflict,
    TooLarge,
    RateLimited,
    Unavailable,
}
