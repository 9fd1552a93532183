//! `users`: everyone who has ever been named.

use std::{collections::BTreeSet, sync::Arc};

use diesel::prelude::*;

use super::{
    Db,
    backend::{Both, columns},
    schema::users,
    unnest::unnest,
};
use crate::domain::{
    ids::{Timestamp, UserId, is_name},
    people::Person,
};

/// A user with what only the server may know.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: i64,
    pub uid: String,
    pub name: String,
    pub avatar: Option<String>,
    pub password_hash: Option<String>,
    pub operator: bool,
    pub created_by_shop: Option<i64>,
    /// Seconds since 1970: tokens issued before are refused. 0: none is.
    pub tokens_after: i64,
    /// A login with the password is good for nothing but changing it.
    pub must_change_password: bool,
}

impl User {
    pub fn person(&self) -> Arc<Person> {
        Arc::new(Person {
            id: UserId(self.id),
            uid: self.uid.as_str().into(),
            name: self.name.as_str().into(),
            avatar: self.avatar.as_deref().map(Arc::from),
        })
    }
}

pub fn by_uid(db: &mut Db, uid: &str) -> QueryResult<Option<User>> {
    if !is_name(uid) {
        return Ok(None);
    }
    users::table.filter(users::uid.eq(uid)).select(User::as_select()).first(db).optional()
}

pub fn by_id(db: &mut Db, id: UserId) -> QueryResult<Option<User>> {
    users::table.find(id.0).select(User::as_select()).first(db).optional()
}

/// Those of these numbers.
pub fn of_ids(db: &mut Db, ids: &BTreeSet<UserId>) -> QueryResult<Vec<User>> {
    let ids = ids.iter().map(|id| id.0);
    match db {
        Db::Postgres(db) => {
            users::table.filter(users::id.eq_any(ids.collect::<Vec<_>>())).select(User::as_select()).load(db)
        }
        Db::Sqlite(_) => ids.filter_map(|id| by_id(db, UserId(id)).transpose()).collect(),
    }
}

/// Those of these `uid`s.
pub fn of_uids(db: &mut Db, uids: &BTreeSet<Arc<str>>) -> QueryResult<Vec<User>> {
    let uids = uids.iter().map(|uid| &**uid);
    match db {
        Db::Postgres(db) => {
            users::table.filter(users::uid.eq_any(uids.collect::<Vec<_>>())).select(User::as_select()).load(db)
        }
        Db::Sqlite(_) => uids.filter_map(|uid| by_uid(db, uid).transpose()).collect(),
    }
}

/// The user of this `uid`, made if there is none. A given name or avatar replaces the stored one; a new user without a name goes
/// by its `uid`.
pub fn refresh(db: &mut Db, uid: &str, name: Option<&str>, avatar: Option<&str>, now: Timestamp) -> QueryResult<User> {
    if let Some(mut user) = by_uid(db, uid)? {
        let name = name.filter(|name| *name != user.name);
        let avatar = avatar.filter(|avatar| Some(*avatar) != user.avatar.as_deref());
        let target = users::table.find(user.id);
        if let Some(name) = name {
            diesel::update(target).set(users::name.eq(name)).execute(db)?;
            user.name = name.to_owned();
        }
        if let Some(avatar) = avatar {
            diesel::update(target).set(users::avatar.eq(avatar)).execute(db)?;
            user.avatar = Some(avatar.to_owned());
        }
        return Ok(user);
    }
    let values = (
        users::uid.eq(uid),
        users::name.eq(name.unwrap_or(uid)),
        users::avatar.eq(avatar),
        users::created_at.eq(now.0),
    );
    let insert = diesel::insert_into(users::table).values(values).on_conflict_do_nothing();
    match Both(insert.returning(columns::<User>())).get_result(db).optional()? {
        Some(user) => Ok(user),
        // Another node has made the same user at this moment.
        None => by_uid(db, uid)?.ok_or(diesel::result::Error::NotFound),
    }
}

/// Somebody who may be here for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Newcomer {
    pub uid: Arc<str>,
    pub name: Option<String>,
    pub avatar: Option<String>,
}

/// Makes users of all of them who are none. A new user without a name goes by its `uid`.
pub fn welcome(db: &mut Db, newcomers: &[Newcomer], now: Timestamp) -> QueryResult<()> {
    let name = |newcomer: &'_ Newcomer| newcomer.name.as_deref().unwrap_or(&newcomer.uid).to_owned();
    match db {
        Db::Postgres(db) => {
            let names: Vec<String> = newcomers.iter().map(name).collect();
            unnest::<()>("INSERT INTO users (uid, name, avatar, created_at) SELECT * FROM")
                .column(newcomers.iter().map(|newcomer| &*newcomer.uid))
                .column(names.iter().map(String::as_str))
                .column(newcomers.iter().map(|newcomer| newcomer.avatar.as_deref()))
                .column(newcomers.iter().map(|_| now.0))
                .then("ON CONFLICT DO NOTHING")
                .execute(db)
                .map(drop)
        }
        Db::Sqlite(db) => newcomers.iter().try_for_each(|newcomer| {
            let values = (
                users::uid.eq(&*newcomer.uid),
                users::name.eq(name(newcomer)),
                users::avatar.eq(newcomer.avatar.as_deref()),
                users::created_at.eq(now.0),
            );
            diesel::insert_into(users::table).values(values).on_conflict_do_nothing().execute(db).map(drop)
        }),
    }
}

/// Makes many new users at once, with the numbers that they have.
pub fn insert_all(db: &mut Db, people: &[Arc<Person>], now: Timestamp) -> QueryResult<()> {
    let row = |person: &Arc<Person>| {
        let (uid, name) = (users::uid.eq(person.uid.to_string()), users::name.eq(person.name.to_string()));
        let avatar = users::avatar.eq(person.avatar.as_deref().map(str::to_owned));
        (users::id.eq(person.id.0), uid, name, avatar, users::created_at.eq(now.0))
    };
    let mut rows = people.iter().map(row);
    match db {
        Db::Postgres(db) => diesel::insert_into(users::table).values(rows.collect::<Vec<_>>()).execute(db).map(drop),
        Db::Sqlite(db) => rows.try_for_each(|row| diesel::insert_into(users::table).values(row).execute(db).map(drop)),
    }
}

/// Sets a password that need not be changed.
pub fn set_password(db: &mut Db, id: UserId, hash: &str) -> QueryResult<()> {
    let values = (users::password_hash.eq(hash), users::must_change_password.eq(false));
    diesel::update(users::table.find(id.0)).set(values).execute(db).map(drop)
}

pub fn set_must_change_password(db: &mut Db, id: UserId, must: bool) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::must_change_password.eq(must)).execute(db).map(drop)
}

pub fn set_name(db: &mut Db, id: UserId, name: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::name.eq(name)).execute(db).map(drop)
}

pub fn set_operator(db: &mut Db, id: UserId) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::operator.eq(true)).execute(db).map(drop)
}

pub fn set_created_by(db: &mut Db, id: UserId, shop: i64) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::created_by_shop.eq(shop)).execute(db).map(drop)
}

/// Refuses this user's tokens issued before `seconds` (since 1970).
pub fn revoke_tokens(db: &mut Db, id: UserId, seconds: i64) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::tokens_after.eq(seconds)).execute(db).map(drop)
}
