//! Claiming a conversation, passing it on, letting go of it and resolving it.

use std::sync::Arc;

use super::{Deciding, Stop};
use crate::domain::{
    command::{Outcome, Snapshot},
    conversation::{Cause, Change, Deed, Moved, Standing},
    cursor::Which,
    ids::{ConversationId, Timestamp, UserId},
    people::{Person, Role},
    refusal::Refusal,
};

impl Deciding<'_> {
    pub(super) fn act(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        deed: Deed,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        if matches!(deed, Deed::Claim | Deed::Transfer(..)) {
            self.check_shop(&conversation)?;
        }
        let (before, ticket, offered_at) =
            (conversation.claimant().cloned(), conversation.ticket, conversation.offered_at);
        let taker = match (&deed, standing) {
            (Deed::Claim, Standing::Agent(role)) => Some((by.id, role)),
            (Deed::Transfer(to, role), _) => Some((to.id, *role)),
            _ => None,
        };
        let acked = match taker {
            Some((taker, _)) if conversation.waiting_since.is_some() => {
                _ = self.last(&conversation); // Asked for together.
                self.acked(id, taker)?
            }
            _ => 0,
        };
        let change = conversation.act(by, standing, &deed, acked, now)?;
        let last = self.last(&conversation)?;
        let Some(Change { cause, moved }) = change else {
            return Ok(Outcome::Unchanged(Arc::new(Snapshot { conversation, last })));
        };
        let last_seq = conversation.last_seq;
        if conversation.ticket != ticket {
            let ticket = self.ticket(&conversation);
            (ticket.is_new, ticket.outbound) = (true, true);
        }
        self.note_offer(&conversation, offered_at)?;
        if let Some((agent, role)) = taker {
            // The first claim of a ticket is noted, and who has it last, of people; all are in the timeline.
            if role != Role::Bot {
                let ticket = self.ticket(&conversation);
                ticket.claimed.get_or_insert((now, agent));
                ticket.last_claimed_by = Some(agent);
            }
            self.rows.forget_acks(id);
        }
        if cause == Cause::Resolved {
            self.ticket(&conversation).resolved = Some((now, by.id, last_seq));
        }
        self.note(&conversation, cause, by.id, before.as_ref().map(|agent| agent.id), now);
        let hand = self.put(conversation);
        hand.note_moved(Which::Second, moved, now);
        let now = Arc::new(Snapshot { conversation: (*hand.conversation).clone(), last });
        Ok(Outcome::Changed { now, by: by.clone(), before, cause, moved })
    }

    /// Who is nothing to the conversation, or its buyer, does not learn who is an agent of the shop.
    pub(super) fn transfer(&mut self, by: UserId, id: ConversationId, to: &Arc<str>) -> Result<Deed, Stop> {
        let (conversation, standing) = self.standing(id, by)?;
        if !matches!(standing, Standing::Agent(_)) {
            return Err(Refusal::Forbidden.into());
        }
        let agent = match (conversation.shop(), self.user(to)?) {
            (Some(shop), Some(user)) => self.role(shop.id, user.id)?.map(|role| (user, role)),
            _ => None,
        };
        let (agent, role) = agent.ok_or(Refusal::invalid("to"))?;
        Ok(Deed::Transfer(agent, role))
    }

    pub(super) fn lose_claimant(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        claim_version: i64,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let mut conversation = self.conversation(id)?;
        let (before, last) = (conversation.claimant().cloned(), self.last(&conversation)?);
        let offered_at = conversation.offered_at;
        if !conversation.lose_claimant(claim_version, now) {
            return Ok(Outcome::Unchanged(Arc::new(Snapshot { conversation, last })));
        }
        self.note_offer(&conversation, offered_at)?;
        let (cause, moved) = (Cause::Released, Moved::default());
        self.note(&conversation, cause, by.id, before.as_ref().map(|agent| agent.id), now);
        let now = Arc::new(Snapshot { conversation: (*self.put(conversation).conversation).clone(), last });
        Ok(Outcome::Changed { now, by: by.clone(), before, cause, moved })
    }
}
