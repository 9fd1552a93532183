//! What is said, and what was said.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::Author;

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
