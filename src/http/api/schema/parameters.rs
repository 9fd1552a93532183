//! What parameters of one name are everywhere, and an example of each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::{
    event::Kind,
    ids::NAME_MAX,
    statistics::{period::Bucket, ticket::Event},
};

const NAME: &str = "^[A-Za-z0-9_.:@-]+$";

/// Types of events and groups of them, separated by commas.
fn types() -> String {
    let names = Kind::ALL.iter().map(|kind| kind.as_str());
    let groups = names.clone().filter_map(|name| name.split('.').next());
    let all: BTreeSet<&str> = names.chain(groups).collect();
    let one = all.into_iter().collect::<Vec<_>>().join("|").replace('.', "[.]");
    format!("^(({one})(,({one}))*)?$")
}

/// The JSON schema of a parameter of this name, in the path or the query, with an example in it; `None` for a name that has none.
pub fn of(name: &str, in_query: bool) -> Option<Value> {
    let named = |example: &str| json!({ "type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": NAME, "example": example });
    let number = |min: i64, example: i64| json!({ "type": "integer", "format": "int64", "minimum": min, "maximum": i64::MAX, "example": example });
    let time = |example: &str| json!({ "type": "string", "format": "date-time", "example": example });
    Some(match name {
        "shop" => named("acme"),
        "uid" | "agent" | "by" => named("bob"),
        "buyer" => named("b1"),
        "id" | "conversation" => number(1, 17),
        "seq" if in_query => {
            json!({ "type": "string", "pattern": "^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,99}$", "example": "1,2" })
        }
        "seq" => number(1, 1),
        "before" => number(0, 100),
        "after" => number(0, 0),
        "limit" => json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "example": 20 }),
        "from" => time("2026-11-01T00:00:00.000Z"),
        "to" => time("2026-12-01T00:00:00.000Z"),
        "q" => json!({ "type": "string", "maxLength": 100, "pattern": "^[^\\u0000]*$", "example": "mei" }),
        "text" => json!({ "type": "string", "maxLength": 100, "pattern": "^[^\\u0000]*$", "example": "发货" }),
        "state" => {
            json!({ "type": "string", "enum": ["waiting", "claimed", "mine", "resolved", "all"], "example": "waiting" })
        }
        "event" => {
            json!({ "type": "string", "enum": Event::ALL.map(Event::as_str), "example": "resolved" })
        }
        "bucket" => json!({ "type": "string", "enum": Bucket::ALL.map(Bucket::as_str), "example": "day" }),
        "score" => json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 5, "example": 5 }),
        "types" => {
            json!({ "type": "string", "maxLength": 500, "pattern": types(), "example": "message,conversation.claimed" })
        }
        "wait" => json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": 30, "example": 0 }),
        "Last-Event-ID" => json!({ "type": "string", "pattern": "^[0-9]{1,18}$", "example": "4711" }),
        "mark_read" | "count" | "left_message" | "outbound" | "by_bot" | "within_30s" => {
            json!({ "type": "boolean", "example": false })
        }
        "what" => json!({ "type": "string", "maxLength": 64, "pattern": "^[^\\u0000]*$", "example": "agent.changed" }),
        "ticket" => {
            json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "example": "5d41402abc4b2a76b9719d911017c592" })
        }
        "key" => {
            json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "example": "0f1e2d3c4b5a69788796a5b4c3d2e1f0" })
        }
        "name" => json!({ "type": "string", "minLength": 1, "maxLength": 255, "example": "cup.png" }),
        "If-None-Match" => json!({ "type": "string", "example": "\"5d41402abc4b2a76b9719d91\"" }),
        "Idempotency-Key" => {
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$", "example": "8e03978e-40d5-43dd-bc93-6894a57f9324" })
        }
        _ => return None,
    })
}
