//! Messages in two phases.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    messages::{Number, Said},
    people::{Name, Uid},
};

/// What has become of a message that was prepared.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "parked")]
pub enum Phase {
    /// Nobody has decided yet.
    Prepared,
    /// The shop has not decided, as often as it was asked: an admin does.
    Parked,
    Committed,
    Aborted,
}

/// Who has decided.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// Who has prepared it.
    Sender,
    /// The shop, when it was asked.
    CheckBack,
    Admin,
    /// Its sender's data were erased.
    Erasure,
    /// The shop keeps messages no longer.
    Retention,
}

/// Exactly one of the two.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrepareTo {
    /// The sender's own conversation with this shop, which is opened at the commit where there is none.
    Shop(Uid),
    /// One of a shop's.
    Conversation(Number),
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": "order-1042-paid", "to": { "shop": "acme" }, "content": { "kind": "text", "text": "It is paid" } }))]
pub struct Prepare {
    /// Names the message to its sender: the same again prepares nothing more.
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00]*$")]
    pub id: String,
    pub to: PrepareTo,
    pub content: Said,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ticket": "5d41402abc4b2a76b9719d911017c592",
    "state": "prepared",
    "at": "2026-11-20T10:00:00.000Z",
    "duplicate": false,
}))]
pub struct PreparedTicket {
    pub ticket: String,
    pub state: Phase,
    /// When it was prepared.
    #[schema(format = DateTime)]
    pub at: String,
    pub duplicate: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "ticket": "5d41402abc4b2a76b9719d911017c592" }))]
pub struct Decision {
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00]*$")]
    pub ticket: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ticket": "5d41402abc4b2a76b9719d911017c592",
    "id": "order-1042",
    "from": { "uid": "b1", "name": "Mei" },
    "state": "parked",
    "content": { "kind": "order", "id": "1042", "title": "A blue cup", "status": "paid" },
    "conversation": 17,
    "seq": null,
    "at": "2026-11-20T10:00:00.000Z",
    "asked": 15,
    "heard": "unknown",
    "due_at": null,
    "decided_at": null,
    "decided_by": null,
}))]
pub struct PreparedMessage {
    pub ticket: String,
    /// What its sender calls it.
    pub id: String,
    pub from: Name,
    pub state: Phase,
    /// `null` as soon as it is decided.
    #[schema(required)]
    pub content: Option<Said>,
    /// `null`: its sender's conversation with the shop, which nobody has opened yet.
    #[schema(required)]
    pub conversation: Option<i64>,
    /// Of the message that it has become.
    #[schema(required)]
    pub seq: Option<i64>,
    /// When it was prepared.
    #[schema(format = DateTime)]
    pub at: String,
    /// How often the shop was asked.
    pub asked: i32,
    /// What the last asking has come to: `unknown`, or why there was no answer.
    #[schema(required)]
    pub heard: Option<String>,
    /// When the shop is asked.
    #[schema(format = DateTime, required)]
    pub due_at: Option<String>,
    #[schema(format = DateTime, required)]
    pub decided_at: Option<String>,
    #[schema(required)]
    pub decided_by: Option<DecidedBy>,
}

#[derive(Serialize, ToSchema)]
pub struct PreparedMessages {
    pub items: Vec<PreparedMessage>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "url": "https://acme.example/shopbell/check-back" }))]
pub struct NewCheckBack {
    /// `https:` or `http:`, to a public address.
    #[schema(min_length = 1, max_length = 2048)]
    pub url: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "url": "https://acme.example/shopbell/check-back",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
}))]
pub struct CheckBackSecret {
    pub url: String,
    /// Signs what is asked, as Standard Webhooks has it. It is not shown again.
    pub secret: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "url": "https://acme.example/shopbell/check-back", "changed_at": "2026-11-20T10:00:00.000Z" }))]
pub struct CheckBack {
    pub url: String,
    #[schema(format = DateTime)]
    pub changed_at: String,
}
