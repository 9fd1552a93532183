//! `tickets`: rounds of service, from a buyer's first message to `resolve`.

use diesel::prelude::*;

use super::{
    Db,
    backend::MultiBackend,
    schema::{conversations, tickets as t},
};
use crate::domain::{
    conversation::Conversation,
    ids::{ShopId, Timestamp, UserId},
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub conversation_id: i64,
    pub number: i64,
    pub first_seq: i64,
    pub last_seq: Option<i64>,
    pub opened_at: i64,
    pub left_message: bool,
    pub claimed_at: Option<i64>,
    pub claimed_by: Option<i64>,
    pub answered_at: Option<i64>,
    pub answered_by: Option<i64>,
    pub resolved_at: Option<i64>,
    pub resolved_by: Option<i64>,
    pub score: Option<i16>,
    pub comment: Option<String>,
}

/// The present ticket of a conversation begins.
pub fn open(db: &mut Db, conversation: &Conversation, left_message: bool) -> QueryResult<()> {
    let values = (
        t::conversation_id.eq(conversation.id.0),
        t::number.eq(conversation.ticket),
        t::first_seq.eq(conversation.opened_seq),
        t::opened_at.eq(conversation.opened_at.0),
        t::left_message.eq(left_message),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

/// The first claim is noted; later ones are in the timeline.
pub fn claimed(db: &mut Db, conversation: &Conversation, by: UserId, at: Timestamp) -> QueryResult<()> {
    diesel::update(t::table.find((conversation.id.0, conversation.ticket)).filter(t::claimed_at.is_null()))
        .set((t::claimed_at.eq(at.0), t::claimed_by.eq(by.0)))
        .execute(db)
        .map(drop)
}

pub fn answered(db: &mut Db, conversation: &Conversation, by: UserId, at: Timestamp) -> QueryResult<()> {
    diesel::update(t::table.find((conversation.id.0, conversation.ticket)).filter(t::answered_at.is_null()))
        .set((t::answered_at.eq(at.0), t::answered_by.eq(by.0)))
        .execute(db)
        .map(drop)
}

pub fn resolved(db: &mut Db, conversation: &Conversation, by: UserId, at: Timestamp) -> QueryResult<()> {
    diesel::update(t::table.find((conversation.id.0, conversation.ticket)))
        .set((t::resolved_at.eq(at.0), t::resolved_by.eq(by.0), t::last_seq.eq(conversation.last_seq)))
        .execute(db)
        .map(drop)
}

/// The buyer's opinion of the last ticket; a later one replaces it.
pub fn rate(db: &mut Db, conversation: &Conversation, score: i16, comment: Option<&str>) -> QueryResult<()> {
    diesel::update(t::table.find((conversation.id.0, conversation.ticket)))
        .set((t::score.eq(score), t::comment.eq(comment)))
        .execute(db)
        .map(drop)
}

/// Which of a shop's tickets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought {
    pub buyer: Option<UserId>,
    /// Who claimed it first.
    pub agent: Option<UserId>,
    /// Opened at or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A page of a shop's tickets with their buyers, the latest first, after the one of this time, conversation and number.
pub fn page(
    db: &mut Db,
    shop: ShopId,
    sought: &Sought,
    after: Option<[i64; 3]>,
    limit: i64,
) -> QueryResult<Vec<(Row, i64)>> {
    let mut query = t::table
        .inner_join(conversations::table.on(conversations::id.eq(t::conversation_id)))
        .filter(conversations::shop_id.eq(shop.0))
        .order((t::opened_at.desc(), t::conversation_id.desc(), t::number.desc()))
        .limit(limit)
        .select((Row::as_select(), conversations::first_user))
        .into_boxed::<MultiBackend>();
    if let Some(buyer) = sought.buyer {
        query = query.filter(conversations::first_user.eq(buyer.0));
    }
    if let Some(agent) = sought.agent {
        query = query.filter(t::claimed_by.eq(agent.0));
    }
    if let Some(from) = sought.from {
        query = query.filter(t::opened_at.ge(from.0));
    }
    if let Some(to) = sought.to {
        query = query.filter(t::opened_at.lt(to.0));
    }
    if let Some([at, conversation, number]) = after {
        let earlier =
            t::conversation_id.lt(conversation).or(t::conversation_id.eq(conversation).and(t::number.lt(number)));
        query = query.filter(t::opened_at.lt(at).or(t::opened_at.eq(at).and(earlier)));
    }
    query.load(db)
}
