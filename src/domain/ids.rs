//! The names things go by: numbers inside, `uid`s and shop names outside.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A user's row; clients know the user by its `uid`.
    UserId
}
number! {
    /// A shop's row; clients know the shop by its name.
    ShopId
}
number! {
    /// A conversation, the same number inside and outside.
    ConversationId
}

number! {
    /// A process that serves, for as long as it runs: drawn at random at each start, so it is also the node's epoch.
    NodeId
}

/// A message's place in its conversation: 1, 2, 3 … without gaps. 0 stands before the first.
pub type Seq = i64;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to here, 0 if it is later.
    pub fn since(self, earlier: Timestamp) -> i64 {
        (self.0 - earlier.0).max(0)
    }

    /// Whole seconds since 1970, of which this is in the last.
    pub fn second(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

/// The longest `uid` or shop name, in characters (all of them ASCII).
pub const NAME_MAX: usize = 128;

/// Whether `s` may name a user or a shop: 1–128 characters of `A-Z a-z 0-9 _ . : @ -`.
pub fn is_name(s: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b);
    (1..=NAME_MAX).contains(&s.len()) && s.bytes().all(allowed)
}

/// What the `uid` of an anonymous visitor begins with; no platform may use it for its own buyers.
pub const VISITOR: &str = "visitor:";

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "visitor:9f", "Bob.B@shop-1_x", &"x".repeat(128)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "ü", "a/b", "a\n", &"x".repeat(129)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
