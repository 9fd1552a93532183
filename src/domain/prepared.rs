//! A message in two phases: prepared, seen by nobody, and then committed or aborted, as the transaction ends that it belongs to.

use std::{sync::Arc, time::Duration};

use super::{
    command::CLIENT_ID_MAX,
    content::Content,
    ids::{ConversationId, Seq, Timestamp, UserId},
    people::{Person, Shop},
};

/// So often a shop is asked what has become of a transaction.
pub const ASKED_MAX: u32 = 15;
/// The longest pause, in times of the first one.
const LONGEST: u32 = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided yet; after a while the shop is asked.
    Prepared,
    /// Nobody is asked any more: an admin of the shop decides.
    Parked,
    Committed,
    Aborted,
}

impl State {
    pub const ALL: [State; 4] = [State::Prepared, State::Parked, State::Committed, State::Aborted];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Prepared => "prepared",
            State::Parked => "parked",
            State::Committed => "committed",
            State::Aborted => "aborted",
        }
    }

    pub fn parse(s: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == s)
    }
}

/// Who decides what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// Whoever has prepared it.
    Sender,
    /// The shop, when it was asked.
    CheckBack,
    /// `address` is whence, for the audit log.
    Admin { by: UserId, address: Arc<str> },
    /// The erasure of the sender's data.
    Erasure,
    /// The shop keeps nothing for so long.
    Retention,
}

impl Decider {
    pub fn as_str(&self) -> &'static str {
        match self {
            Decider::Sender => "sender",
            Decider::CheckBack => "check_back",
            Decider::Admin { .. } => "admin",
            Decider::Erasure => "erasure",
            Decider::Retention => "retention",
        }
    }
}

/// What a shop says when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Commit,
    Abort,
    /// Its transaction has not ended yet.
    Unknown,
}

/// A message that is not one yet, or was one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub ticket: Arc<str>,
    pub shop: Arc<Shop>,
    pub sender: Arc<Person>,
    pub client_id: Arc<str>,
    /// `None`: the sender's conversation with the shop, which nobody had opened then.
    pub conversation: Option<ConversationId>,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Prepared or parked.
    Open(Content),
    Committed {
        conversation: ConversationId,
        seq: Seq,
        at: Timestamp,
    },
    Aborted,
}

/// Under which key a prepared message is stored: longer than any that a client may choose, and other than those of added messages, so that
/// nothing that is said meanwhile can be in its way.
pub fn key_of_prepared(shop: &Shop, id: &str) -> Arc<str> {
    // No shop's name has such signs.
    format!("={:=>CLIENT_ID_MAX$}/{id}", shop.shop).into()
}

/// How long after it was asked so often a shop is asked again; `None`: never. Pauses double, from `first` on.
pub fn pause(first: Duration, asked: u32) -> Option<Duration> {
    let times = 1_u32.checked_shl(asked.saturating_sub(1)).unwrap_or(LONGEST).min(LONGEST);
    (asked < ASKED_MAX).then_some(first * times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{command::key_of_added, ids::ShopId};

    #[test]
    fn pauses_grow_and_end() {
        let seconds: Vec<u64> =
            (1..).map_while(|asked| pause(Duration::from_secs(5), asked)).map(|p| p.as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600, 600]);
    }

    #[test]
    fn a_prepared_message_has_a_key_of_its_own() {
        let shop = |name: &str| Shop { id: ShopId(1), shop: name.into(), name: name.into() };
        let (long, longest) = ("x".repeat(63), "x".repeat(128));
        let mut keys = std::collections::HashSet::new();
        for name in ["a", "b", "a:b", &long, &longest] {
            for id in ["1", "a/1", "/", "=", "b/1", &"y".repeat(64)] {
                let key = key_of_prepared(&shop(name), id);
                assert!(key.chars().count() > CLIENT_ID_MAX, "{key}");
                assert!(keys.insert(key.clone()), "{key}");
                assert!(keys.insert(key_of_added(&shop(name), id)), "{key}");
            }
        }
    }
}
