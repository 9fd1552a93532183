//! `leases`: works that one does at a time, on whatever node. Whoever has one and is gone loses it after a while. Nothing is wrong where two
//! have the same for a moment, since clocks differ: it spares work, and guards nothing.

use diesel::prelude::*;

use super::{Db, backend::Both, schema::leases as t};
use crate::domain::ids::Timestamp;

/// Takes a lease, or keeps it, until `until`; false where somebody else has it.
pub fn take(db: &mut Db, name: &str, holder: i64, now: Timestamp, until: Timestamp) -> QueryResult<bool> {
    let free = t::holder.eq(holder).or(t::until.lt(now.0));
    let set = (t::holder.eq(holder), t::until.eq(until.0));
    if diesel::update(t::table.find(name).filter(free)).set(set).execute(db)? == 1 {
        return Ok(true);
    }
    let values = (t::name.eq(name), t::holder.eq(holder), t::until.eq(until.0));
    Ok(Both(diesel::insert_into(t::table).values(values).on_conflict_do_nothing()).execute(db)? == 1)
}

/// Those that somebody has.
pub fn held(db: &mut Db, now: Timestamp) -> QueryResult<Vec<String>> {
    t::table.filter(t::until.ge(now.0)).select(t::name).load(db)
}

/// Gives a lease back.
pub fn leave(db: &mut Db, name: &str, holder: i64) -> QueryResult<()> {
    diesel::delete(t::table.find(name).filter(t::holder.eq(holder))).execute(db).map(drop)
}
