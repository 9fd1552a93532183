//! What a batch changes of tickets: how one is opened, answered, offered and rated.

use std::sync::Arc;

use super::{Deciding, Stop};
use crate::{
    domain::{
        command::Outcome,
        conversation::{Attended, Cause, Conversation, Deed, Placed, Standing, State},
        event::{About, Kind},
        ids::{ConversationId, Timestamp, UserId},
        people::{Person, Role},
        refusal::Refusal,
    },
    store::tickets,
};

impl Deciding<'_> {
    /// Notes the ticket that a message has opened, if it has. The shop's bot gets it, if it is there.
    pub(super) fn note_opening(
        &mut self,
        conversation: &mut Conversation,
        placed: Placed,
        by: UserId,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let (Some(cause), Some(shop)) = (placed.cause, conversation.shop().map(|shop| shop.id)) else { return Ok(()) };
        let on_duty = self.anyone_on_duty(shop)?;
        let bot = self.first_bot(shop)?.filter(|bot| bot.id != by);
        let ticket = self.ticket(conversation);
        (ticket.is_new, ticket.left_message) = (true, !on_duty && bot.is_none());
        self.note(conversation, cause, by, None, now);
        if let Some(bot) = bot {
            conversation.act(&bot, Standing::Agent(Role::Bot), &Deed::Claim, 0, now)?;
            self.ticket(conversation);
            self.note(conversation, Cause::Claimed, bot.id, None, now);
        }
        Ok(())
    }

    /// Notes a person's first answer in a ticket; `before` it had been attended to so far.
    pub(super) fn note_answer(&mut self, conversation: &Conversation, before: Attended, by: UserId, now: Timestamp) {
        if before < Attended::Answered && conversation.attended == Attended::Answered {
            self.ticket(conversation).answered.get_or_insert((now, by));
        }
    }

    /// Notes since when a ticket has been before people, where that has changed: a bot has taken it, or has let go of it.
    pub(super) fn note_offer(&mut self, conversation: &Conversation, before: Option<Timestamp>) -> Result<(), Stop> {
        if conversation.offered_at == before {
            return Ok(());
        }
        let left_message = match conversation.shop() {
            Some(shop) if conversation.state == State::Waiting => !self.anyone_on_duty(shop.id)?,
            _ => false,
        };
        self.ticket(conversation).left_message |= left_message;
        Ok(())
    }

    pub(super) fn rate(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        score: i16,
        comment: Option<Arc<str>>,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (conversation, standing) = self.standing(id, by.id)?;
        if standing != Standing::Buyer {
            return Err(Refusal::Forbidden.into());
        }
        self.ticket(&conversation).rated = Some((now, score, comment));
        let about = About::Ticket { conversation: id, ticket: conversation.ticket };
        self.tell(&conversation, Kind::ConversationRated, by.id, about, now);
        Ok(Outcome::Rated)
    }

    /// What changes of the present ticket of a conversation.
    pub(super) fn ticket(&mut self, conversation: &Conversation) -> &mut tickets::Change {
        let key = (conversation.id, conversation.ticket);
        let change = self.rows.tickets.entry(key).or_insert_with(|| tickets::Change::of(conversation));
        change.offered_at = conversation.offered_at;
        change
    }
}
