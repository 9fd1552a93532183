//! `audit`: every administrative act. Rows are added and never changed.

use diesel::prelude::*;

use super::{Db, schema::audit as t};
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
