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

/// Whether this stands in the place of what has been taken away.
pub fn is_tombstone(json: &str) -> bool {
    json == RECALLED || json == DELETED
}

/// What the URL of an uploaded file begins with; its key follows.
const FILES: &str = "\"/files/";
/// Hexadecimal digits of a file's key.
const KEY: usize = 32;

/// The keys of this server's files that a content shows.
pub fn files_in(json: &str) -> impl Iterator<Item = &str> {
    let is_key = |key: &&str| key.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    json.split(FILES).skip(1).filter_map(|rest| rest.get(..KEY)).filter(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_whatever_shows_them() {
        let (one, two) = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100");
        let image = format!(r#"{{"kind":"image","url":"/files/{one}/a.png","width":1}}"#);
        assert_eq!(files_in(&image).collect::<Vec<_>>(), [one]);
        let product = format!(r#"{{"kind":"product","id":"1","image":"/files/{one}/a.png","url":"/files/{two}/b"}}"#);
        assert_eq!(files_in(&product).collect::<Vec<_>>(), [one, two]);
        for none in
            [r#"{"kind":"text","text":"see \"/files/x\""}"#, r#"{"kind":"image","url":"/files/短/a.png"}"#, DELETED]
        {
            assert_eq!(files_in(none).count(), 0, "{none}");
        }
    }
}
