//! `timeline`: who opened, claimed, transferred, released and resolved a conversation, and when.

use std::sync::Arc;

use diesel::prelude::*;

use super::{Db, people::People, schema::timeline as t, unnest::unnest};
use crate::domain::{
    conversation::Cause,
    ids::{ConversationId, Timestamp, UserId},
    people::Person,
};

/// One change of state or claim.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: i64,
    pub at: Timestamp,
    pub cause: String,
    pub by: Arc<Person>,
    pub from: Option<Arc<Person>>,
    pub to: Option<Arc<Person>>,
    pub claim_version: i64,
    pub ticket: i64,
}

/// A change that is to be noted.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub conversation: ConversationId,
    pub at: Timestamp,
    pub cause: Cause,
    pub by: UserId,
    pub from: Option<UserId>,
    pub to: Option<UserId>,
    pub claim_version: i64,
    pub ticket: i64,
}

/// Adds changes, each at the end of its conversation's.
pub fn insert(db: &mut Db, new: &[New]) -> QueryResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let Db::Postgres(db) = db else { return new.iter().try_for_each(|new| insert_one(db, new)) };
    unnest::<()>(
        "INSERT INTO timeline (conversation_id, position, at, cause, by_user, from_user, to_user, claim_version, ticket) \
         SELECT k.c, row_number() OVER (PARTITION BY k.c ORDER BY k.n) \
         + COALESCE((SELECT max(t.position) FROM timeline t WHERE t.conversation_id = k.c), 0), \
         k.at, k.cause, k.by_user, k.from_user, k.to_user, k.claim_version, k.ticket FROM",
    )
    .column((0..).take(new.len()).map(|n: i64| n))
    .column(new.iter().map(|new| new.conversation.0))
    .column(new.iter().map(|new| new.at.0))
    .column(new.iter().map(|new| new.cause.as_str()))
    .column(new.iter().map(|new| new.by.0))
    .column(new.iter().map(|new| new.from.map(|id| id.0)))
    .column(new.iter().map(|new| new.to.map(|id| id.0)))
    .column(new.iter().map(|new| new.claim_version))
    .column(new.iter().map(|new| new.ticket))
    .then("AS k (n, c, at, cause, by_user, from_user, to_user, claim_version, ticket)")
    .execute(db)
    .map(drop)
}

fn insert_one(db: &mut Db, new: &New) -> QueryResult<()> {
    let last: Option<i64> =
        t::table.filter(t::conversation_id.eq(new.conversation.0)).select(diesel::dsl::max(t::position)).first(db)?;
    let values = (
        t::conversation_id.eq(new.conversation.0),
        t::position.eq(last.unwrap_or(0) + 1),
        t::at.eq(new.at.0),
        t::cause.eq(new.cause.as_str()),
        t::by_user.eq(new.by.0),
        t::from_user.eq(new.from.map(|id| id.0)),
        t::to_user.eq(new.to.map(|id| id.0)),
        t::claim_version.eq(new.claim_version),
        t::ticket.eq(new.ticket),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

/// A page of changes after position `after`, the oldest first.
pub fn page(db: &mut Db, conversation: ConversationId, after: i64, limit: i64) -> QueryResult<Vec<Entry>> {
    type Row = (i64, i64, String, i64, Option<i64>, Option<i64>, i64, i64);
    let columns = (t::position, t::at, t::cause, t::by_user, t::from_user, t::to_user, t::claim_version, t::ticket);
    let rows: Vec<Row> = t::table
        .filter(t::conversation_id.eq(conversation.0).and(t::position.gt(after)))
        .order(t::position)
        .limit(limit)
        .select(columns)
        .load(db)?;
    let mut people = People::default();
    let mut entries = Vec::with_capacity(rows.len());
    for (position, at, cause, by, from, to, claim_version, ticket) in rows {
        let mut person = |id: Option<i64>| id.map(|id| people.person(db, UserId(id))).transpose();
        let (from, to) = (person(from)?, person(to)?);
        let by = people.person(db, UserId(by))?;
        entries.push(Entry { position, at: Timestamp(at), cause, by, from, to, claim_version, ticket });
    }
    Ok(entries)
}
