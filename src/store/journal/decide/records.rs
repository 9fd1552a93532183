//! What a shop's admin does to its records: adding, editing, deleting, erasing.

use std::{collections::BTreeSet, sync::Arc};

use super::{Deciding, Stop};
use crate::{
    domain::{
        command::{Message, Outcome, Snapshot, key_of_added},
        content::{Content, DELETED, is_tombstone},
        conversation::{Conversation, Speaker, Standing},
        event::Kind,
        ids::{ConversationId, Seq, Timestamp, UserId},
        people::{Person, Shop},
        permission::Permission,
        refusal::Refusal,
    },
    store::{journal::rows::Audited, messages::Stored},
};

impl Deciding<'_> {
    #[expect(clippy::too_many_arguments, reason = "they are the fields of the act")]
    pub(super) fn add(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        member: &Arc<str>,
        client_id: &Arc<str>,
        content: &Content,
        address: &Arc<str>,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        _ = self.user(member); // Asked for together.
        let (mut conversation, shop) = self.permitted(by.id, id, Permission::AddMessage)?;
        let member = self.user(member)?.ok_or(Refusal::invalid("as"))?;
        let key = key_of_added(&shop, client_id);
        if let Some(Stored { conversation, seq, at, digest }) = self.stored(member.id, &key, false)? {
            let same = conversation == id && digest == content.digest;
            return if same { Ok(Outcome::Duplicate { conversation, seq, at }) } else { Err(Refusal::Conflict.into()) };
        }
        let speaker = if conversation.first_person().id == member.id {
            Speaker::Buyer
        } else {
            Speaker::of(self.role(shop.id, member.id)?.ok_or(Refusal::invalid("as"))?)
        };
        let attended = conversation.attended;
        let placed = conversation.add(speaker, now);
        self.note_answer(&conversation, attended, member.id, now);
        let outcome = self.store(conversation, placed, &member, &key, content, now);
        self.audit(by.id, &shop, "message.added", (id, placed.seq), None, Some(&content.json), address, now);
        Ok(outcome)
    }

    pub(super) fn edit(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seq: Seq,
        content: &Content,
        address: &Arc<str>,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (conversation, shop) = self.permitted(by.id, id, Permission::EditMessage)?;
        _ = self.last(&conversation); // Asked for together.
        let before = self.message(&conversation, seq)?.ok_or(Refusal::NotFound)?;
        if is_tombstone(&before.content) {
            return Err(Refusal::Conflict.into());
        }
        _ = self.last(&conversation)?;
        let first_time = before.content != content.json;
        let mut message = before.clone();
        if first_time {
            message = self.rewrite(&before, &content.json, Some(now), (by.id, now));
            self.tell_message(Kind::MessageEdited, &conversation, seq, by.id, now);
            self.show(&conversation, seq, &before.content, &content.json, by.id, now);
            let (before, after) = (Some(&before.content), Some(&content.json));
            self.audit(by.id, &shop, "message.edited", (id, seq), before, after, address, now);
        }
        let last = self.last(&conversation)?;
        let snapshot = Arc::new(Snapshot { conversation, last });
        Ok(Outcome::Edited { now: snapshot, by: by.clone(), message, at: now, first_time })
    }

    pub(super) fn delete(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seqs: &BTreeSet<Seq>,
        address: &Arc<str>,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (conversation, shop) = self.permitted(by.id, id, Permission::DeleteMessage)?;
        let messages = self.messages(&conversation, seqs)?;
        if messages.len() < seqs.len() {
            return Err(Refusal::NotFound.into());
        }
        for message in messages.iter().filter(|message| *message.content != *DELETED) {
            let before = Some(&message.content);
            self.audit(by.id, &shop, "message.deleted", (id, message.seq), before, None, address, now);
        }
        self.remove(by, conversation, &messages, now)
    }

    /// That an admin has asked for it, and may, is known already.
    pub(super) fn erase(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seqs: &BTreeSet<Seq>,
        person: UserId,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let conversation = self.conversation(id)?;
        let mut messages = self.messages(&conversation, seqs)?;
        messages.retain(|message| message.from.id == person);
        self.rows.erased.extend(messages.iter().map(|message| (id, message.seq)));
        self.remove(by, conversation, &messages, now)
    }

    fn remove(
        &mut self,
        by: &Arc<Person>,
        conversation: Conversation,
        messages: &[Arc<Message>],
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        _ = self.last(&conversation)?;
        let there = messages.iter().filter(|message| *message.content != *DELETED);
        let change = (by.id, now);
        let seqs: Vec<Seq> = there.map(|message| self.rewrite(message, &DELETED.into(), None, change).seq).collect();
        for seq in &seqs {
            self.tell_message(Kind::MessageDeleted, &conversation, *seq, by.id, now);
        }
        let last = self.last(&conversation)?;
        let snapshot = Arc::new(Snapshot { conversation, last });
        Ok(Outcome::Deleted { now: snapshot, by: by.clone(), seqs, at: now })
    }

    /// Those of `seqs` that there are, all asked for at once.
    fn messages(&mut self, conversation: &Conversation, seqs: &BTreeSet<Seq>) -> Result<Vec<Arc<Message>>, Stop> {
        let found: Vec<_> = seqs.iter().map(|seq| self.message(conversation, *seq)).collect();
        _ = self.last(conversation); // Asked for together.
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// A conversation of a shop whose records `user` may change so. A direct one belongs to no shop.
    fn permitted(
        &mut self,
        user: UserId,
        id: ConversationId,
        what: Permission,
    ) -> Result<(Conversation, Arc<Shop>), Stop> {
        let (conversation, standing) = self.standing(id, user)?;
        let shop = conversation.shop().cloned().ok_or(Refusal::NotFound)?;
        match standing {
            Standing::Agent(role) if role.may(what) => Ok((conversation, shop)),
            _ => Err(Refusal::Forbidden.into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the columns of the row")]
    pub(super) fn audit(
        &mut self,
        by: UserId,
        shop: &Shop,
        what: &'static str,
        message: (ConversationId, Seq),
        before: Option<&Arc<str>>,
        after: Option<&Arc<str>>,
        address: &Arc<str>,
        at: Timestamp,
    ) {
        let (before, after, address) = (before.cloned(), after.cloned(), address.clone());
        self.rows.audit.push(Audited { shop: shop.id, by, at, address, what, message, before, after });
    }
}
