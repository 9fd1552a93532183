//! `audit`: every administrative act. Rows are added and never changed.

use diesel::prelude::*;

use super::{
    Db,
    backend::MultiBackend,
    schema::{audit as t, users},
};
use crate::domain::ids::{ShopId, Timestamp, UserId};

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
