//! What other nodes have to hear of.

use super::ShopDispatcher;
use crate::{
    actors::mail::{Relay, SessionId},
    domain::{
        command::Outcome,
        conversation::{Conversation, Moved},
        ids::UserId,
    },
    protocol::envelope::Envelope,
};

impl ShopDispatcher {
    /// Where else an outcome has to be known: where its shop's agents are, and those in the conversation; and when it changes who waits,
    /// where those are who do.
    pub(super) fn relay(&self, outcome: &Outcome, except: Option<SessionId>) -> Option<Relay> {
        let (users, shop) = match outcome {
            Outcome::Stored { now, cause, .. } => {
                let mut users = members(&now.conversation);
                if cause.is_some() {
                    users.extend(self.replica.waiting_buyers());
                }
                (users, true)
            }
            Outcome::Changed { now, before, .. } => {
                let mut users = members(&now.conversation);
                users.extend(before.as_ref().map(|person| person.id));
                users.extend(self.replica.waiting_buyers());
                (users, true)
            }
            // How far somebody has come concerns the other side, and that person's other sessions.
            Outcome::Moved { now, by, moved, .. } if *moved != Moved::default() => {
                let mut users = members(now);
                users.push(by.id);
                (users, now.claimant().is_none())
            }
            Outcome::Settled { by, .. } => (vec![by.id], false),
            Outcome::Recalled { now, first_time: true, .. } | Outcome::Edited { now, first_time: true, .. } => {
                (members(&now.conversation), true)
            }
            Outcome::Deleted { now, seqs, .. } if !seqs.is_empty() => (members(&now.conversation), true),
            Outcome::StatusSet { .. } => (self.replica.buyers().collect(), true),
            _ => return None,
        };
        let news = Envelope::Happened { outcome: outcome.clone(), except }.into();
        Some(Relay { news, users, shop: shop.then_some(self.shop.id) })
    }
}

/// Those in the conversation: the buyer and the claimant.
fn members(conversation: &Conversation) -> Vec<UserId> {
    let claimant = conversation.claimant().map(|agent| agent.id);
    std::iter::once(conversation.first_person().id).chain(claimant).collect()
}
