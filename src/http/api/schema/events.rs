//! What happens in a shop, and groups of readers.

use serde::Serialize;
use utoipa::ToSchema;

/// What has happened. Which fields `data` has follows from `type`: `docs/events.md` lists them.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "version": 1,
    "id": "evt_acme_4711",
    "position": 4711,
    "type": "message.stored",
    "at": "2026-11-20T10:00:00.000Z",
    "shop": "acme",
    "by": { "uid": "b1", "name": "Mei" },
    "data": {
        "conversation": 17,
        "buyer": { "uid": "b1", "name": "Mei", "avatar": null },
        "message": {
            "conversation": 17,
            "seq": 1,
            "shop": "acme",
            "from": { "uid": "b1", "name": "Mei", "role": "buyer" },
            "content": { "kind": "text", "text": "Hello" },
            "client_id": "c0ffee-1",
            "at": "2026-11-20T10:00:00.000Z",
            "edited_at": null,
        },
    },
}))]
pub struct Event {
    /// Of this form: 1.
    pub version: i64,
    /// The same wherever and however often it is told.
    pub id: String,
    pub shop: String,
    /// Its place among the shop's events: 1, 2, 3 … without gaps.
    pub position: i64,
    pub r#type: EventType,
    #[schema(format = DateTime)]
    pub at: String,
    pub by: super::people::Name,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
pub enum EventType {
    #[serde(rename = "message.stored")]
    MessageStored,
    #[serde(rename = "message.edited")]
    MessageEdited,
    #[serde(rename = "message.recalled")]
    MessageRecalled,
    #[serde(rename = "message.deleted")]
    MessageDeleted,
    #[serde(rename = "conversation.opened")]
    ConversationOpened,
    #[serde(rename = "conversation.reopened")]
    ConversationReopened,
    #[serde(rename = "conversation.claimed")]
    ConversationClaimed,
    #[serde(rename = "conversation.released")]
    ConversationReleased,
    #[serde(rename = "conversation.transferred")]
    ConversationTransferred,
    #[serde(rename = "conversation.resolved")]
    ConversationResolved,
    #[serde(rename = "conversation.rated")]
    ConversationRated,
    #[serde(rename = "agent.on_duty")]
    AgentOnDuty,
    #[serde(rename = "agent.off_duty")]
    AgentOffDuty,
    #[serde(rename = "file.added")]
    FileAdded,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "items": [{
        "version": 1,
        "id": "evt_acme_4711",
        "position": 4711,
        "type": "agent.on_duty",
        "at": "2026-11-20T10:00:00.000Z",
        "shop": "acme",
        "by": { "uid": "bob", "name": "Bob" },
        "data": {},
    }],
    "position": 4711,
    "last": 4711,
}))]
pub struct Events {
    /// In their order.
    pub items: Vec<Event>,
    /// All up to here have been looked at: `after` of the next request.
    pub position: i64,
    /// The last position there is.
    pub last: i64,
}

/// Readers that share the work.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "name": "billing",
    "types": ["conversation.resolved"],
    "position": 4700,
    "given": 2,
    "held": 1,
    "last": 4711,
    "created_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct EventGroup {
    pub name: String,
    /// None: all types.
    pub types: Vec<EventType>,
    /// All up to here is done.
    pub position: i64,
    /// How many events have been taken and not acknowledged …
    pub given: i64,
    /// … and how many of these somebody has now.
    pub held: i64,
    /// The last position there is.
    pub last: i64,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct EventGroups {
    /// By name.
    pub items: Vec<EventGroup>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "types": "conversation.resolved,conversation.rated" }))]
pub struct EventGroupChange {
    /// Goes on behind this position.
    #[schema(minimum = 0)]
    pub after: Option<i64>,
    /// Types, or groups of them, separated by commas; empty: all.
    #[schema(
        max_length = 500,
        pattern = "^((agent|agent[.]off_duty|agent[.]on_duty|conversation|conversation[.]claimed|conversation[.]opened|conversation[.]rated|conversation[.]released|conversation[.]reopened|conversation[.]resolved|conversation[.]transferred|file|file[.]added|message|message[.]deleted|message[.]edited|message[.]recalled|message[.]stored)(,(agent|agent[.]off_duty|agent[.]on_duty|conversation|conversation[.]claimed|conversation[.]opened|conversation[.]rated|conversation[.]released|conversation[.]reopened|conversation[.]resolved|conversation[.]transferred|file|file[.]added|message|message[.]deleted|message[.]edited|message[.]recalled|message[.]stored))*)?$"
    )]
    pub types: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "limit": 10, "visibility": 30, "wait": 0 }))]
pub struct EventsWanted {
    /// How many; 20 where it is absent.
    #[schema(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
    /// For how many seconds nobody else is given them; 30 where it is absent.
    #[schema(minimum = 1, maximum = 43200)]
    pub visibility: Option<i64>,
    /// How long to wait for an event, in seconds.
    #[schema(minimum = 0, maximum = 30)]
    pub wait: Option<i64>,
}

/// An event, and how often it has been given.
#[derive(Serialize, ToSchema)]
pub struct TakenEvent {
    #[serde(flatten)]
    pub event: Event,
    pub attempts: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "items": [{
        "version": 1,
        "id": "evt_acme_4711",
        "position": 4711,
        "type": "agent.on_duty",
        "at": "2026-11-20T10:00:00.000Z",
        "shop": "acme",
        "by": { "uid": "bob", "name": "Bob" },
        "data": {},
        "attempts": 1,
    }],
    "until": "2026-11-20T10:00:30.000Z",
}))]
pub struct EventsTaken {
    /// In their order.
    pub items: Vec<TakenEvent>,
    /// Until then nobody else is given them.
    #[schema(format = DateTime)]
    pub until: String,
}

#[derive(Serialize, ToSchema)]
#[schema(minimum = 1, example = 4711)]
pub struct EventPosition(i64);

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "positions": [4711] }))]
pub struct EventsDone {
    #[schema(value_type = Vec<EventPosition>, min_items = 1, max_items = 100)]
    pub positions: Vec<EventPosition>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "acked": 1 }))]
pub struct EventsAcked {
    pub acked: i64,
}
