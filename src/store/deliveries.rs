//! `webhook_deliveries`, `webhook_attempts`: events that wait for an endpoint or are dead letters there, and how their attempts have
//! failed. What has arrived is in neither.

use std::collections::BTreeMap;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{
    Db, events,
    schema::{webhook_attempts as a, webhook_deliveries as t},
    unnest::unnest,
    webhooks,
};
use crate::domain::{
    event::{Event, Position},
    ids::Timestamp,
    webhook::Waiting,
};

/// An event that waits, or is a dead letter.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub position: Position,
    pub subject: i64,
    event: String,
    /// Those that have failed.
    pub attempts: i32,
    pub due_at: i64,
    pub dead_at: Option<i64>,
}

impl Row {
    /// What this program does not know, it does not send.
    pub fn event(&self) -> Option<Event> {
        Event::parse(&self.event)
    }

    pub fn waiting(&self) -> Waiting {
        Waiting { position: self.position, subject: self.subject, due: Timestamp(self.due_at) }
    }
}

/// What has become of taking further events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub events: usize,
    /// There is more.
    pub more: bool,
}

/// Takes further events of the kinds that an endpoint is told. What retention has removed before it was taken is passed over.
pub fn take(db: &mut Db, webhook: &webhooks::Row, limit: usize) -> QueryResult<Taken> {
    let (shop, types) = (webhook.shop(), webhook.types());
    let page = match events::scan(db, shop, webhook.position, &types, limit)? {
        Ok(page) => page,
        Err(events::Outside::Removed { earliest }) => {
            webhooks::set_position(db, webhook.id, earliest - 1)?;
            return Ok(Taken { events: 0, more: true });
        }
        Err(events::Outside::Ahead) => return Ok(Taken { events: 0, more: false }),
    };
    let rows = || page.events.iter();
    let texts: Vec<String> = rows().map(|(_, event)| event.to_string()).collect();
    match db {
        Db::Postgres(db) if !page.events.is_empty() => {
            unnest::<()>("INSERT INTO webhook_deliveries (webhook_id, position, subject, event, due_at) SELECT * FROM")
                .column(rows().map(|_| webhook.id))
                .column(rows().map(|(position, _)| *position))
                .column(rows().map(|(_, event)| event.subject()))
                .column(texts.iter().map(|text| &**text))
                .column(rows().map(|(_, event)| event.at.0))
                .execute(db)?;
        }
        Db::Postgres(_) => {}
        Db::Sqlite(db) => {
            for ((position, event), text) in rows().zip(&texts) {
                let values = (
                    t::webhook_id.eq(webhook.id),
                    t::position.eq(*position),
                    t::subject.eq(event.subject()),
                    t::event.eq(text),
                    t::due_at.eq(event.at.0),
                );
                diesel::insert_into(t::table).values(values).execute(db)?;
            }
        }
    }
    webhooks::set_position(db, webhook.id, page.position)?;
    Ok(Taken { events: page.events.len(), more: page.position < page.last })
}

/// The first of each subject that waits for an endpoint, as far as it is due.
pub fn due(db: &mut Db, webhook: i64, now: Timestamp, limit: usize) -> QueryResult<Vec<Row>> {
    let is_first = sql::<Bool>(
        "NOT EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.webhook_id = webhook_deliveries.webhook_id \
         AND e.subject = webhook_deliveries.subject AND e.position < webhook_deliveries.position AND e.dead_at IS NULL)",
    );
    let is_due = t::webhook_id.eq(webhook).and(t::dead_at.is_null()).and(t::due_at.le(now.0));
    let rows = t::table.filter(is_due.and(is_first)).order(t::position).limit(limit as i64);
    rows.select(Row::as_select()).load(db)
}

/// When the next one is due that is not yet.
pub fn next_due(db: &mut Db, webhook: i64, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let later = t::webhook_id.eq(webhook).and(t::dead_at.is_null()).and(t::due_at.gt(now.0));
    let first = t::table.filter(later).order(t::due_at).select(t::due_at).first(db).optional()?;
    Ok(first.map(Timestamp))
}

/// An attempt that has failed.
#[derive(Clone, Debug)]
pub struct Failed {
    pub at: Timestamp,
    pub took_ms: i64,
    pub status: Option<u16>,
    /// What was answered, or why nothing was.
    pub answer: String,
    /// When it is tried again; `None`: never, it is a dead letter.
    pub again: Option<Timestamp>,
}

