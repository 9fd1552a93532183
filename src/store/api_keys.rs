//! `api_keys`: keys for a shop's programs. What is revoked stays in the list.

use diesel::prelude::*;

use super::{
    Db,
    backend::{Both, columns},
    schema::{api_keys as t, users},
    users::User,
};
use crate::domain::{
    ids::{ShopId, Timestamp, UserId},
    scope::Scope,
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub shop_id: i64,
    /// Who acts with it.
    pub user_id: i64,
    pub made_by: i64,
    pub name: String,
    /// The key's last letters.
    pub hint: String,
    scopes: String,
    pub created_at: i64,
    pub used_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

impl Row {
    /// A word that this program does not know is good for nothing.
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.split(' ').filter_map(Scope::parse).collect()
    }
}

/// What a new one says.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    pub user: UserId,
    pub made_by: UserId,
    pub name: &'a str,
    pub hash: &'a str,
    pub hint: &'a str,
    pub scopes: &'a [Scope],
}

pub fn insert(db: &mut Db, shop: ShopId, new: New<'_>, now: Timestamp) -> QueryResult<Row> {
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let values = (
        t::shop_id.eq(shop.0),
        t::user_id.eq(new.user.0),
        t::made_by.eq(new.made_by.0),
        t::name.eq(new.name),
        t::hash.eq(new.hash),
        t::hint.eq(new.hint),
        t::scopes.eq(scopes.join(" ")),
        t::created_at.eq(now.0),
    );
    Both(diesel::insert_into(t::table).values(values).returning(columns::<Row>())).get_result(db)
}

/// The key of this hash, if it is not revoked, with the `uid` of who acts with it.
pub fn by_hash(db: &mut Db, hash: &str) -> QueryResult<Option<(Row, String)>> {
    t::table
        .inner_join(users::table.on(users::id.eq(t::user_id)))
        .filter(t::hash.eq(hash).and(t::revoked_at.is_null()))
        .select((Row::as_select(), users::uid))
        .first(db)
        .optional()
}

pub fn find(db: &mut Db, shop: ShopId, id: i64) -> QueryResult<Option<(Row, User)>> {
    t::table
        .inner_join(users::table.on(users::id.eq(t::user_id)))
        .filter(t::id.eq(id).and(t::shop_id.eq(shop.0)))
        .select((Row::as_select(), User::as_select()))
        .first(db)
        .optional()
}

/// A shop's keys after the one of number `after`, in the order of their making.
pub fn page(db: &mut Db, shop: ShopId, after: i64, limit: i64) -> QueryResult<Vec<(Row, User)>> {
    t::table
        .inner_join(users::table.on(users::id.eq(t::user_id)))
        .filter(t::shop_id.eq(shop.0).and(t::id.gt(after)))
        .order(t::id)
        .limit(limit)
        .select((Row::as_select(), User::as_select()))
        .load(db)
}

/// How many of a shop's keys are good.
pub fn count(db: &mut Db, shop: ShopId) -> QueryResult<i64> {
    t::table.filter(t::shop_id.eq(shop.0).and(t::revoked_at.is_null())).count().get_result(db)
}

/// False where it was revoked before.
pub fn revoke(db: &mut Db, id: i64, now: Timestamp) -> QueryResult<bool> {
    let good = t::table.find(id).filter(t::revoked_at.is_null());
    Ok(diesel::update(good).set(t::revoked_at.eq(now.0)).execute(db)? == 1)
}

/// Notes that a key has been used.
pub fn used(db: &mut Db, id: i64, now: Timestamp) -> QueryResult<()> {
    diesel::update(t::table.find(id)).set(t::used_at.eq(now.0)).execute(db).map(drop)
}
