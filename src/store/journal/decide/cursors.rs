//! Moving cursors: what has been received, and what has been read.

use std::sync::Arc;

use super::{Deciding, InHand, Stop};
use crate::domain::{
    command::Outcome,
    conversation::{Conversation, Moved},
    cursor::{Given, Side, Which},
    ids::{ConversationId, Seq, Timestamp},
    people::Person,
};

impl Deciding<'_> {
    pub(super) fn ack(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seq: Seq,
        given: &Given,
        viewing: bool,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            if conversation.waiting_since.is_some() {
                let acked = self.acked(id, by.id)?;
                let reach = given.reach(acked.max(conversation.second.delivered), seq);
                if reach > acked {
                    self.rows.acks.insert((id, by.id), reach);
                }
            }
            return Ok(Outcome::Settled { conversation: id, by: by.clone(), seq });
        };
        let before = *conversation.side(side);
        let mut moved = conversation.ack(side, seq, given)?;
        if viewing {
            let seen = conversation.side(side).delivered.min(seq);
            moved.read = conversation.read(side, seen)?.read;
        }
        self.moved(by, conversation, side, before, moved, now)
    }

    pub(super) fn read(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seq: Seq,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            let (now, moved) = (Arc::new(conversation), Moved::default());
            return Ok(Outcome::Moved { now, by: by.clone(), side: Which::Second, moved });
        };
        let before = *conversation.side(side);
        let moved = conversation.read(side, seq)?;
        self.moved(by, conversation, side, before, moved, now)
    }

    fn moved(
        &mut self,
        by: &Arc<Person>,
        mut conversation: Conversation,
        side: Which,
        before: Side,
        moved: Moved,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (after, said) = (*conversation.side(side), conversation.side(side.other()).said);
        if after.read != before.read && after.read < said {
            conversation.side_mut(side).unread = self.count_above(conversation.id, after.read, side.other())?;
        }
        let now_is = if after == before {
            Arc::new(conversation)
        } else {
            let hand = self.hold(conversation);
            hand.note_moved(side, moved, now);
            hand.conversation.clone()
        };
        Ok(Outcome::Moved { now: now_is, by: by.clone(), side, moved })
    }
}

impl InHand {
    pub(super) fn note_moved(&mut self, side: Which, moved: Moved, now: Timestamp) {
        self.moved_at = now;
        let marks = &mut self.moved[side.index() as usize];
        marks.delivered = moved.delivered.or(marks.delivered);
        marks.read = moved.read.or(marks.read);
    }
}
