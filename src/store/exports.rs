//! `exports`: links under which something of a shop may be had once; and what is had there, read in pages.
//!
//! A page is a reading of its own: however long an export takes, nobody else's work waits for it, and a log is never kept from being cut.

use std::sync::Arc;

use diesel::prelude::*;

use super::{
    Db, conversations, messages,
    people::People,
    schema::{audit, conversations as c, exports as t},
    tickets,
};
use crate::domain::{
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    people::Person,
};

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = t)]
pub struct Row {
    pub key: String,
    pub shop_id: i64,
    pub by_user: i64,
    pub format: String,
    pub what: String,
    pub from_at: i64,
    pub to_at: i64,
    pub expires_at: i64,
}

impl Row {
    pub fn shop(&self) -> ShopId {
        ShopId(self.shop_id)
    }
}

pub fn insert(db: &mut Db, row: &Row) -> QueryResult<()> {
    diesel::insert_into(t::table).values(row.clone()).execute(db).map(drop)
}

/// How many links of a shop may still be used.
pub fn count(db: &mut Db, shop: ShopId, now: Timestamp) -> QueryResult<i64> {
    t::table.filter(t::shop_id.eq(shop.0).and(t::expires_at.gt(now.0))).count().get_result(db)
}

pub fn remove_expired(db: &mut Db, now: Timestamp) -> QueryResult<()> {
    diesel::delete(t::table.filter(t::expires_at.le(now.0))).execute(db).map(drop)
}

/// A link that may still be used.
pub fn find(db: &mut Db, key: &str, now: Timestamp) -> QueryResult<Option<Row>> {
    t::table.filter(t::key.eq(key).and(t::expires_at.gt(now.0))).select(Row::as_select()).first(db).optional()
}

/// The same, which is used up then: of several who take it, on whatever nodes, one gets it.
pub fn take(db: &mut Db, key: &str, now: Timestamp) -> QueryResult<Option<Row>> {
    let row = find(db, key, now)?;
    let taken = diesel::delete(t::table.filter(t::key.eq(key))).execute(db)?;
    Ok(row.filter(|_| taken == 1))
}

/// A time span: from the first on, and before the second.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// How far the messages of a shop have been read: conversation by conversation, in the order of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub conversation: i64,
    /// The last message of it that has been read.
    pub seq: Seq,
}

/// A message with its conversation's buyer.
pub type Said = (Arc<Person>, messages::Record);

/// At most `limit` messages after `place`, in the order of conversation and `seq`; and the place behind them, where there may be more.
pub fn messages(
    db: &mut Db,
    people: &mut People,
    shop: ShopId,
    span: Span,
    mut place: Place,
    limit: usize,
) -> QueryResult<(Vec<Said>, Option<Place>)> {
    let first = if place.seq > 0 { place.conversation } else { place.conversation + 1 };
    let ids: Vec<i64> = c::table
        .filter(c::shop_id.eq(shop.0).and(c::id.ge(first)))
        .filter(conversations::active_since(span.from).and(c::created_at.lt(span.to.0)))
        .order(c::id)
        .limit(limit as i64)
        .select(c::id)
        .load(db)?;
    let (mut page, mut left) = (Vec::new(), limit);
    let is_last = ids.len() < limit;
    for id in ids {
        let after = if id == place.conversation { place.seq } else { 0 };
        place = Place { conversation: id, seq: after };
        let Some(conversation) = conversations::load(db, people, ConversationId(id))? else { continue };
        let (records, more) = messages::history(db, people, &conversation, None, Some(after), left)?;
        left -= records.len();
        place.seq = records.last().map_or(after, |record| record.message.seq);
        let buyer = conversation.first_person();
        page.extend(records.into_iter().filter(|r| span.holds(r.message.at)).map(|record| (buyer.clone(), record)));
        if more || left == 0 {
            return Ok((page, Some(place)));
        }
        place.seq = 0;
    }
    Ok((page, (!is_last).then_some(place)))
}

/// A ticket with its people: the buyer, and who claimed it first and last, answered and resolved it.
pub type Ticket = (tickets::Row, Arc<Person>, [Option<Arc<Person>>; 4]);

/// At most `limit` of the tickets that were opened in the span, the latest first, after the one of this time, conversation and number.
pub fn tickets(
    db: &mut Db,
    people: &mut People,
    shop: ShopId,
    span: Span,
    after: Option<[i64; 3]>,
    limit: usize,
) -> QueryResult<Vec<Ticket>> {
    let sought = tickets::Sought { from: Some(span.from), to: Some(span.to), ..Default::default() };
    let rows = tickets::page(db, shop, &sought, after, limit as i64)?;
    let with_people = |tickets::Listed { row, buyer, .. }: tickets::Listed| {
        let buyer = people.person(db, buyer)?;
        let mut somebody = |id: Option<i64>| id.map(|id| people.person(db, UserId(id))).transpose();
        let (first, last) = (somebody(row.claimed_by)?, somebody(row.last_claimed_by)?);
        let others = [first, last, somebody(row.answered_by)?, somebody(row.resolved_by)?];
        Ok((row, buyer, others))
    };
    rows.into_iter().map(with_people).collect()
}

/// An administrative act.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub struct Act {
    pub id: i64,
    pub at: i64,
    pub by_user: i64,
    pub address: Option<String>,
    pub what: String,
    pub subject: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// At most `limit` of a shop's acts in the span after the one of this number, with who did it, the first before the others.
pub fn acts(
    db: &mut Db,
    people: &mut People,
    shop: ShopId,
    span: Span,
    after: i64,
    limit: usize,
) -> QueryResult<Vec<(Act, Arc<Person>)>> {
    let rows: Vec<Act> = audit::table
        .filter(audit::shop_id.eq(shop.0).and(audit::id.gt(after)))
        .filter(audit::at.ge(span.from.0).and(audit::at.lt(span.to.0)))
        .order(audit::id)
        .limit(limit as i64)
        .select(Act::as_select())
        .load(db)?;
    let with_person = |act: Act| {
        let by = people.person(db, UserId(act.by_user))?;
        Ok((act, by))
    };
    rows.into_iter().map(with_person).collect()
}
