//! What is known: the facts, and what this batch has changed lying over them. What is not known is noted among the needs.

use std::sync::Arc;

use super::{Deciding, InHand, Stop};
use crate::{
    domain::{
        command::{Act, Command, Message},
        conversation::{Conversation, Parties, Standing},
        cursor::Which,
        ids::{ConversationId, Seq, ShopId, UserId},
        people::{Person, Role, Shop},
        refusal::Refusal,
    },
    store::{
        journal::facts::Found,
        messages::{self, Stored},
    },
};

impl Deciding<'_> {
    /// A conversation as it is now, and what `user` is to it: `NotFound` where it is nothing to it, or there is none.
    pub(super) fn standing(&mut self, id: ConversationId, user: UserId) -> Result<(Conversation, Standing), Stop> {
        let conversation = self.conversation(id)?;
        let role = match &conversation.parties {
            Parties::Support { shop, buyer } if buyer.id != user => self.role(shop.id, user)?,
            _ => None,
        };
        let standing = conversation.standing(user, role).ok_or(Refusal::NotFound)?;
        Ok((conversation, standing))
    }

    /// In a disabled shop nothing is said and nothing taken on; what is in hand may be let go, resolved and read.
    pub(super) fn check_shop(&self, conversation: &Conversation) -> Result<(), Refusal> {
        let disabled = conversation.shop().is_some_and(|shop| self.facts.disabled.contains(&shop.id));
        if disabled { Err(Refusal::Forbidden) } else { Ok(()) }
    }

    pub(super) fn conversation(&mut self, id: ConversationId) -> Result<Conversation, Stop> {
        if let Some(hand) = self.hand.get(&id) {
            return Ok((*hand.conversation).clone());
        }
        match self.facts.conversations.get(&id) {
            Some(Found::Here(conversation)) => Ok(conversation.clone()),
            Some(Found::Elsewhere) => Err(Stop::Elsewhere),
            Some(Found::Kept) => Err(Refusal::BUSY.into()),
            Some(Found::Nowhere) => Err(Refusal::NotFound.into()),
            None => {
                self.needs.conversations.insert(id);
                Err(Stop::Missing)
            }
        }
    }

    /// What is stored under a key; nothing, where keys that nobody has asked for are trusted to be new.
    pub(super) fn stored(
        &mut self,
        sender: UserId,
        client_id: &Arc<str>,
        trusts: bool,
    ) -> Result<Option<Stored>, Stop> {
        let key = (sender, client_id.clone());
        if let Some(stored) = self.stored.get(&key) {
            return Ok(Some(stored.clone()));
        }
        if self.open_keys.contains(&key) {
            return Err(Stop::Missing);
        }
        match self.facts.keys.get(&key) {
            None if trusts => Ok(None),
            fact => known(fact, || self.needs.keys.insert(key)),
        }
    }

    /// The key of a message that has been decided upon without being asked for.
    pub(super) fn trusted_key(&self, command: &Command) -> Option<(UserId, Arc<str>)> {
        let Act::Send { client_id, .. } = &command.act else { return None };
        let key = (command.by.id, client_id.clone());
        let is_known = self.facts.keys.contains_key(&key) || self.stored.contains_key(&key);
        (self.facts.trusts_keys && !is_known).then_some(key)
    }

    pub(super) fn shop(&mut self, name: &Arc<str>) -> Result<Option<Arc<Shop>>, Stop> {
        known(self.facts.shops.get(name), || self.needs.shops.insert(name.clone()))
    }

    pub(super) fn user(&mut self, uid: &Arc<str>) -> Result<Option<Arc<Person>>, Stop> {
        known(self.facts.users.get(uid), || self.needs.users.insert(uid.clone()))
    }

    pub(super) fn role(&mut self, shop: ShopId, user: UserId) -> Result<Option<Role>, Stop> {
        known(self.facts.roles.get(&(shop, user)), || self.needs.roles.insert((shop, user)))
    }

    /// How far `user` has acked a conversation while it waits.
    pub(super) fn acked(&mut self, id: ConversationId, user: UserId) -> Result<Seq, Stop> {
        if let Some(seq) = self.rows.acks.get(&(id, user)) {
            return Ok(*seq);
        }
        if self.rows.forgotten_acks.contains(&id) || self.hand.get(&id).is_some_and(|hand| hand.is_new) {
            return Ok(0);
        }
        known(self.facts.acked.get(&(id, user)), || self.needs.acked.insert((id, user)))
    }

    /// How many messages of a side there are above `seq`.
    pub(super) fn count_above(&mut self, id: ConversationId, seq: Seq, side: Which) -> Result<i64, Stop> {
        let is_meant = |new: &&messages::New| {
            let message = &new.message;
            message.conversation == id && message.seq > seq && message.side == side
        };
        let new = self.rows.messages.iter().filter(is_meant).count() as i64;
        let stored = match self.facts.conversations.get(&id) {
            Some(Found::Here(conversation)) if conversation.side(side).said > seq => {
                let key = (id, seq, side);
                known(self.facts.counts.get(&key), || self.needs.counts.insert((id, seq, side.index())))?
            }
            _ => 0,
        };
        Ok(stored + new)
    }

    pub(super) fn last(&mut self, conversation: &Conversation) -> Result<Option<Arc<Message>>, Stop> {
        match self.hand.get(&conversation.id) {
            Some(InHand { last: Some(last), .. }) => Ok(Some(last.clone())),
            _ => self.message(conversation, conversation.last_seq),
        }
    }

    pub(super) fn message(&mut self, conversation: &Conversation, seq: Seq) -> Result<Option<Arc<Message>>, Stop> {
        let key = (conversation.id, seq);
        if !(1..=conversation.last_seq).contains(&seq) {
            return Ok(None);
        }
        let new = self.rows.messages.iter().rev().map(|new| &new.message).find(|m| (m.conversation, m.seq) == key);
        let message = match new {
            Some(new) => Some(new.clone()),
            None => known(self.facts.messages.get(&key), || self.needs.messages.insert(key))?,
        };
        let Some(rewritten) = self.rows.contents.get(&key) else { return Ok(message) };
        let content = &rewritten.content;
        Ok(message.as_deref().map(|message| Arc::new(Message { content: content.clone(), ..message.clone() })))
    }
}

/// A fact, or the note that it is missing.
pub(super) fn known<T: Clone, R>(fact: Option<&T>, need: impl FnOnce() -> R) -> Result<T, Stop> {
    match fact {
        Some(fact) => Ok(fact.clone()),
        None => {
            need();
            Err(Stop::Missing)
        }
    }
}
