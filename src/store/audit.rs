//! `audit`: every administrative act. Rows are added, and never removed. They change in one case: of a message whose content must be kept
//! nowhere any more, they keep nothing of it either.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::{
    Db,
    backend::MultiBackend,
    schema::{audit as t, users},
};
use crate::domain::{
    content::DELETED,
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
};

/// What was done: `before` and `after` are JSON.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    pub shop: Option<ShopId>,
    pub by: UserId,
    pub address: Option<&'a str>,
    pub what: &'a str,
    pub subject: &'a str,
    pub before: Option<String>,
    pub after: Option<String>,
}

pub fn insert(db: &mut Db, act: &Act<'_>, at: Timestamp) -> QueryResult<()> {
    let values = (
        t::at.eq(at.0),
        t::shop_id.eq(act.shop.map(|shop| shop.0)),
        t::by_user.eq(act.by.0),
        t::address.eq(act.address),
        t::what.eq(act.what),
        t::subject.eq(act.subject),
        t::before.eq(act.before.as_deref()),
        t::after.eq(act.after.as_deref()),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub at: i64,
    pub shop_id: Option<i64>,
    pub by_user: i64,
    pub address: Option<String>,
    pub what: String,
    pub subject: String,
    /// JSON.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// With the `uid` and the name of who did it.
pub type Found = (Row, String, String);

/// Which acts.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of the user of this `uid`.
    pub by: Option<String>,
    /// `agent.changed`, or `agent` for all that begin with `agent.`.
    pub what: Option<String>,
    /// At or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A shop's acts before the one of number `before`, the latest first.
pub fn page(db: &mut Db, shop: ShopId, filter: &Filter, before: Option<i64>, limit: i64) -> QueryResult<Vec<Found>> {
    let mut query = t::table
        .inner_join(users::table)
        .filter(t::shop_id.eq(shop.0))
        .select((Row::as_select(), users::uid, users::name))
        .into_boxed::<MultiBackend>();
    if let Some(by) = &filter.by {
        query = query.filter(users::uid.eq(by));
    }
    if let Some(what) = &filter.what {
        // `/` comes next after `.`.
        let group = t::what.gt(format!("{what}.")).and(t::what.lt(format!("{what}/")));
        query = query.filter(t::what.eq(what).or(group));
    }
    if let Some(from) = filter.from {
        query = query.filter(t::at.ge(from.0));
    }
    if let Some(to) = filter.to {
        query = query.filter(t::at.lt(to.0));
    }
    if let Some(before) = before {
        query = query.filter(t::id.lt(before));
    }
    query.order(t::id.desc()).limit(limit).load(db)
}

/// The subject of acts on a message: `17/4`. No `uid` and no shop's name has a slash.
pub fn message((conversation, seq): (ConversationId, Seq)) -> String {
    format!("{conversation}/{seq}")
}

/// Puts a tombstone in the place of what acts on these messages have noted of their contents.
pub fn erase(db: &mut Db, messages: &BTreeSet<(ConversationId, Seq)>) -> QueryResult<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let subjects: Vec<String> = messages.iter().copied().map(message).collect();
    let noted = t::subject.eq_any(subjects).and(t::what.like("message.%"));
    diesel::update(t::table.filter(noted.clone().and(t::before.is_not_null())))
        .set(t::before.eq(DELETED))
        .execute(db)?;
    diesel::update(t::table.filter(noted.and(t::after.is_not_null()))).set(t::after.eq(DELETED)).execute(db).map(drop)
}
