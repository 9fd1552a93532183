//! `outbox`, `events`, `event_positions`: what has happened in a shop, each event in its place.
//!
//! Events are kept in packets, a row for those of one shop in one transaction, and in them a line for each. Whoever changes something
//! appends what is told of it, in the same transaction; [`sequence`] gives packets their places, one node at a time, so that who writes
//! waits for nobody. On SQLite there is one writer, and they have their places at once.

pub mod groups;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
};

pub use self::told::tell;
use super::{
    Db,
    schema::{event_positions as p, events as t, outbox as o},
    unnest::{Unnest, run_together, unnest},
};
use crate::domain::{
    event::{About, Event, Happened, Kind, Position, Told, Types},
    ids::{ShopId, Timestamp, UserId},
};

/// A packet has no more events.
const PACKET: usize = 100;
/// Packets that are read at a time …
const PACKETS: usize = 20;
/// … and events, in which few may be looked for.
const SCANNED: Position = 10_000;

/// Events of a shop, in their order.
pub struct Packet {
    shop: ShopId,
    at: Timestamp,
    /// One event each.
    lines: String,
}

impl Packet {
    pub fn all(happened: &[Happened]) -> Vec<Packet> {
        let mut of_shops: BTreeMap<ShopId, Vec<&Event>> = BTreeMap::new();
        for (shop, event) in happened {
            of_shops.entry(*shop).or_default().push(event);
        }
        let mut packets = Vec::new();
        for (shop, events) in of_shops {
            for events in events.chunks(PACKET) {
                let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
                let at = events.iter().map(|event| event.at).max().unwrap_or(Timestamp(0));
                packets.push(Packet { shop, at, lines: lines.join("\n") });
            }
        }
        packets
    }

    fn len(&self) -> Position {
        self.lines.lines().count() as Position
    }
}

/// Adds what has happened, within the transaction in which it happens. Those who may happen at the same time elsewhere must have been
/// locked before.
pub fn append(db: &mut Db, happened: &[Happened]) -> QueryResult<()> {
    if happened.is_empty() {
        return Ok(());
    }
    let packets = Packet::all(happened);
    match db {
        Db::Postgres(db) => run_together(db, insertion(&packets)),
        Db::Sqlite(_) => place(db, &packets),
    }
}

/// PostgreSQL's statement for it, if there are any.
pub fn insertion(packets: &[Packet]) -> Option<Unnest<'_>> {
    let statement = unnest("INSERT INTO outbox (shop_id, at, lines) SELECT * FROM")
        .column(packets.iter().map(|packet| packet.shop.0))
        .column(packets.iter().map(|packet| packet.at.0))
        .column(packets.iter().map(|packet| &*packet.lines));
    (!packets.is_empty()).then_some(statement)
}

/// What has become of an attempt to give places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequenced {
    /// So many events have theirs; `all` that there were.
    Events { count: usize, all: bool },
    /// Another node is at it.
    Elsewhere,
}

/// Since when something waits for its place.
pub fn waiting_since(db: &mut Db) -> QueryResult<Option<Timestamp>> {
    Ok(o::table.order(o::id).select(o::at).first(db).optional()?.map(Timestamp))
}

/// Gives up to `limit` packets their places. Within a transaction.
///
/// Whoever changes a conversation takes the packet's number while it holds the conversation. So where a packet is to be seen, those before
/// it that speak of the same conversation are to be seen too, with smaller numbers; others may come later, and come behind it.
pub fn sequence(db: &mut Db, limit: usize) -> QueryResult<Sequenced> {
    if let Db::Postgres(db) = db {
        let alone = sql::<Bool>("pg_try_advisory_xact_lock(727076, hashtext(current_schema()))");
        if !diesel::select(alone).get_result::<bool>(db)? {
            return Ok(Sequenced::Elsewhere);
        }
    }
    let rows: Vec<(i64, i64, i64, String)> =
        o::table.order(o::id).limit(limit as i64).select((o::id, o::shop_id, o::at, o::lines)).load(db)?;
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let packet = |(_, shop, at, lines)| Packet { shop: ShopId(shop), at: Timestamp(at), lines };
    let packets: Vec<Packet> = rows.into_iter().map(packet).collect();
    if !packets.is_empty() {
        place(db, &packets)?;
        diesel::delete(o::table.filter(o::id.eq_any(&ids))).execute(db)?;
    }
    let count = packets.iter().map(Packet::len).sum::<Position>();
    Ok(Sequenced::Events { count: count as usize, all: ids.len() < limit })
}