/// Notes what has become of an attempt; `None`: the event has arrived.
pub fn settle(db: &mut Db, webhook: i64, position: Position, failed: Option<&Failed>) -> QueryResult<()> {
    let Some(failed) = failed else {
        let arrived = a::table.filter(a::webhook_id.eq(webhook).and(a::position.eq(position)));
        diesel::delete(arrived).execute(db)?;
        return diesel::delete(t::table.find((webhook, position))).execute(db).map(drop);
    };
    let target = diesel::update(t::table.find((webhook, position)));
    let changed = match failed.again {
        Some(due) => target.set((t::attempts.eq(t::attempts + 1), t::due_at.eq(due.0))).execute(db)?,
        None => target.set((t::attempts.eq(t::attempts + 1), t::dead_at.eq(Some(failed.at.0)))).execute(db)?,
    };
    // The endpoint may be gone.
    if changed == 0 {
        return Ok(());
    }
    let values = (
        a::webhook_id.eq(webhook),
        a::position.eq(position),
        a::at.eq(failed.at.0),
        a::took_ms.eq(failed.took_ms),
        a::status.eq(failed.status.map(i32::from)),
        a::answer.eq(&failed.answer),
    );
    diesel::insert_into(a::table).values(values).execute(db).map(drop)
}

/// How many events wait for an endpoint, and how many are dead letters there.
pub fn counts(db: &mut Db, webhook: i64) -> QueryResult<(i64, i64)> {
    let of = |dead: bool| t::webhook_id.eq(webhook).and(t::dead_at.is_not_null().eq(dead));
    Ok((t::table.filter(of(false)).count().get_result(db)?, t::table.filter(of(true)).count().get_result(db)?))
}

pub(super) fn count_dead(db: &mut Db, webhooks: Vec<i64>) -> QueryResult<i64> {
    t::table.filter(t::webhook_id.eq_any(webhooks).and(t::dead_at.is_not_null())).count().get_result(db)
}

/// Makes dead letters of what has been due at an endpoint since `before` and was not sent: it is off, or the events before them hold them
/// back. At most `limit`; gives how many.
pub fn give_up(db: &mut Db, webhook: i64, before: Timestamp, now: Timestamp, limit: usize) -> QueryResult<usize> {
    let lost = t::webhook_id.eq(webhook).and(t::dead_at.is_null()).and(t::due_at.lt(before.0));
    let positions: Vec<Position> =
        t::table.filter(lost).order(t::position).limit(limit as i64).select(t::position).load(db)?;
    let target = t::table.filter(t::webhook_id.eq(webhook).and(t::position.eq_any(positions)));
    diesel::update(target).set(t::dead_at.eq(Some(now.0))).execute(db)
}

/// Removes an endpoint's dead letters from before `before`, at most `limit`; gives how many these were.
pub fn remove_dead(db: &mut Db, webhook: i64, before: Timestamp, limit: usize) -> QueryResult<usize> {
    let old = t::webhook_id.eq(webhook).and(t::dead_at.lt(before.0));
    let positions: Vec<Position> =
        t::table.filter(old).order(t::position).limit(limit as i64).select(t::position).load(db)?;
    diesel::delete(a::table.filter(a::webhook_id.eq(webhook).and(a::position.eq_any(&positions)))).execute(db)?;
    diesel::delete(t::table.filter(t::webhook_id.eq(webhook).and(t::position.eq_any(&positions)))).execute(db)
}

/// Events of an endpoint after a position: dead letters, or those that wait.
pub fn page(db: &mut Db, webhook: i64, dead: bool, after: Position, limit: i64) -> QueryResult<Vec<Row>> {
    let wanted = t::webhook_id.eq(webhook).and(t::position.gt(after)).and(t::dead_at.is_not_null().eq(dead));
    t::table.filter(wanted).order(t::position).limit(limit).select(Row::as_select()).load(db)
}

/// An attempt, as it was noted.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = a)]
pub struct Attempt {
    pub position: Position,
    pub at: i64,
    pub took_ms: i64,
    pub status: Option<i32>,
    pub answer: String,
}

/// The failed attempts of these events, each in their order.
pub fn attempts(db: &mut Db, webhook: i64, positions: &[Position]) -> QueryResult<BTreeMap<Position, Vec<Attempt>>> {
    let of_these = a::webhook_id.eq(webhook).and(a::position.eq_any(positions.to_vec()));
    let rows: Vec<Attempt> = a::table.filter(of_these).order(a::id).select(Attempt::as_select()).load(db)?;
    let mut attempts: BTreeMap<Position, Vec<Attempt>> = BTreeMap::new();
    rows.into_iter().for_each(|row| attempts.entry(row.position).or_default().push(row));
    Ok(attempts)
}

/// Has dead letters sent again, from the first attempt on: all, or the one at this position. Gives how many these were.
pub fn drive_again(db: &mut Db, webhook: i64, only: Option<Position>, now: Timestamp) -> QueryResult<usize> {
    let again = (t::attempts.eq(0), t::due_at.eq(now.0), t::dead_at.eq(None::<i64>));
    let dead = t::webhook_id.eq(webhook).and(t::dead_at.is_not_null());
    match only {
        Some(position) => diesel::update(t::table.filter(dead.and(t::position.eq(position)))).set(again).execute(db),
        None => diesel::update(t::table.filter(dead)).set(again).execute(db),
    }
}

pub(super) fn delete_all(db: &mut Db, webhook: i64) -> QueryResult<()> {
    diesel::delete(a::table.filter(a::webhook_id.eq(webhook))).execute(db)?;
    diesel::delete(t::table.filter(t::webhook_id.eq(webhook))).execute(db).map(drop)
}
