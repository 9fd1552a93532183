//! A row, and the conversation that it is.

use diesel::prelude::*;

use super::{CLAIMED, DIRECT, RESOLVED, WAITING, inbox::Cursor};
use crate::{
    domain::{
        conversation::{Attended, Conversation, Parties, State},
        cursor::Side,
        ids::{ConversationId, ShopId, Timestamp, UserId},
    },
    store::{Db, people::People, schema::conversations as t},
};

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, treat_none_as_default_value = false)]
pub struct Row {
    pub id: i64,
    pub shop_id: Option<i64>,
    pub first_user: i64,
    pub second_user: Option<i64>,
    pub state: String,
    pub claimed_by: Option<i64>,
    pub claim_version: i64,
    pub last_seq: i64,
    pub first_delivered: i64,
    pub first_read: i64,
    pub first_unread: i64,
    pub first_said: i64,
    pub second_delivered: i64,
    pub second_read: i64,
    pub second_unread: i64,
    pub second_said: i64,
    pub waiting_since: Option<i64>,
    pub opened_at: i64,
    pub opened_seq: i64,
    pub returned: bool,
    pub ticket: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub revision: i64,
    /// `updated_at` in whole seconds: what is ordered by it is, within an index, by this.
    pub updated_second: i64,
    pub offered_at: Option<i64>,
    pub attended: i16,
}

impl Row {
    pub(super) fn of(c: &Conversation) -> Row {
        let (shop_id, first_user, second_user) = match &c.parties {
            Parties::Support { shop, buyer } => (Some(shop.id.0), buyer.id.0, None),
            Parties::Direct { first, second } => (None, first.id.0, Some(second.id.0)),
        };
        Row {
            id: c.id.0,
            shop_id,
            first_user,
            second_user,
            state: state_of(c).to_owned(),
            claimed_by: c.claimant().map(|agent| agent.id.0),
            claim_version: c.claim_version,
            revision: c.revision,
            last_seq: c.last_seq,
            first_delivered: c.first.delivered,
            first_read: c.first.read,
            first_unread: c.first.unread,
            first_said: c.first.said,
            second_delivered: c.second.delivered,
            second_read: c.second.read,
            second_unread: c.second.unread,
            second_said: c.second.said,
            waiting_since: c.waiting_since.map(|at| at.0),
            opened_at: c.opened_at.0,
            opened_seq: c.opened_seq,
            returned: c.returned,
            ticket: c.ticket,
            created_at: c.created_at.0,
            updated_at: c.updated_at.0,
            updated_second: c.updated_at.second(),
            offered_at: c.offered_at.map(|at| at.0),
            attended: c.attended.index(),
        }
    }

    pub(super) fn cursor(&self) -> Cursor {
        (Timestamp(self.updated_at), ConversationId(self.id))
    }

    pub(super) fn conversation(self, db: &mut Db, people: &mut People) -> QueryResult<Conversation> {
        let first = people.person(db, UserId(self.first_user))?;
        let parties = match (self.shop_id, self.second_user) {
            (Some(shop), _) => Parties::Support { shop: people.shop(db, ShopId(shop))?, buyer: first },
            (None, Some(second)) => Parties::Direct { first, second: people.person(db, UserId(second))? },
            (None, None) => return Err(diesel::result::Error::NotFound),
        };
        let state = match (self.state.as_str(), self.claimed_by) {
            (_, Some(agent)) => State::Claimed(people.person(db, UserId(agent))?),
            (DIRECT, None) => State::Direct,
            (WAITING, None) => State::Waiting,
            _ => State::Resolved,
        };
        Ok(Conversation {
            id: ConversationId(self.id),
            parties,
            state,
            claim_version: self.claim_version,
            revision: self.revision,
            last_seq: self.last_seq,
            first: Side {
                delivered: self.first_delivered,
                read: self.first_read,
                unread: self.first_unread,
                said: self.first_said,
            },
            second: Side {
                delivered: self.second_delivered,
                read: self.second_read,
                unread: self.second_unread,
                said: self.second_said,
            },
            waiting_since: self.waiting_since.map(Timestamp),
            opened_at: Timestamp(self.opened_at),
            opened_seq: self.opened_seq,
            offered_at: self.offered_at.map(Timestamp),
            attended: Attended::from_index(self.attended),
            returned: self.returned,
            ticket: self.ticket,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

pub(super) fn state_of(c: &Conversation) -> &'static str {
    match c.state {
        State::Direct => DIRECT,
        State::Waiting => WAITING,
        State::Claimed(_) => CLAIMED,
        State::Resolved => RESOLVED,
    }
}
