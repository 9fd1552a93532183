//! `files`: what users have uploaded.

use diesel::prelude::*;

use super::{Db, schema::files as t};
use crate::domain::ids::{Timestamp, UserId};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub key: String,
    pub name: String,
    pub mime: String,
    pub size: i64,
    /// `None` where the bytes lie in the directory `files.url`.
    pub bytes: Option<Vec<u8>>,
}

pub fn insert(db: &mut Db, file: &Row, owner: UserId, now: Timestamp) -> QueryResult<()> {
    let values = (
        t::key.eq(&file.key),
        t::name.eq(&file.name),
        t::mime.eq(&file.mime),
        t::size.eq(file.size),
        t::bytes.eq(file.bytes.as_deref()),
        t::owner_id.eq(owner.0),
        t::created_at.eq(now.0),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

pub fn find(db: &mut Db, key: &str) -> QueryResult<Option<Row>> {
    t::table.find(key).select(Row::as_select()).first(db).optional()
}
