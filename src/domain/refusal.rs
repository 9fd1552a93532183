//! Why something is refused. Each reason has one code on the wire and one HTTP status, in `protocol::code`.

use std::{borrow::Cow, sync::Arc};

use super::people::Person;

/// The closed list of refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a frame at all.
    BadFrame,
    /// A field is missing, wrong or too long; the path names it (`content.text`).
    Invalid(Cow<'static, str>),
    Unauthenticated,
    Forbidden,
    /// It does not exist, or whoever asks may not know that it does.
    NotFound,
    /// Only a claimant may do this, and nobody has claimed the conversation.
    NotClaimed,
    /// Somebody else was faster.
    AlreadyClaimed(Arc<Person>),
    /// Only the claimant may do this.
    NotClaimant(Arc<Person>),
    /// It contradicts what is stored.
    Conflict,
    /// What is asked for is not kept any more; what there is begins here.
    Gone {
        earliest: i64,
    },
    TooLarge,
    RateLimited {
        retry_after_ms: u64,
    },
    /// Nothing is wrong with the request: the same again, later.
    Unavailable {
        retry_after_ms: u64,
    },
}

impl Refusal {
    /// A wrong field with a fixed path.
    pub fn invalid(field: &'static str) -> Refusal {
        Refusal::Invalid(Cow::Borrowed(field))
    }

    /// What a client is told while the database or a queue is not available.
    pub const BUSY: Refusal = Refusal::Unavailable { retry_after_ms: 500 };
}
