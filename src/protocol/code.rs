//! The closed table of refusals: code, HTTP status and words for each, on the socket and over REST alike.

use serde::ser::SerializeMap;

use crate::domain::refusal::Refusal;

/// The row of the table for a refusal: code, HTTP status, what people read.
pub fn row(refusal: &Refusal) -> (&'static str, u16, &'static str) {
    match refusal {
        Refusal::BadFrame => ("bad_frame", 400, "not a JSON object of a known type"),
        Refusal::Invalid(_) => ("invalid", 400, "a field is missing, wrong or too long"),
        Refusal::Unauthenticated => ("unauthenticated", 401, "log in first, with a valid token"),
        Refusal::Forbidden => ("forbidden", 403, "this is not yours to do"),
        Refusal::NotFound => ("not_found", 404, "no such thing"),
        Refusal::NotClaimed => ("not_claimed", 409, "claim the conversation first"),
        Refusal::AlreadyClaimed(_) => ("already_claimed", 409, "another agent has claimed the conversation"),
        Refusal::NotClaimant(_) => ("not_claimant", 409, "another agent has claimed the conversation"),
        Refusal::Conflict => ("conflict", 409, "this contradicts what is stored"),
        Refusal::Gone { .. } => ("gone", 410, "this is not kept any more"),
        Refusal::TooLarge => ("too_large", 413, "too large"),
        Refusal::RateLimited { .. } => ("rate_limited", 429, "too fast: try again later"),
        Refusal::Unavailable { .. } => ("unavailable", 503, "not available at the moment: try the same again"),
    }
}

/// Writes `code`, `message` and what the code needs into a JSON object that is being made.
pub fn serialize_into<M: SerializeMap>(refusal: &Refusal, map: &mut M) -> Result<(), M::Error> {
    let (code, _, message) = row(refusal);
    map.serialize_entry("code", code)?;
    map.serialize_entry("message", message)?;
    match refusal {
        Refusal::Invalid(field) => map.serialize_entry("field", field),
        Refusal::AlreadyClaimed(agent) | Refusal::NotClaimant(agent) => {
            map.serialize_entry("claimed_by", &super::view::Name::of(agent))
        }
        Refusal::Gone { earliest } => map.serialize_entry("earliest", earliest),
        Refusal::RateLimited { retry_after_ms } | Refusal::Unavailable { retry_after_ms } => {
            map.serialize_entry("retry_after_ms", retry_after_ms)
        }
        _ => Ok(()),
    }
}
