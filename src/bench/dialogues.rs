//! A file of dialogues, read into what will be said. `replay` says it.

use std::sync::Arc;

use serde::Deserialize;

/// The longest text that a server takes, in characters.
const TEXT_MAX: usize = 4_000;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Buyer,
    Agent,
}

/// One conversation to be: the buyer speaks first.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialogue {
    pub id: String,
    pub turns: Vec<Turn>,
}

/// One message to be, trimmed as servers trim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub side: Side,
    pub text: Arc<str>,
}

/// What is in the file and cannot be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Turns of the agent before the buyer's first: there is no conversation yet.
    pub before_buyer: u64,
    /// Turns of nothing but spaces.
    pub empty: u64,
}

/// A line that is no dialogue.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    pub why: String,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    turns: Vec<(Side, String)>,
}

/// Reads a file's text: one JSON object a line, `{"id", "turns": [["buyer"|"agent", text], …]}`. Lines of nothing but
/// spaces are passed over, as are dialogues in which the buyer says nothing.
///
/// # Errors
/// [`BadLine`] for the first line of another form, or with a text that no server would take.
pub fn parse(file: &str) -> Result<(Vec<Dialogue>, Skipped), BadLine> {
    let mut skipped = Skipped::default();
    let mut dialogues = Vec::new();
    for (at, line) in file.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |why| BadLine { line: at + 1, why };
        let line: Line = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        let mut turns: Vec<Turn> = Vec::new();
        for (side, text) in line.turns {
            let text = text.trim();
            if text.is_empty() {
                skipped.empty += 1;
            } else if text.contains('\0') || text.chars().count() > TEXT_MAX {
                return Err(bad(format!("a turn must have at most {TEXT_MAX} characters, and no U+0000")));
            } else if turns.is_empty() && side == Side::Agent {
                skipped.before_buyer += 1;
            } else {
                turns.push(Turn { side, text: text.into() });
            }
        }
        if !turns.is_empty() {
            dialogues.push(Dialogue { id: line.id, turns });
        }
    }
    Ok((dialogues, skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buyer_begins_and_texts_are_trimmed() {
        let file = r#"{"id":"d1","lang":"en","turns":[["agent","Welcome!"],["buyer","  hi "],["agent"," "],["agent","你好"]]}

{"id":"d2","turns":[["agent","anybody?"]]}
"#;
        let (dialogues, skipped) = parse(file).unwrap();
        let turns =
            vec![Turn { side: Side::Buyer, text: "hi".into() }, Turn { side: Side::Agent, text: "你好".into() }];
        assert_eq!(dialogues, [Dialogue { id: "d1".into(), turns }]);
        assert_eq!(skipped, Skipped { before_buyer: 2, empty: 1 });
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in
            ["{", r#"{"id":"d"}"#, r#"{"id":"d","turns":[["bot","x"]]}"#, r#"{"id":"d","turns":[["buyer","\u0000"]]}"#]
        {
            assert_eq!(parse(&format!("\n{bad}")).unwrap_err().line, 2, "{bad}");
        }
        let long = format!(r#"{{"id":"d","turns":[["buyer","{}"]]}}"#, "好".repeat(4_001));
        assert!(parse(&long).unwrap_err().to_string().starts_with("line 1: a turn"));
    }
}
