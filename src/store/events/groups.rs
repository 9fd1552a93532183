//! `event_groups`, `group_events`: readers of a shop's events that share the work, and what they have not done yet.

use diesel::prelude::*;

use super::{Outside, Page, kept, scan};
use crate::{
    domain::{
        event::{Position, Types},
        event_group::{Pending, choose},
        ids::{ShopId, Timestamp},
    },
    store::{
        Db,
        schema::{event_groups as t, group_events as e},
    },
};

/// So many events are looked at for one who asks, those of subjects that somebody works on among them.
const WINDOW: usize = 1_000;
/// So often further events are looked at: where few are wanted, whoever asks next goes on from there.
const LOOKS: usize = 10;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub shop_id: i64,
    pub name: String,
    pub types: String,
    pub position: i64,
    pub created_at: i64,
}

impl Row {
    pub fn types(&self) -> Types {
        Types::parse(&self.types).unwrap_or_default()
    }

    fn shop(&self) -> ShopId {
        ShopId(self.shop_id)
    }
}

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// All up to here is done.
    pub done: Position,
    /// How many events have been given to somebody and are not done, and how many of them somebody has now.
    pub given: usize,
    pub held: usize,
    /// The last position there is.
    pub last: Position,
}

pub fn find(db: &mut Db, shop: ShopId, name: &str) -> QueryResult<Option<Row>> {
    let of = t::shop_id.eq(shop.0).and(t::name.eq(name));
    t::table.filter(of).select(Row::as_select()).first(db).optional()
}

/// The same for a transaction that writes: nobody else changes it until that ends.
pub fn take(db: &mut Db, shop: ShopId, name: &str) -> QueryResult<Option<Row>> {
    let of = t::shop_id.eq(shop.0).and(t::name.eq(name.to_owned()));
    match db {
        Db::Postgres(db) => t::table.filter(of).select(Row::as_select()).for_no_key_update().first(db).optional(),
        Db::Sqlite(db) => t::table.filter(of).select(Row::as_select()).first(db).optional(),
    }
}

/// A shop's groups after the one called `after`, by name.
pub fn page(db: &mut Db, shop: ShopId, after: &str, limit: usize) -> QueryResult<Vec<Row>> {
    t::table
        .filter(t::shop_id.eq(shop.0).and(t::name.gt(after)))
        .order(t::name)
        .limit(limit as i64)
        .select(Row::as_select())
        .load(db)
}

pub fn count(db: &mut Db, shop: ShopId) -> QueryResult<i64> {
    t::table.filter(t::shop_id.eq(shop.0)).count().get_result(db)
}

/// Makes a group that begins after a position. Somebody else may be making it: the unique name lets one of them.
pub fn insert(
    db: &mut Db,
    shop: ShopId,
    name: &str,
    types: &Types,
    position: Position,
    now: Timestamp,
) -> QueryResult<()> {
    let values = (
        t::shop_id.eq(shop.0),
        t::name.eq(name),
        t::types.eq(types.to_string()),
        t::position.eq(position),
        t::created_at.eq(now.0),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

/// What is told from now on; what is pending stays.
pub fn set_types(db: &mut Db, group: &Row, types: &Types) -> QueryResult<()> {
    diesel::update(t::table.find(group.id)).set(t::types.eq(types.to_string())).execute(db).map(drop)
}

/// Goes on after a position, and forgets what is pending.
pub fn set_position(db: &mut Db, group: &Row, position: Position) -> QueryResult<()> {
    diesel::delete(e::table.filter(e::group_id.eq(group.id))).execute(db)?;
    diesel::update(t::table.find(group.id)).set(t::position.eq(position)).execute(db).map(drop)
}

pub fn delete(db: &mut Db, group: &Row) -> QueryResult<()> {
    diesel::delete(e::table.filter(e::group_id.eq(group.id))).execute(db)?;
    diesel::delete(t::table.find(group.id)).execute(db).map(drop)
}

fn pending(db: &mut Db, group: &Row) -> QueryResult<Vec<Pending>> {
    let rows: Vec<(i64, i64, i64, i32)> = e::table
        .filter(e::group_id.eq(group.id))
        .order(e::position)
        .select((e::position, e::subject, e::until, e::attempts))
        .load(db)?;
    let row = |(position, subject, until, attempts)| Pending { position, subject, until: Timestamp(until), attempts };
    Ok(rows.into_iter().map(row).collect())
}

pub fn state(db: &mut Db, group: &Row, now: Timestamp) -> QueryResult<State> {
    let pending = pending(db, group)?;
    Ok(State {
        done: pending.first().map_or(group.position, |first| first.position - 1),
        given: pending.iter().filter(|event| event.attempts > 0).count(),
        held: pending.iter().filter(|event| event.is_held(now)).count(),
        last: kept(db, group.shop())?.last,
    })
}

/// Gives somebody up to `limit` events, which nobody else is given before `until`. The group has been taken.
pub fn give(
    db: &mut Db,
    group: &Row,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> QueryResult<Result<Vec<Pending>, Outside>> {
    let (mut position, types) = (group.position, group.types());
    let (mut pending, mut looks) = (pending(db, group)?, 0);
    let given = loop {
        let given = choose(&pending, now, limit);
        let room = WINDOW.saturating_sub(pending.len());
        if given.len() >= limit || room == 0 || looks == LOOKS {
            break given;
        }
        looks += 1;
        let Page { events, position: upto, .. } = match scan(db, group.shop(), position, &types, room.min(limit))? {
            Ok(page) => page,
            // What there is to do can be done, before it is said that something is missing.
            Err(_) if !given.is_empty() => break given,
            Err(outside) => return Ok(Err(outside)),
        };
        if upto == position {
            break given;
        }
        position = upto;
        for (position, event) in events {
            let values = (
                e::group_id.eq(group.id),
                e::position.eq(position),
                e::subject.eq(event.subject()),
                e::until.eq(0),
                e::attempts.eq(0),
            );
            diesel::insert_into(e::table).values(values).execute(db)?;
            pending.push(Pending { position, subject: event.subject(), until: Timestamp(0), attempts: 0 });
        }
    };
    if position != group.position {
        diesel::update(t::table.find(group.id)).set(t::position.eq(position)).execute(db)?;
    }
    if given.is_empty() {
        return Ok(Ok(given));
    }
    let positions = given.iter().map(|event| event.position).collect::<Vec<_>>();
    let of = e::group_id.eq(group.id).and(e::position.eq_any(positions));
    diesel::update(e::table.filter(of)).set((e::until.eq(until.0), e::attempts.eq(e::attempts + 1))).execute(db)?;
    let again = |event: Pending| Pending { until, attempts: event.attempts + 1, ..event };
    Ok(Ok(given.into_iter().map(again).collect()))
}

/// These are done; gives how many of them were not yet. What nobody has been given is nobody's to have done.
pub fn acknowledge(db: &mut Db, group: &Row, positions: &[Position]) -> QueryResult<usize> {
    let of = e::group_id.eq(group.id).and(e::position.eq_any(positions)).and(e::attempts.gt(0));
    diesel::delete(e::table.filter(of)).execute(db)
}