/// Puts packets behind what there is.
fn place(db: &mut Db, packets: &[Packet]) -> QueryResult<()> {
    let mut counts: BTreeMap<ShopId, Position> = BTreeMap::new();
    for packet in packets {
        *counts.entry(packet.shop).or_default() += packet.len();
    }
    let mut last = advance(db, &counts)?;
    for (shop, count) in &counts {
        *last.entry(*shop).or_default() -= count;
    }
    let mut placed = Vec::with_capacity(packets.len());
    for packet in packets {
        let last = last.entry(packet.shop).or_default();
        *last += packet.len();
        placed.push((packet, *last));
    }
    match db {
        Db::Postgres(db) => unnest::<()>("INSERT INTO events (shop_id, last, at, lines) SELECT * FROM")
            .column(placed.iter().map(|(packet, _)| packet.shop.0))
            .column(placed.iter().map(|(_, last)| *last))
            .column(placed.iter().map(|(packet, _)| packet.at.0))
            .column(placed.iter().map(|(packet, _)| &*packet.lines))
            .execute(db)
            .map(drop),
        Db::Sqlite(db) => placed.iter().try_for_each(|(Packet { shop, at, lines }, last)| {
            let values = (t::shop_id.eq(shop.0), t::last.eq(*last), t::at.eq(at.0), t::lines.eq(lines));
            diesel::insert_into(t::table).values(values).execute(db).map(drop)
        }),
    }
}

/// Takes each shop's next positions, so many; gives the last of them.
fn advance(db: &mut Db, counts: &BTreeMap<ShopId, Position>) -> QueryResult<BTreeMap<ShopId, Position>> {
    let db = match db {
        Db::Postgres(db) => {
            let upsert = "AS k (shop, count) ON CONFLICT (shop_id) DO UPDATE SET last = event_positions.last + excluded.last \
                          RETURNING shop_id, last";
            let rows: Vec<(i64, Position)> = unnest::<(BigInt, BigInt)>(
                "INSERT INTO event_positions (shop_id, last, removed) SELECT k.shop, k.count, 0 FROM",
            )
            .column(counts.keys().map(|shop| shop.0))
            .column(counts.values().copied())
            .then(upsert)
            .load(db)?;
            return Ok(rows.into_iter().map(|(shop, last)| (ShopId(shop), last)).collect());
        }
        Db::Sqlite(db) => db,
    };
    let mut last = BTreeMap::new();
    for (shop, count) in counts {
        if diesel::update(p::table.find(shop.0)).set(p::last.eq(p::last + count)).execute(db)? == 0 {
            let values = (p::shop_id.eq(shop.0), p::last.eq(count), p::removed.eq(0));
            diesel::insert_into(p::table).values(values).execute(db)?;
        }
        last.insert(*shop, p::table.find(shop.0).select(p::last).first(db)?);
    }
    Ok(last)
}

/// What there is of a shop's events: those after `removed`, up to `last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub removed: Position,
    pub last: Position,
}

pub fn kept(db: &mut Db, shop: ShopId) -> QueryResult<Kept> {
    let row = p::table.find(shop.0).select((p::removed, p::last)).first(db).optional()?;
    Ok(row.map_or(Kept::default(), |(removed, last)| Kept { removed, last }))
}

/// Tells that an agent has come on duty or gone off it, where it has.
pub fn duty(db: &mut Db, shop: ShopId, agent: UserId, before: bool, after: bool, at: Timestamp) -> QueryResult<()> {
    let kind = match (before, after) {
        (false, true) => Kind::AgentOnDuty,
        (true, false) => Kind::AgentOffDuty,
        _ => return Ok(()),
    };
    append(db, &[(shop, Event { kind, at, by: agent, about: About::Agent })])
}

/// How far the events of these shops go.
pub fn last(db: &mut Db, shops: &BTreeSet<ShopId>) -> QueryResult<Vec<(ShopId, Position)>> {
    let ids: Vec<i64> = shops.iter().map(|shop| shop.0).collect();
    let rows: Vec<(i64, Position)> = p::table.filter(p::shop_id.eq_any(ids)).select((p::shop_id, p::last)).load(db)?;
    Ok(rows.into_iter().map(|(shop, last)| (ShopId(shop), last)).collect())
}

/// A position after which nothing can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// What follows it is not kept any more; the first that is kept has this position, or will have it.
    Removed { earliest: Position },
    /// There is no such position yet.
    Ahead,
}

/// A part of a shop's events.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub events: Vec<T>,
    /// Up to here everything has been looked at: what the next page comes after.
    pub position: Position,
    /// The last position there is.
    pub last: Position,
}

