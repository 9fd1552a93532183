//! Messages that were edited, recalled or deleted: what has been told of that on this node, and what the sweep finds that has not.

use std::collections::HashMap;

use diesel::QueryResult;

use crate::{
    domain::{
        command::Outcome,
        content::{DELETED, RECALLED},
        ids::{ConversationId, Seq, ShopId, Timestamp},
    },
    store::{Db, changes::Changed, conversations, messages, people::People},
};

/// How long it is remembered what has been told. The sweep looks back 10 s; what is told once more is the same as before.
const KEPT_MS: i64 = 60_000;

/// When each of the messages was last changed that have been told to be.
#[derive(Debug, Default)]
pub struct Corrections(HashMap<(ConversationId, Seq), Timestamp>);

impl Corrections {
    /// This is told; false where something later of these messages has been: it comes late, and is told to nobody.
    pub fn note(&mut self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Recalled { now, seq, at, .. } => self.insert(now.conversation.id, *seq, *at),
            Outcome::Edited { now, message, at, .. } => self.insert(now.conversation.id, message.seq, *at),
            Outcome::Deleted { now, seqs, at, .. } => {
                // All of them, whatever comes of the first.
                let told = seqs.iter().filter(|seq| self.insert(now.conversation.id, **seq, *at)).count();
                told > 0 || seqs.is_empty()
            }
            _ => true,
        }
    }

    fn insert(&mut self, conversation: ConversationId, seq: Seq, at: Timestamp) -> bool {
        let told = self.0.entry((conversation, seq)).or_insert(at);
        let is_late = *told > at;
        *told = at.max(*told);
        !is_late
    }

    /// Whether this has been told, or something later.
    pub fn is_told(&self, change: &Changed) -> bool {
        self.0.get(&(change.conversation, change.seq)).is_some_and(|told| *told >= change.at)
    }

    /// Forgets what was told long ago.
    pub fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, told| now.since(*told) < KEPT_MS);
    }
}

/// What has come of them, by shop, as their node has told it.
pub fn outcomes(db: &mut Db, missed: &[Changed]) -> QueryResult<Vec<(Option<ShopId>, Outcome)>> {
    let mut people = People::default();
    let mut outcomes = Vec::with_capacity(missed.len());
    for &Changed { conversation, seq, shop, at, by, .. } in missed {
        let Some(now) = conversations::snapshot(db, &mut people, conversation)? else { continue };
        let Some(message) = messages::find(db, &mut people, &now.conversation, seq)? else { continue };
        let (now, by) = (now.into(), people.person(db, by)?);
        let outcome = match &*message.content {
            RECALLED => Outcome::Recalled { now, by, seq, at, first_time: true },
            DELETED => Outcome::Deleted { now, by, seqs: vec![seq], at },
            _ => Outcome::Edited { now, by, message: message.into(), at, first_time: true },
        };
        outcomes.push((shop, outcome));
    }
    Ok(outcomes)
}
