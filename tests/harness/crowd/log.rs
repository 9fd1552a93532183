//! What users write down, as `shopbell check-history` reads it.

use serde_json::{Value, json};

/// A message as the log has it.
pub fn message(frame: &Value) -> Value {
    let (from, text) = (&frame["from"], &frame["content"]["text"]);
    json!({"seq": frame["seq"], "from": from["uid"], "role": from["role"], "id": frame["client_id"], "text": text})
}

/// A summary as the log has it.
pub fn summary(told: &Value) -> Value {
    json!({
        "conversation": told["id"],
        "claim_version": told["claim_version"],
        "state": told["state"],
        "claimed_by": told["claimed_by"]["uid"],
        "last_seq": told["last_seq"],
    })
}

pub fn told_event(told: &Value) -> Value {
    let mut event = summary(told);
    event["event"] = json!("told");
    event
}