/// Events of these types after a position, at most `limit`, as they are told. It may have looked at ten thousand and found none.
pub fn after(
    db: &mut Db,
    shop: ShopId,
    position: Position,
    types: &Types,
    limit: usize,
) -> QueryResult<Result<Page<Told>, Outside>> {
    let Page { events, position, last } = match scan(db, shop, position, types, limit)? {
        Ok(page) => page,
        Err(outside) => return Ok(Err(outside)),
    };
    Ok(Ok(Page { events: tell(db, shop, &events)?, position, last }))
}

/// The same without what belongs to the events.
pub fn scan(
    db: &mut Db,
    shop: ShopId,
    position: Position,
    types: &Types,
    limit: usize,
) -> QueryResult<Result<Page<(Position, Event)>, Outside>> {
    let Kept { removed, last } = kept(db, shop)?;
    if position > last {
        return Ok(Err(Outside::Ahead));
    }
    if position < removed {
        return Ok(Err(Outside::Removed { earliest: removed + 1 }));
    }
    let mut page = Page { events: Vec::new(), position, last };
    while page.position < last && page.position < position + SCANNED && page.events.len() < limit {
        let rows: Vec<(Position, String)> = t::table
            .filter(t::shop_id.eq(shop.0).and(t::last.gt(page.position)))
            .order(t::last)
            .limit(PACKETS as i64)
            .select((t::last, t::lines))
            .load(db)?;
        if rows.is_empty() {
            break;
        }
        for (place, event) in rows.iter().flat_map(|(last, lines)| unpack(*last, lines)) {
            if place <= page.position {
                continue;
            }
            if place > page.position + 1 {
                // Removed by now.
                return Ok(Err(Outside::Removed { earliest: place }));
            }
            if page.events.len() == limit {
                break;
            }
            page.position = place;
            page.events.extend(event.filter(|event| types.has(event.kind)).map(|event| (place, event)));
        }
    }
    page.last = page.last.max(page.position);
    Ok(Ok(page))
}

/// The events at these positions, in their order; those that are not kept any more are left out.
pub fn at(db: &mut Db, shop: ShopId, positions: &BTreeSet<Position>) -> QueryResult<Vec<Told>> {
    let mut found: BTreeMap<Position, Event> = BTreeMap::new();
    for position in positions {
        if found.contains_key(position) {
            continue;
        }
        let row: Option<(Position, String)> = t::table
            .filter(t::shop_id.eq(shop.0).and(t::last.ge(position)))
            .order(t::last)
            .select((t::last, t::lines))
            .first(db)
            .optional()?;
        if let Some((last, lines)) = row {
            let wanted = unpack(last, &lines).filter(|(place, _)| positions.contains(place));
            found.extend(wanted.filter_map(|(place, event)| event.map(|event| (place, event))));
        }
    }
    tell(db, shop, &found.into_iter().collect::<Vec<_>>())
}

/// The events of a packet with their positions. A newer program may have written what this one does not know.
fn unpack(last: Position, lines: &str) -> impl Iterator<Item = (Position, Option<Event>)> {
    let first = last - lines.lines().count() as Position + 1;
    (first..).zip(lines.lines().map(Event::parse))
}

/// Shops whose oldest events are from before `before`.
pub fn overdue(db: &mut Db, before: Timestamp) -> QueryResult<Vec<ShopId>> {
    let oldest = "(SELECT e.at FROM events e WHERE e.shop_id = event_positions.shop_id ORDER BY e.last LIMIT 1) < ";
    let is_overdue = sql::<Bool>(oldest).bind::<BigInt, _>(before.0);
    let ids: Vec<i64> = p::table.filter(is_overdue).order(p::shop_id).select(p::shop_id).load(db)?;
    Ok(ids.into_iter().map(ShopId).collect())
}

/// Removes a shop's oldest packets, as far as they are from before `before`, at most `limit`; gives how many these were.
pub fn remove(db: &mut Db, shop: ShopId, before: Timestamp, limit: usize) -> QueryResult<usize> {
    let rows: Vec<(Position, i64)> =
        t::table.filter(t::shop_id.eq(shop.0)).order(t::last).limit(limit as i64).select((t::last, t::at)).load(db)?;
    let Some((removed, _)) = rows.into_iter().take_while(|(_, at)| *at < before.0).last() else { return Ok(0) };
    diesel::update(p::table.find(shop.0)).set(p::removed.eq(removed)).execute(db)?;
    diesel::delete(t::table.filter(t::shop_id.eq(shop.0).and(t::last.le(removed)))).execute(db)
}
