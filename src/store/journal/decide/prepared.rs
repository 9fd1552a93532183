//! Committing what was prepared. What its sender may say was decided when it was prepared: a transaction of the shop's depends on it, so
//! nothing that has changed since (a claim, a role, the shop) stands against it.

use std::sync::Arc;

use super::{Deciding, Stop, lookup::known};
use crate::{
    domain::{
        command::Outcome,
        conversation::{Parties, Speaker, Standing},
        ids::Timestamp,
        people::Role,
        prepared::{Decider, Fate, key_of_prepared},
        refusal::Refusal,
    },
    store::{conversations::Pair, prepared::Committed},
};

impl Deciding<'_> {
    pub(super) fn commit(&mut self, ticket: &Arc<str>, decider: &Decider, now: Timestamp) -> Result<Outcome, Stop> {
        if let Some(&Committed { conversation, seq, at, .. }) = self.rows.committed.get(ticket) {
            return Ok(Outcome::Duplicate { conversation, seq, at });
        }
        let prepared = known(self.facts.prepared.get(ticket), || self.needs.prepared.insert(ticket.clone()))?;
        let prepared = prepared.ok_or(Refusal::NotFound)?;
        let (shop, sender) = (prepared.shop, prepared.sender);
        let content = match prepared.fate {
            Fate::Open(content) => content,
            Fate::Committed { conversation, seq, at } => return Ok(Outcome::Duplicate { conversation, seq, at }),
            Fate::Aborted => return Err(Refusal::Conflict.into()),
        };
        let id = match prepared.conversation {
            Some(id) => Some(id),
            None => self.between(Pair::Support { shop: shop.id, buyer: sender.id })?,
        };
        let mut conversation = match id {
            Some(id) => self.conversation(id)?,
            None => self.begin(Parties::Support { shop: shop.clone(), buyer: sender.clone() }, now)?,
        };
        let attended = conversation.attended;
        let placed = if conversation.first_person().id == sender.id {
            conversation.send(sender.id, Standing::Buyer, now)?
        } else {
            let role = self.role(shop.id, sender.id)?.unwrap_or(Role::Agent);
            conversation.add(Speaker::of(role), now)
        };
        self.note_opening(&mut conversation, placed, sender.id, now)?;
        self.note_answer(&conversation, attended, sender.id, now);
        if id.is_none() {
            self.note_new(&conversation);
        }
        let place = (conversation.id, placed.seq);
        let key = key_of_prepared(&shop, &prepared.client_id);
        let outcome = self.store(conversation, placed, &sender, &key, &content, now);
        let committed = Committed { conversation: place.0, seq: place.1, at: now, by: decider.as_str() };
        self.rows.committed.insert(ticket.clone(), committed);
        if let Decider::Admin { by, address } = decider {
            self.audit(*by, &shop, "message.committed", place, None, Some(&content.json), address, now);
        }
        Ok(outcome)
    }
}
