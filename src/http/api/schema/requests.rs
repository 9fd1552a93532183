//! What is sent.

use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Content, Role};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "password": "correct horse battery" }))]
pub struct Login {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub uid: String,
    #[schema(max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shop": "acme", "name": "Mei" }))]
pub struct Visit {
    pub shop: String,
    /// What agents see; made up where it is absent.
    #[schema(max_length = 128)]
    pub name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "old": "correct horse battery", "new": "staple staple staple" }))]
pub struct NewPassword {
    /// Needed where there is a password already.
    #[schema(format = Password)]
    pub old: Option<String>,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub new: String,
}

/// Exactly one of the three.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Opens the conversation with this shop where there is none.
    Shop(String),
    /// Opens the direct conversation with this user where there is none.
    User(String),
    Conversation(i64),
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": "c0ffee-1", "to": { "shop": "acme" }, "content": { "kind": "text", "text": "Hello" } }))]
pub struct Send {
    /// The idempotency key: the same again stores nothing twice.
    #[schema(min_length = 1, max_length = 64)]
    pub id: String,
    pub to: To,
    pub content: Content,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "seq": 4 }))]
pub struct ReadUpTo {
    #[schema(minimum = 0)]
    pub seq: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "to": "bob" }))]
pub struct Transfer {
    /// An agent of the shop, online or not.
    pub to: String,
}

#[derive(Serialize, ToSchema)]
pub struct Upload {
    /// PNG, JPEG, GIF, WebP, PDF, plain text or ZIP; the bytes decide which.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shop": "acme", "name": "Acme", "origins": ["https://acme.example"] }))]
pub struct NewShop {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub shop: String,
    #[schema(max_length = 128)]
    pub name: String,
    /// The origins whose pages may open sockets and call this API.
    #[schema(max_items = 50)]
    pub origins: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "origins": ["https://acme.example", "https://www.acme.example"] }))]
pub struct ShopChange {
    #[schema(max_length = 128)]
    pub name: Option<String>,
    #[schema(max_items = 50)]
    pub origins: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "bob", "name": "Bob", "role": "agent", "password": "correct horse battery" }))]
pub struct NewAgent {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub uid: String,
    /// Only for a user of the shop's own making.
    #[schema(max_length = 128)]
    pub name: Option<String>,
    pub role: Role,
    /// Only for a user of the shop's own making.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: Option<String>,
    /// How many conversations at a time.
    #[schema(minimum = 1, maximum = 1000)]
    pub capacity: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "role": "supervisor", "capacity": null }))]
pub struct AgentChange {
    pub role: Option<Role>,
    #[schema(max_length = 128)]
    pub name: Option<String>,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: Option<String>,
    /// `null` lifts the limit.
    #[schema(minimum = 1, maximum = 1000)]
    pub capacity: Option<i32>,
}
