//! Words as the databases are given them. No word has a sign that means something to either, so nothing that somebody has typed can be
//! more than a word.

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
        [&*self.beginning(), word].concat()
    }

    fn beginning(self) -> String {
        format!("{}·", self.0)
    }

    /// Stands in every message of this sender.
    pub fn sender(self, user: UserId) -> String {
        format!("{}¶{user}", self.0)
    }

    /// Stands in every message of this conversation.
    pub fn conversation(self, conversation: ConversationId) -> String {
        format!("{}§{conversation}", self.0)
    }
}

/// All words that a message is found by.
#[derive(Debug)]
pub struct Lexemes {
    beginning: String,
    parts: Vec<Vec<String>>,
    sender: String,
    conversation: String,
}

impl Lexemes {
    /// `parts` are the words of each part of the message. `None` where there are none.
    pub fn of(shop: ShopId, sender: UserId, conversation: ConversationId, parts: Vec<Vec<String>>) -> Option<Lexemes> {
        let words = Words(shop);
        let (sender, conversation) = (words.sender(sender), words.conversation(conversation));
        let is_empty = parts.iter().all(Vec::is_empty);
        (!is_empty).then(|| Lexemes { beginning: words.beginning(), parts, sender, conversation })
    }

    /// In their order, each in two pieces; no first piece begins with another.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let marks = [(&*self.sender, ""), (&*self.conversation, "")];
        let parts = self.parts.iter().enumerate().flat_map(|(n, part)| {
            let gap = (n > 0).then_some((GAP, ""));
            gap.into_iter().chain(part.iter().map(|word| (&*self.beginning, &**word)))
        });
        parts.chain(marks)
    }
}

/// For FTS5: words between spaces.
pub fn spaced(words: &Lexemes) -> String {
    words.all().flat_map(|(beginning, rest)| [beginning, rest, " "]).collect()
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
