//! `replies`: canned replies, a shop's and each agent's own.

use diesel::prelude::*;

use super::{
    Db,
    backend::{Both, MultiBackend, columns, lower},
    schema::replies,
};
use crate::domain::ids::{ShopId, Timestamp, UserId};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = replies)]
pub struct Row {
    pub id: i64,
    pub shop_id: i64,
    /// The agent whose own it is; `None`: the whole shop's.
    pub owner_id: Option<i64>,
    /// Empty for those in no group.
    pub group: String,
    pub shortcut: String,
    pub text: String,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What may be changed.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = replies)]
pub struct Change {
    pub group: Option<String>,
    pub shortcut: Option<String>,
    pub text: Option<String>,
}

/// Where a page ends: by shortcut, those with the same in the order of their making.
pub type Cursor = (String, i64);

/// The shop's and those of `user`, after `after`; with `like`, a pattern in small letters, those which it fits.
pub fn page(
    db: &mut Db,
    shop: ShopId,
    user: UserId,
    like: Option<&str>,
    after: Option<&Cursor>,
    limit: i64,
) -> QueryResult<Vec<Row>> {
    let seen = replies::owner_id.is_null().or(replies::owner_id.eq(user.0));
    let mut query = replies::table
        .filter(replies::shop_id.eq(shop.0).and(seen))
        .select(Row::as_select())
        .into_boxed::<MultiBackend>();
    if let Some(like) = like {
        let fits = lower(replies::shortcut).like(like).escape('\\');
        let fits = fits.or(lower(replies::group).like(like).escape('\\'));
        query = query.filter(fits.or(lower(replies::text).like(like).escape('\\')));
    }
    if let Some((shortcut, id)) = after {
        let same = replies::shortcut.eq(shortcut).and(replies::id.gt(*id));
        query = query.filter(replies::shortcut.gt(shortcut).or(same));
    }
    query.order((replies::shortcut, replies::id)).limit(limit).load(db)
}

pub fn find(db: &mut Db, shop: ShopId, id: i64) -> QueryResult<Option<Row>> {
    replies::table.find(id).filter(replies::shop_id.eq(shop.0)).select(Row::as_select()).first(db).optional()
}

/// How many there are of an owner.
pub fn count(db: &mut Db, shop: ShopId, owner: Option<UserId>) -> QueryResult<i64> {
    of(shop, owner).count().get_result(db)
}

/// Another one of this owner with this shortcut.
pub fn is_taken(db: &mut Db, shop: ShopId, owner: Option<UserId>, shortcut: &str, but: i64) -> QueryResult<bool> {
    let others = of(shop, owner).filter(replies::shortcut.eq(shortcut).and(replies::id.ne(but)));
    Ok(others.select(replies::id).first::<i64>(db).optional()?.is_some())
}

fn of(shop: ShopId, owner: Option<UserId>) -> replies::BoxedQuery<'static, MultiBackend> {
    let all = replies::table.filter(replies::shop_id.eq(shop.0)).into_boxed();
    match owner {
        Some(owner) => all.filter(replies::owner_id.eq(owner.0)),
        None => all.filter(replies::owner_id.is_null()),
    }
}

/// What a new one says.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    pub group: &'a str,
    pub shortcut: &'a str,
    pub text: &'a str,
}

/// The new one, or `None` where its owner has one with this shortcut.
pub fn insert(
    db: &mut Db,
    shop: ShopId,
    owner: Option<UserId>,
    new: New<'_>,
    now: Timestamp,
) -> QueryResult<Option<Row>> {
    let values = (
        replies::shop_id.eq(shop.0),
        replies::owner_id.eq(owner.map(|owner| owner.0)),
        replies::group.eq(new.group),
        replies::shortcut.eq(new.shortcut),
        replies::text.eq(new.text),
        replies::created_at.eq(now.0),
        replies::updated_at.eq(now.0),
    );
    let insert = diesel::insert_into(replies::table).values(values).on_conflict_do_nothing();
    Both(insert.returning(columns::<Row>())).get_result(db).optional()
}

pub fn update(db: &mut Db, id: i64, change: &Change, now: Timestamp) -> QueryResult<()> {
    let values = (change, replies::updated_at.eq(now.0));
    diesel::update(replies::table.find(id)).set(values).execute(db).map(drop)
}

pub fn delete(db: &mut Db, id: i64) -> QueryResult<()> {
    diesel::delete(replies::table.find(id)).execute(db).map(drop)
}
