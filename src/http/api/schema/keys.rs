//! API keys.

use serde::Serialize;
use utoipa::ToSchema;

/// What a key is good for.
#[derive(Serialize, ToSchema)]
pub enum Scope {
    /// `GET /shops/{shop}/events`, and what belongs to it.
    #[serde(rename = "events.read")]
    EventsRead,
    /// Sending messages, in one step or in two, and adding them on behalf of others.
    #[serde(rename = "messages.write")]
    MessagesWrite,
    /// All that an agent of the shop may do, over socket and REST, as its bot.
    #[serde(rename = "bot")]
    Bot,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 7,
    "name": "Warehouse",
    "scopes": ["events.read"],
    "uid": "ann",
    "hint": "x4Kd",
    "created_at": "2026-11-20T10:00:00.000Z",
    "used_at": "2026-11-20T12:00:00.000Z",
    "revoked_at": null,
}))]
pub struct Key {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Who acts with it: a bot, or the admin who has made it.
    pub uid: String,
    /// The key's last letters.
    pub hint: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// To the minute.
    #[schema(required, format = DateTime)]
    pub used_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub revoked_at: Option<String>,
    /// Only in the answer to its making.
    #[schema(format = Password)]
    pub key: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Keys {
    /// In the order of their making.
    pub items: Vec<Key>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "name": "Warehouse", "scopes": ["events.read", "messages.write"] }))]
pub struct NewKey {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: String,
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// With scope `bot`: the bot of the shop that acts with it. Not with others.
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub uid: Option<String>,
}
