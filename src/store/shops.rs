//! `shops`: the tenants.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;

use super::{
    Db,
    backend::{Both, columns},
    schema::shops,
};
use crate::domain::{
    ids::{ShopId, Timestamp, is_name},
    people::Shop,
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = shops)]
pub struct Row {
    pub id: i64,
    pub shop: String,
    pub name: String,
    /// A JSON array of strings.
    pub origins: String,
    pub created_at: i64,
    /// An IANA name.
    pub time_zone: String,
    /// Working hours in that zone, as JSON.
    pub hours: String,
    pub disabled: bool,
    /// For how many days messages and files are kept; `None`: for ever.
    pub retention_messages: Option<i32>,
    pub retention_files: Option<i32>,
    /// The `uid` of the bot that gets new conversations first.
    pub bot: Option<String>,
}

/// What may be changed of a shop; `Some(None)` of a retention means for ever, of a bot none.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = shops)]
pub struct Change {
    pub name: Option<String>,
    pub origins: Option<String>,
    pub time_zone: Option<String>,
    pub hours: Option<String>,
    pub disabled: Option<bool>,
    pub retention_messages: Option<Option<i32>>,
    pub retention_files: Option<Option<i32>>,
    pub bot: Option<Option<String>>,
}

impl Row {
    pub fn shop(&self) -> Arc<Shop> {
        Arc::new(Shop { id: ShopId(self.id), shop: self.shop.as_str().into(), name: self.name.as_str().into() })
    }
}

pub fn by_id(db: &mut Db, id: ShopId) -> QueryResult<Option<Row>> {
    shops::table.find(id.0).select(Row::as_select()).first(db).optional()
}

/// PostgreSQL takes no U+0000: what is no name is not asked for.
pub fn by_name(db: &mut Db, shop: &str) -> QueryResult<Option<Row>> {
    if !is_name(shop) {
        return Ok(None);
    }
    shops::table.filter(shops::shop.eq(shop)).select(Row::as_select()).first(db).optional()
}

/// Those of these numbers.
pub fn of_ids(db: &mut Db, ids: &BTreeSet<ShopId>) -> QueryResult<Vec<Row>> {
    let ids = ids.iter().map(|id| id.0);
    match db {
        Db::Postgres(db) => {
            shops::table.filter(shops::id.eq_any(ids.collect::<Vec<_>>())).select(Row::as_select()).load(db)
        }
        Db::Sqlite(_) => ids.filter_map(|id| by_id(db, ShopId(id)).transpose()).collect(),
    }
}

/// Those of these names.
pub fn of_names(db: &mut Db, names: &BTreeSet<Arc<str>>) -> QueryResult<Vec<Row>> {
    let names = names.iter().map(|name| &**name);
    match db {
        Db::Postgres(db) => {
            shops::table.filter(shops::shop.eq_any(names.collect::<Vec<_>>())).select(Row::as_select()).load(db)
        }
        Db::Sqlite(_) => names.filter_map(|name| by_name(db, name).transpose()).collect(),
    }
}

/// The same, by their names; what can be no name is none's.
pub fn by_names(db: &mut Db, names: &[Arc<str>]) -> QueryResult<HashMap<Arc<str>, Arc<Shop>>> {
    let rows = of_names(db, &names.iter().filter(|name| is_name(name)).cloned().collect())?;
    Ok(rows.iter().map(|row| (row.shop.as_str().into(), row.shop())).collect())
}

pub fn is_disabled(db: &mut Db, id: ShopId) -> QueryResult<bool> {
    Ok(shops::table.find(id.0).select(shops::disabled).first(db).optional()?.unwrap_or(false))
}

/// Shops after `after` in the order of their making.
pub fn page(db: &mut Db, after: i64, limit: i64) -> QueryResult<Vec<Row>> {
    shops::table.filter(shops::id.gt(after)).order(shops::id).limit(limit).select(Row::as_select()).load(db)
}

/// The new shop, or `None` where the name is taken.
pub fn insert(db: &mut Db, shop: &str, name: &str, origins: &str, now: Timestamp) -> QueryResult<Option<Row>> {
    let values = (shops::shop.eq(shop), shops::name.eq(name), shops::origins.eq(origins), shops::created_at.eq(now.0));
    let insert = diesel::insert_into(shops::table).values(values).on_conflict_do_nothing();
    Both(insert.returning(columns::<Row>())).get_result(db).optional()
}

pub fn update(db: &mut Db, id: ShopId, change: &Change) -> QueryResult<()> {
    diesel::update(shops::table.find(id.0)).set(change).execute(db).optional_empty_changeset().map(drop)
}

/// The bot is gone: it gets no conversations any more.
pub fn forget_bot(db: &mut Db, id: ShopId, uid: &str) -> QueryResult<()> {
    let its_bot = shops::table.filter(shops::id.eq(id.0).and(shops::bot.eq(uid)));
    diesel::update(its_bot).set(shops::bot.eq(None::<String>)).execute(db).map(drop)
}

/// The `origins` of every shop that has some.
pub fn all_origins(db: &mut Db) -> QueryResult<Vec<String>> {
    shops::table.filter(shops::origins.ne("[]")).select(shops::origins).load(db)
}
