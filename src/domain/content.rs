//! What a message says.

use std::sync::Arc;

/// The kinds of content a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Image,
    File,
    Product,
    Order,
}

/// A message's content, valid by construction: the protocol layer makes one only of what the contract allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The JSON object as it goes over the wire and into the store, in one canonical form.
    pub json: Arc<str>,
    /// The first 16 bytes of the SHA-256 of `json`: outlives the content, so that a repeated send is known for what it is.
    pub digest: [u8; 16],
}

/// What is shown in place of a message that its sender has taken back.
pub const RECALLED: &str = r#"{"kind":"recalled"}"#;
/// What is shown in place of a message that an admin has removed.
pub const DELETED: &str = r#"{"kind":"deleted"}"#;

/// The longest text, in characters after trimming.
pub const TEXT_MAX: usize = 4_000;
