//! Conversations that other transactions have taken, again and again.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use crate::domain::ids::ConversationId;

/// So often a conversation is passed over before it is waited for: another transaction is soon over, and to be passed over costs one.
const PASSED_OVER: u32 = 1;
/// What has been waited for in vain is not waited for again for so long.
const KEPT: Duration = Duration::from_secs(1);
/// More than these and the memory starts anew.
const REMEMBERED: usize = 10_000;

/// How often the writer has found each of them taken.
#[derive(Debug, Default)]
pub struct Held(HashMap<ConversationId, Times>);

#[derive(Clone, Copy, Debug)]
struct Times {
    found: u32,
    kept_since: Option<Instant>,
}

impl Held {
    /// Those of `wanted` that must be waited for.
    pub fn awaited(&self, wanted: &BTreeSet<ConversationId>) -> Vec<ConversationId> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let is_due =
            |times: &Times| times.found >= PASSED_OVER && times.kept_since.is_none_or(|since| since.elapsed() > KEPT);
        wanted.iter().copied().filter(|id| self.0.get(id).is_some_and(is_due)).collect()
    }

    /// Notes that it is taken. True where it has been waited for: then nobody knows when it will be free.
    pub fn is_kept(&mut self, id: ConversationId) -> bool {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let times = self.0.entry(id).or_insert(Times { found: 0, kept_since: None });
        times.found += 1;
        let kept = times.found > PASSED_OVER;
        if kept && times.kept_since.is_none_or(|since| since.elapsed() > KEPT) {
            times.kept_since = Some(Instant::now());
        }
        kept
    }

    pub fn is_free(&mut self, id: ConversationId) {
        if !self.0.is_empty() {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_passed_over_then_awaited_and_then_given_up_for_a_while() {
        let (mut held, id) = (Held::default(), ConversationId(1));
        let wanted = BTreeSet::from([id, ConversationId(2)]);
        assert_eq!(held.awaited(&wanted), []);
        assert!(!held.is_kept(id));
        assert_eq!(held.awaited(&wanted), [id]);
        assert!(held.is_kept(id), "in vain");
        assert_eq!(held.awaited(&wanted), [], "not again so soon");
        assert!(held.is_kept(id));
        held.is_free(id);
        assert!(!held.is_kept(id), "from the beginning");
    }
}
