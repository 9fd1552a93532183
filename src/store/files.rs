//! `files`: what users have uploaded.

use std::path::{Path, PathBuf};

use diesel::prelude::*;

use super::{Db, schema::files as t};
use crate::domain::{
    event::File,
    ids::{Timestamp, UserId},
};

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

/// A file that has not been removed.
pub fn find(db: &mut Db, key: &str) -> QueryResult<Option<Row>> {
    t::table.find(key).filter(t::removed_at.is_null()).select(Row::as_select()).first(db).optional()
}

/// The same without the bytes.
pub fn describe(db: &mut Db, key: &str) -> QueryResult<Option<File>> {
    let there = t::table.find(key).filter(t::removed_at.is_null());
    let row: Option<(String, String, i64)> = there.select((t::name, t::mime, t::size)).first(db).optional()?;
    Ok(row.map(|(name, mime, size)| File { key: key.into(), name: name.into(), mime: mime.into(), size }))
}

/// Removes a file: its bytes are gone, or nobody is given them any more until they are unlinked. True where there was one.
pub fn remove(db: &mut Db, key: &str, now: Timestamp) -> QueryResult<bool> {
    let there = t::table.filter(t::key.eq(key).and(t::removed_at.is_null()));
    let in_database = diesel::delete(there.filter(t::bytes.is_not_null())).execute(db)?;
    let in_directory = diesel::update(there).set(t::removed_at.eq(now.0)).execute(db)?;
    Ok(in_database + in_directory > 0)
}

/// Files that have been removed, and perhaps not unlinked yet.
pub fn removed(db: &mut Db, limit: usize) -> QueryResult<Vec<String>> {
    t::table.filter(t::removed_at.is_not_null()).limit(limit as i64).select(t::key).load(db)
}

/// These have been unlinked.
pub fn unlinked(db: &mut Db, keys: &[String]) -> QueryResult<()> {
    diesel::delete(t::table.filter(t::key.eq_any(keys).and(t::removed_at.is_not_null()))).execute(db).map(drop)
}

/// Where a file lies. The key is hexadecimal, so nothing in it leaves the directory.
pub fn path_of(directory: &Path, key: &str) -> PathBuf {
    directory.join(key)
}
