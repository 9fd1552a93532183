//! What is found.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    messages::Content,
    people::{Author, Name},
};

/// A message that has the words.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "conversation": 17,
    "seq": 1,
    "shop": "acme",
    "from": { "uid": "b1", "name": "Mei", "role": "buyer" },
    "content": { "kind": "text", "text": "请问什么时候发货?" },
    "client_id": "c0ffee-1",
    "at": "2026-11-20T10:00:00.000Z",
    "delivered_at": "2026-11-20T10:00:00.120Z",
    "read_at": null,
    "edited_at": null,
    "buyer": { "uid": "b1", "name": "Mei" },
    "marks": { "text": [[6, 8]] },
}))]
pub struct Hit {
    pub conversation: i64,
    pub seq: i64,
    pub shop: String,
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
    pub buyer: Name,
    /// For each field of `content` that has some of the words: from which character (code point) to before which.
    pub marks: BTreeMap<String, Vec<(i64, i64)>>,
}

#[derive(Serialize, ToSchema)]
pub struct Hits {
    /// The newest first.
    pub items: Vec<Hit>,
    #[schema(required)]
    pub next: Option<String>,
}
