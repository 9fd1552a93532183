//! Who was the claimant of a conversation, and for which of its messages: from all summaries that anybody was told.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use super::{
    log::Summary,
    verdict::{Fault, Verdict},
};

/// What is known of one `claim_version`: every message up to `least` was stored under it or before, every one above `most` under it or later.
#[derive(Clone, Debug)]
struct Reign {
    claimant: Option<Arc<str>>,
    least: u64,
    most: u64,
    /// How many messages there were when it began, where that is known.
    began: Option<u64>,
}

/// The claims of one conversation, by `claim_version`; some may be unknown.
#[derive(Debug)]
pub(super) struct Claims {
    reigns: BTreeMap<u64, Reign>,
}

impl Claims {
    /// From summaries in any order, each with whether its version began just then. Contradictions go to the verdict.
    pub fn gather<'a>(summaries: impl Iterator<Item = (&'a Summary, bool)>, verdict: &mut Verdict) -> Self {
        // Before the first claim there is no claimant, and before the first message there is nothing.
        let mut reigns = BTreeMap::from([(0, Reign { claimant: None, least: 0, most: 0, began: None })]);
        for (Summary { conversation, claim_version, claimed_by, last_seq, .. }, began) in summaries {
            let fresh = Reign { claimant: claimed_by.clone(), least: *last_seq, most: *last_seq, began: None };
            let reign = reigns.entry(*claim_version).or_insert(fresh);
            reign.least = reign.least.min(*last_seq);
            reign.most = reign.most.max(*last_seq);
            reign.began = reign.began.or(began.then_some(*last_seq));
            if reign.claimant != *claimed_by {
                let name = |claimant: &Option<Arc<str>>| claimant.clone().unwrap_or_else(|| "nobody".into());
                verdict.found(Fault::TwoClaimants, || {
                    let (one, other) = (name(&reign.claimant), name(claimed_by));
                    format!("conversation {conversation}: version {claim_version} is {one}'s and {other}'s")
                });
            }
        }
        Self { reigns }
    }

    /// Where `last_seq` falls while the version rises, the views differ.
    pub fn judge(&self, conversation: u64, verdict: &mut Verdict) {
        let (earlier, later) = (self.reigns.iter(), self.reigns.iter().skip(1));
        for ((before, one), (after, other)) in
            earlier.zip(later).filter(|((_, one), (_, other))| one.most > other.least)
        {
            verdict.found(Fault::View, || {
                let (most, least) = (one.most, other.least);
                format!(
                    "conversation {conversation}: version {before} was seen with last_seq {most}, version {after} with {least}"
                )
            });
        }
    }

    /// The versions under which the message with this seq can have been stored.
    fn span(&self, seq: u64) -> RangeInclusive<u64> {
        let first = self.reigns.iter().rev().find(|(_, reign)| reign.least < seq).map_or(0, |(version, _)| *version);
        let upto = |(version, reign): (&u64, &Reign)| match reign.began {
            Some(began) if began >= seq => Some(version.saturating_sub(1)),
            _ => (reign.most >= seq).then_some(*version),
        };
        let last = self.reigns.iter().find_map(upto).unwrap_or(self.last());
        first..=last.max(first)
    }

    /// The highest version that anybody was told.
    pub fn last(&self) -> u64 {
        self.reigns.keys().next_back().copied().unwrap_or_default()
    }

    /// Who has the claim under the highest version.
    pub fn last_claimant(&self) -> Option<&Arc<str>> {
        self.reigns.values().next_back()?.claimant.as_ref()
    }

    /// Whether `user` can have been the claimant when the message with this seq was stored.
    pub fn may_have_been(&self, user: &str, seq: u64) -> bool {
        self.span(seq).any(|version| match self.reigns.get(&version) {
            Some(reign) => reign.claimant.as_deref() == Some(user),
            None => true,
        })
    }

    /// Whether from one message to another the conversation can only have waited, and then have been `user`'s, and nobody else's up to
    /// the version `until`: a claim hands over what waited, but who has given up a claim begins anew, and what somebody else has had may be
    /// acked in part.
    pub fn led_to(&self, user: &str, from: u64, to: u64, until: u64) -> bool {
        let (mut own, end) = (false, *self.span(to).end());
        let is_another = |reign: &Reign| reign.claimant.as_deref().is_some_and(|claimant| claimant != user);
        if until > end && self.reigns.range(end + 1..=until).any(|(_, reign)| is_another(reign)) {
            return false;
        }
        (*self.span(from).start()..=end).all(|version| match self.reigns.get(&version) {
            Some(Reign { claimant: Some(claimant), .. }) => {
                own = true;
                **claimant == *user
            }
            Some(Reign { claimant: None, .. }) => !own,
            None => false,
        })
    }
}
