//! What has come of a command: the conversation as it is now, and the rows to write for it.

use std::sync::Arc;

use super::{Deciding, InHand};
use crate::{
    domain::{
        command::{Message, Outcome, Snapshot},
        content::{Content, files_in},
        conversation::{Cause, Conversation, Moved, Placed},
        event::{About, Event, Kind},
        ids::{Seq, Timestamp, UserId},
        people::Person,
    },
    store::{
        conversations::Pair,
        file_uses,
        messages::{self, Stored},
        timeline,
    },
};

impl Deciding<'_> {
    pub(super) fn note_new(&mut self, conversation: &Conversation) {
        self.opened.insert(Pair::of(&conversation.parties), conversation.id);
        self.hold(conversation.clone()).is_new = true;
    }

    /// A conversation has come to stand so.
    pub(super) fn put(&mut self, conversation: Conversation) -> &mut InHand {
        let hand = self.hold(conversation);
        hand.is_changed = true;
        hand
    }

    /// The same, where only a cursor has moved.
    pub(super) fn hold(&mut self, conversation: Conversation) -> &mut InHand {
        let conversation = Arc::new(conversation);
        let hand = self.hand.entry(conversation.id).or_insert_with(|| InHand {
            conversation: conversation.clone(),
            last: None,
            is_new: false,
            is_changed: false,
            moved: [Moved::default(); 2],
            moved_at: Timestamp(0),
        });
        hand.conversation = conversation;
        hand
    }

    /// Puts a message where it has been given its place.
    pub(super) fn store(
        &mut self,
        conversation: Conversation,
        placed: Placed,
        from: &Arc<Person>,
        client_id: &Arc<str>,
        content: &Content,
        now: Timestamp,
    ) -> Outcome {
        let message = Arc::new(Message {
            conversation: conversation.id,
            seq: placed.seq,
            shop: conversation.shop().map(|shop| shop.shop.clone()),
            from: from.clone(),
            speaker: placed.speaker,
            side: placed.side,
            content: content.json.clone(),
            client_id: client_id.clone(),
            at: now,
        });
        self.tell_message(Kind::MessageStored, &conversation, placed.seq, from.id, now);
        self.show(&conversation, placed.seq, "", &content.json, from.id, now);
        self.rows.messages.push(messages::New { message: message.clone(), digest: content.digest });
        let stored = Stored { conversation: conversation.id, seq: placed.seq, at: now, digest: content.digest };
        self.stored.insert((from.id, client_id.clone()), stored);
        let hand = self.put(conversation);
        hand.last = Some(message.clone());
        let now = Arc::new(Snapshot { conversation: (*hand.conversation).clone(), last: Some(message.clone()) });
        Outcome::Stored { now, message, cause: placed.cause }
    }

    /// Notes which of this server's files a content shows that takes the place of another.
    pub(super) fn show(
        &mut self,
        conversation: &Conversation,
        seq: Seq,
        before: &str,
        content: &str,
        by: UserId,
        at: Timestamp,
    ) {
        if files_in(content).any(|key| !files_in(before).any(|shown| shown == key)) {
            self.tell_message(Kind::FileAdded, conversation, seq, by, at);
        }
        let shop = conversation.shop().map(|shop| shop.id);
        let uses = files_in(content).map(|key| file_uses::New {
            key: key.into(),
            conversation: conversation.id,
            seq,
            shop,
            at,
        });
        self.rows.shown.extend(uses);
    }

    /// Puts another content in the place of a message's; gives the message as it is then.
    pub(super) fn rewrite(
        &mut self,
        message: &Message,
        content: &Arc<str>,
        edited_at: Option<Timestamp>,
        changed: (UserId, Timestamp),
    ) -> Arc<Message> {
        let (id, seq, changed) = (message.conversation, message.seq, Some(changed));
        self.rows.contents.insert((id, seq), messages::Rewritten { content: content.clone(), edited_at, changed });
        let message = Arc::new(Message { content: content.clone(), ..message.clone() });
        if let Some(InHand { last: Some(last), .. }) = self.hand.get_mut(&id)
            && last.seq == seq
        {
            *last = message.clone();
        }
        message
    }

    /// Adds what `conversation` has just undergone to its timeline, and tells it.
    pub(super) fn note(
        &mut self,
        conversation: &Conversation,
        cause: Cause,
        by: UserId,
        from: Option<UserId>,
        at: Timestamp,
    ) {
        let to = conversation.claimant().map(|agent| agent.id);
        if let Some(kind) = Kind::of(cause) {
            let Conversation { id, ticket, claim_version, .. } = *conversation;
            let about = About::Claim { conversation: id, ticket, claim_version, from, to };
            self.tell(conversation, kind, by, about, at);
        }
        self.rows.timeline.push(timeline::New {
            conversation: conversation.id,
            at,
            cause,
            by,
            from,
            to,
            claim_version: conversation.claim_version,
            ticket: conversation.ticket,
        });
    }

    pub(super) fn tell_message(
        &mut self,
        kind: Kind,
        conversation: &Conversation,
        seq: Seq,
        by: UserId,
        at: Timestamp,
    ) {
        self.tell(conversation, kind, by, About::Message { conversation: conversation.id, seq }, at);
    }

    /// What happens in direct conversations is told to nobody else.
    pub(super) fn tell(&mut self, conversation: &Conversation, kind: Kind, by: UserId, about: About, at: Timestamp) {
        if let Some(shop) = conversation.shop().filter(|_| self.rules.events) {
            self.rows.events.push((shop.id, Event { kind, at, by, about }));
        }
    }
}
