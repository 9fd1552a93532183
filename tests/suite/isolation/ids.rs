//! What may be named, by kind, and lines with places for it.

use shopbell_harness::{Value, json};
use std::collections::BTreeMap;

/// Names and numbers of each kind: `shop`, `conversation`, `person` …
#[derive(Clone, Default)]
pub struct Ids(BTreeMap<&'static str, Vec<Value>>);

impl Ids {
    pub fn add(&mut self, kind: &'static str, ids: impl IntoIterator<Item = Value>) {
        self.0.entry(kind).or_default().extend(ids);
    }

    /// Adds this where there is none of the kind.
    pub fn or(&mut self, kind: &'static str, id: &Value) {
        let ids = self.0.entry(kind).or_default();
        if ids.is_empty() {
            ids.push(id.clone());
        }
    }

    pub fn of(&self, kind: &str) -> &[Value] {
        self.0.get(kind).map_or(&[], Vec::as_slice)
    }

    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &[Value])> {
        self.0.iter().map(|(kind, ids)| (*kind, ids.as_slice()))
    }
}

/// What looks like this and does not exist.
pub fn absent(id: &Value) -> Value {
    match id {
        Value::String(name) => json!("0".repeat(name.len())),
        _ => json!(4_000_000_000_u64),
    }
}

/// The kinds of a line's places, in their order.
pub fn places<'a>(line: &'a str, known: &Ids) -> Vec<&'a str> {
    let inner = line.match_indices('{').filter_map(|(at, _)| line[at + 1..].split_once('}').map(|(kind, _)| kind));
    inner.filter(|kind| !known.of(kind).is_empty()).collect()
}

/// The line with something in each of its places; a number in a string of its own stands for the string.
pub fn fill(line: &str, kinds: &[&str], ids: &[Value]) -> String {
    let mut line = line.to_owned();
    for (kind, id) in kinds.iter().zip(ids) {
        let (place, alone) = (format!("{{{kind}}}"), format!("\"{{{kind}}}\""));
        let plain = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let at = line.find(&place).expect("one of its places");
        line = match line.find(&alone) {
            Some(quoted) if quoted + 1 == at => line.replacen(&alone, &id.to_string(), 1),
            _ => line.replacen(&place, &plain, 1),
        };
    }
    line
}

#[test]
fn places_are_filled_in_their_order() {
    let mut known = Ids::default();
    known.add("shop", [json!("acme")]);
    known.add("conversation", [json!(7)]);
    let line = r#"POST /shops/{shop}/x {"to":{"conversation":"{conversation}"},"shop":"{shop}"}"#;
    let kinds = places(line, &known);
    assert_eq!(kinds, ["shop", "conversation", "shop"]);
    let filled = fill(line, &kinds, &[json!("a"), json!(8), json!("b")]);
    assert_eq!(filled, r#"POST /shops/a/x {"to":{"conversation":8},"shop":"b"}"#);
    assert_eq!((absent(&json!("acme")), absent(&json!(7))), (json!("0000"), json!(4_000_000_000_u64)));
}
