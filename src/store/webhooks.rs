//! `webhooks`: endpoints of shops, to which what happens is posted.

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{
    Db,
    backend::{Both, columns},
    deliveries,
    schema::webhooks as t,
};
use crate::domain::{
    event::{Position, Types},
    ids::{ShopId, Timestamp},
    webhook::Health,
};

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub shop_id: i64,
    pub url: String,
    types: String,
    secret: String,
    old_secret: Option<String>,
    pub old_until: Option<i64>,
    /// Events up to here have been taken.
    pub position: Position,
    pub disabled: bool,
    failing_since: Option<i64>,
    switched_off_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Row {
    pub fn shop(&self) -> ShopId {
        ShopId(self.shop_id)
    }

    pub fn types(&self) -> Types {
        Types::parse(&self.types).unwrap_or_default()
    }

    pub fn health(&self) -> Health {
        Health {
            failing_since: self.failing_since.map(Timestamp),
            switched_off_at: self.switched_off_at.map(Timestamp),
        }
    }

    /// What is sent now is signed with each of these.
    pub fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let old = self.old_secret.as_deref().filter(|_| self.old_until.is_some_and(|until| now.0 < until));
        [Some(&*self.secret), old].into_iter().flatten().collect()
    }

    pub fn is_on(&self) -> bool {
        !self.disabled && self.switched_off_at.is_none()
    }
}

/// What may be changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub url: Option<String>,
    pub types: Option<Types>,
    pub disabled: Option<bool>,
}

/// A new one is told what happens after `position`.
pub fn insert(
    db: &mut Db,
    shop: ShopId,
    (url, types, secret): (&str, &Types, &str),
    position: Position,
    now: Timestamp,
) -> QueryResult<Row> {
    let values = (
        t::shop_id.eq(shop.0),
        t::url.eq(url),
        t::types.eq(types.to_string()),
        t::secret.eq(secret),
        t::position.eq(position),
        t::created_at.eq(now.0),
        t::updated_at.eq(now.0),
    );
    Both(diesel::insert_into(t::table).values(values).returning(columns::<Row>())).get_result(db)
}

pub fn by_id(db: &mut Db, id: i64) -> QueryResult<Option<Row>> {
    t::table.find(id).select(Row::as_select()).first(db).optional()
}

/// The same, for a transaction that changes what waits for it: until its end nobody else does.
pub fn lock(db: &mut Db, id: i64) -> QueryResult<Option<Row>> {
    match db {
        Db::Postgres(db) => t::table.find(id).select(Row::as_select()).for_no_key_update().first(db).optional(),
        Db::Sqlite(_) => by_id(db, id),
    }
}

pub fn find(db: &mut Db, shop: ShopId, id: i64) -> QueryResult<Option<Row>> {
    t::table.find(id).filter(t::shop_id.eq(shop.0)).select(Row::as_select()).first(db).optional()
}

/// A shop's endpoints after the one of number `after`, in the order of their making.
pub fn page(db: &mut Db, shop: ShopId, after: i64, limit: i64) -> QueryResult<Vec<Row>> {
    let of_shop = t::table.filter(t::shop_id.eq(shop.0).and(t::id.gt(after)));
    of_shop.order(t::id).limit(limit).select(Row::as_select()).load(db)
}

pub fn count(db: &mut Db, shop: ShopId) -> QueryResult<i64> {
    t::table.filter(t::shop_id.eq(shop.0)).count().get_result(db)
}

/// What is wrong with a shop's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// At which nothing has arrived lately.
    pub failing: i64,
    /// Those that were given up.
    pub switched_off: i64,
    /// Events that wait to be looked at, at all of them.
    pub dead_letters: i64,
}

pub fn troubles(db: &mut Db, shop: ShopId) -> QueryResult<Troubles> {
    let rows: Vec<Row> = t::table.filter(t::shop_id.eq(shop.0)).select(Row::as_select()).load(db)?;
    let in_use = || rows.iter().filter(|row| !row.disabled);
    let switched_off = in_use().filter(|row| row.switched_off_at.is_some()).count() as i64;
    let failing = in_use().filter(|row| row.switched_off_at.is_none() && row.failing_since.is_some()).count() as i64;
    let dead_letters = deliveries::count_dead(db, rows.iter().map(|row| row.id).collect())?;
    Ok(Troubles { failing, switched_off, dead_letters })
}

/// All there are.
pub fn all(db: &mut Db) -> QueryResult<Vec<i64>> {
    t::table.order(t::id).select(t::id).load(db)
}

/// Endpoints that are on and have something to do: events that were not taken yet, or that wait.
pub fn busy(db: &mut Db) -> QueryResult<Vec<i64>> {
    let has_work = sql::<Bool>(
        "(EXISTS (SELECT 1 FROM event_positions p WHERE p.shop_id = webhooks.shop_id AND p.last > webhooks.position) \
         OR EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = webhooks.id AND d.dead_at IS NULL))",
    );
    let on = t::disabled.eq(false).and(t::switched_off_at.is_null());
    t::table.filter(on.and(has_work)).order(t::id).select(t::id).load(db)
}

/// An endpoint that is set to be on begins anew: how long it has failed is forgotten.
pub fn update(db: &mut Db, id: i64, change: &Change, now: Timestamp) -> QueryResult<()> {
    let target = t::table.find(id);
    diesel::update(target).set(t::updated_at.eq(now.0)).execute(db)?;
    if let Some(url) = &change.url {
        diesel::update(target).set(t::url.eq(url)).execute(db)?;
    }
    if let Some(types) = &change.types {
        diesel::update(target).set(t::types.eq(types.to_string())).execute(db)?;
    }
    if let Some(disabled) = change.disabled {
        diesel::update(target).set(t::disabled.eq(disabled)).execute(db)?;
        if !disabled {
            set_health(db, id, Health::default())?;
        }
    }
    Ok(())
}

/// Signs with this secret from now on, and until `until` with the one before too.
pub fn rotate(db: &mut Db, id: i64, secret: &str, until: Timestamp, now: Timestamp) -> QueryResult<()> {
    let old: String = t::table.find(id).select(t::secret).first(db)?;
    let values =
        (t::secret.eq(secret), t::old_secret.eq(Some(old)), t::old_until.eq(Some(until.0)), t::updated_at.eq(now.0));
    diesel::update(t::table.find(id)).set(values).execute(db).map(drop)
}

pub fn set_health(db: &mut Db, id: i64, health: Health) -> QueryResult<()> {
    let values = (
        t::failing_since.eq(health.failing_since.map(|at| at.0)),
        t::switched_off_at.eq(health.switched_off_at.map(|at| at.0)),
    );
    diesel::update(t::table.find(id)).set(values).execute(db).map(drop)
}

pub(super) fn set_position(db: &mut Db, id: i64, position: Position) -> QueryResult<()> {
    diesel::update(t::table.find(id)).set(t::position.eq(position)).execute(db).map(drop)
}

/// With all that waits for it.
pub fn delete(db: &mut Db, id: i64) -> QueryResult<()> {
    deliveries::delete_all(db, id)?;
    diesel::delete(t::table.find(id)).execute(db).map(drop)
}
