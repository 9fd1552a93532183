//! Cursors of lists: where a page ends, opaque to clients.

use crate::domain::{
    ids::{ConversationId, Timestamp},
    refusal::Refusal,
};

/// Where a page of conversations ends: the last activity, and the conversation.
pub type Cursor = (Timestamp, ConversationId);

pub fn encode((at, id): Cursor) -> String {
    format!("{}.{}", at.0, id.0)
}

/// # Errors
/// `Invalid("cursor")` for what this server has not given out.
pub fn parse(cursor: Option<&str>) -> Result<Option<Cursor>, Refusal> {
    let read = |cursor: &str| {
        let (at, id) = cursor.split_once('.')?;
        let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse().ok()).flatten();
        Some((Timestamp(number(at)?), ConversationId(number(id)?)))
    };
    cursor.map(|cursor| read(cursor).ok_or(Refusal::invalid("cursor"))).transpose()
}
