//! Why a request is refused.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::Name;

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// What to read about it.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    pub message: String,
    /// With `invalid`: which field (`content.text`).
    pub field: Option<String>,
    /// With `already_claimed` and `not_claimant`.
    pub claimed_by: Option<Name>,
    /// With `gone`: the first position that is kept.
    pub earliest: Option<i64>,
    /// With `rate_limited` and `unavailable`.
    pub retry_after_ms: Option<u64>,
}

/// The closed list of refusals, the same on the socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    BadFrame,
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    NotClaimed,
    AlreadyClaimed,
    NotClaimant,
    Conflict,
    Gone,
    TooLarge,
    RateLimited,
    Unavailable,
}
