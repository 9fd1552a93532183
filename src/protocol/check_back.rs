//! What a shop is asked when nobody has decided what becomes of a prepared message, and how it answers.

use serde::{Deserialize, Serialize};

use super::time::At;
use crate::domain::{ids::Timestamp, prepared::Verdict};

/// The body of the request. What was to be said is not in it: the shop knows it by its `id`.
#[derive(Serialize)]
pub struct Asking<'a> {
    version: u32,
    r#type: &'static str,
    ticket: &'a str,
    shop: &'a str,
    id: &'a str,
    from: &'a str,
    conversation: Option<i64>,
    at: At,
    asked: i32,
}

impl<'a> Asking<'a> {
    /// `id` is what its sender `from` calls it; `asked`: how often the shop has been asked, this time included.
    pub fn about(
        ticket: &'a str,
        shop: &'a str,
        id: &'a str,
        from: &'a str,
        conversation: Option<i64>,
        at: Timestamp,
        asked: i32,
    ) -> Asking<'a> {
        Asking { version: 1, r#type: "check_back", ticket, shop, id, from, conversation, at: At(at), asked }
    }
}

/// What an answer's body says; `None` for what says nothing.
pub fn verdict(body: &[u8]) -> Option<Verdict> {
    #[derive(Deserialize)]
    struct Answer {
        answer: String,
    }
    let Answer { answer } = serde_json::from_slice(body).ok()?;
    match answer.as_str() {
        "commit" => Some(Verdict::Commit),
        "abort" => Some(Verdict::Abort),
        "unknown" => Some(Verdict::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asking_has_one_form_and_an_answer_three() {
        let asking = Asking::about("5d41", "acme", "order-1", "b1", None, Timestamp(0), 2);
        assert_eq!(
            serde_json::to_string(&asking).unwrap(),
            r#"{"version":1,"type":"check_back","ticket":"5d41","shop":"acme","id":"order-1","from":"b1","conversation":null,"at":"1970-01-01T00:00:00.000Z","asked":2}"#
        );
        assert_eq!(verdict(br#"{"answer":"commit","more":1}"#), Some(Verdict::Commit));
        assert_eq!(verdict(br#"{"answer":"abort"}"#), Some(Verdict::Abort));
        assert_eq!(verdict(br#"{"answer":"unknown"}"#), Some(Verdict::Unknown));
        for nothing in ["", "commit", "{}", r#"{"answer":"Commit"}"#, r#"{"answer":true}"#, "[]"] {
            assert_eq!(verdict(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
