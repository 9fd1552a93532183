//! Words as the databases are given them. No word has a sign that means something to either, so nothing that somebody has typed can be
//! more than a word.

use std::fmt::Write;

use crate::domain::{
    ids::{ConversationId, ShopId, UserId},
    search::Query,
};

/// What stands between two parts of a message: no query has it.
const GAP: &str = "·";

/// A shop's words: each begins with the shop's number.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub ShopId);

impl Words {
    fn word(self, word: &str) -> String {
        format!("{}·{word}", self.0)
    }

    /// Stands in every message of this sender.
    pub fn sender(self, user: UserId) -> String {
        format!("{}¶{user}", self.0)
    }

    /// Stands in every message of this conversation.
    pub fn conversation(self, conversation: ConversationId) -> String {
        format!("{}§{conversation}", self.0)
    }

    /// All words of a message's parts, in their order.
    pub fn all(self, parts: &[Vec<String>]) -> Vec<String> {
        let mut all = Vec::new();
        for part in parts {
            if !all.is_empty() {
                all.push(GAP.to_owned());
            }
            all.extend(part.iter().map(|word| self.word(word)));
        }
        all
    }
}

/// For FTS5: words between spaces.
pub fn spaced(words: &[String]) -> String {
    words.join(" ")
}

/// A `tsvector`: each word with its place.
pub fn vector(words: &[String]) -> String {
    let mut vector = String::new();
    for (place, word) in words.iter().enumerate() {
        _ = write!(vector, "{}:{} ", quoted(word), place + 1);
    }
    vector
}

/// What FTS5 is asked: all terms, each a phrase, and those words that have to be there as well.
pub fn fts5(words: Words, query: &Query, also: &[String]) -> String {
    let term = |term: &crate::domain::search::Term| {
        let phrase: Vec<String> = term.words.iter().map(|word| words.word(word)).collect();
        format!("\"{}\"{}", phrase.join(" "), if term.is_beginning { "*" } else { "" })
    };
    let also = also.iter().map(|word| format!("\"{word}\""));
    query.terms.iter().map(term).chain(also).collect::<Vec<_>>().join(" AND ")
}

/// The same as a `tsquery`.
pub fn tsquery(words: Words, query: &Query, also: &[String]) -> String {
    let term = |term: &crate::domain::search::Term| {
        let mut phrase: Vec<String> = term.words.iter().map(|word| quoted(&words.word(word))).collect();
        if let Some(last) = phrase.last_mut().filter(|_| term.is_beginning) {
            last.push_str(":*");
        }
        phrase.join(" <-> ")
    };
    let also = also.iter().map(|word| quoted(word));
    query.terms.iter().map(|t| format!("({})", term(t))).chain(also).collect::<Vec<_>>().join(" & ")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}
