//! Matching a frame against the part of it a story cares about.

use serde_json::Value;

/// True when everything in `wanted` is in `actual`: objects may have more keys, arrays and scalars must be equal.
///
/// `null` in `wanted` matches `null` and an absent key alike.
pub fn matches(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Object(actual), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| matches(actual.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(actual), Value::Array(wanted)) => {
            actual.len() == wanted.len() && actual.iter().zip(wanted).all(|(a, w)| matches(a, w))
        }
        _ => actual == wanted,
    }
}
