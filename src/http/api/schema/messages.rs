//! What is said, and what was said.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::{Author, Uid};

/// What is said. URLs are `https:`, `http:` or `/files/…` of this server.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    Text {
        #[schema(min_length = 1, max_length = 4000, pattern = "^[^\\x00]*[^\\s\\x00][^\\x00]*$")]
        text: String,
    },
    Image {
        url: Url,
        #[schema(minimum = 1, maximum = 100000)]
        width: Option<i64>,
        #[schema(minimum = 1, maximum = 100000)]
        height: Option<i64>,
    },
    File {
        url: Url,
        #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00]*$")]
        name: String,
        #[schema(minimum = 0)]
        size: i64,
    },
    Product {
        #[schema(min_length = 1, max_length = 128, pattern = "^[^\\x00]*$")]
        id: String,
        #[schema(min_length = 1, max_length = 500, pattern = "^[^\\x00]*$")]
        title: String,
        price: Option<Amount>,
        image: Option<Url>,
        url: Option<Url>,
    },
    Order {
        #[schema(min_length = 1, max_length = 128, pattern = "^[^\\x00]*$")]
        id: String,
        #[schema(min_length = 1, max_length = 500, pattern = "^[^\\x00]*$")]
        title: String,
        #[schema(min_length = 1, max_length = 128, pattern = "^[^\\x00]*$")]
        status: Option<String>,
        amount: Option<Amount>,
        url: Option<Url>,
    },
}

/// What stands in a message's place.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Gone {
    /// Its sender has taken it back.
    Recalled,
    Deleted,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    Said(Said),
    Gone(Gone),
}

/// An address without spaces and backslashes.
#[derive(Serialize, ToSchema)]
#[schema(
    max_length = 2048,
    pattern = r"^([Hh][Tt][Tt][Pp][Ss]?://[^/?#:@\\\s\x00-\x1f\x7f-\x9f][^\\\s\x00-\x1f\x7f-\x9f]*|/files/[^.\\\s\x00-\x1f\x7f-\x9f]*)$",
    example = "https://acme.example/cup.png"
)]
pub struct Url(String);

/// A sum as the shop writes it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Amount {
    Number(f64),
    Text(Sum),
}

#[derive(Serialize, ToSchema)]
#[schema(min_length = 1, max_length = 64, pattern = "^[\\x01-\\x7f]*$", example = "12.90 EUR")]
pub struct Sum(String);

/// A conversation's.
#[derive(Serialize, ToSchema)]
#[schema(minimum = 1, example = 17)]
pub struct Number(i64);

/// Exactly one of the three.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Opens the conversation with this shop where there is none.
    Shop(Uid),
    /// Opens the direct conversation with this user where there is none.
    User(Uid),
    Conversation(Number),
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": "c0ffee-1", "to": { "shop": "acme" }, "content": { "kind": "text", "text": "Hello" } }))]
pub struct Send {
    /// The idempotency key: the same again stores nothing twice.
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00]*$")]
    pub id: String,
    pub to: To,
    pub content: Said,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": "call-81", "as": "b1", "content": { "kind": "text", "text": "By telephone: wants it in blue" } }))]
pub struct Addition {
    /// The idempotency key: the same again stores nothing twice.
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00]*$")]
    pub id: String,
    /// The buyer, or an agent of the shop.
    #[serde(rename = "as")]
    pub member: Uid,
    pub content: Said,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "content": { "kind": "text", "text": "Hello, and welcome" } }))]
pub struct Edit {
    pub content: Said,
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
