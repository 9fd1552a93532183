//! `webhook_deliveries`, `webhook_attempts`: events that wait for an endpoint or are dead letters there, and how their attempts have
//! failed. What has arrived is in neither.

mod attempts;
mod first;

use std::collections::BTreeSet;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

pub use self::attempts::{Attempt, Ended, Failed, attempts, settle};
use super::{
    Db, events,
    schema::{webhook_attempts as a, webhook_deliveries as t},
    statement::run,
    unnest::unnest,
    webhooks,
};
use crate::domain::{
    event::{Event, Position},
    ids::Timestamp,
    webhook::Waiting,
};

/// How many rows a statement names; SQLite takes no more than 32,766 values.
const AT_ONCE: usize = 10_000;

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

/// Takes further events of the kinds that an endpoint is told, which must be locked. What retention has removed before it was taken is
/// passed over.
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
    insert(db, webhook.id, &page.events)?;
    webhooks::set_position(db, webhook.id, page.position)?;
    Ok(Taken { events: page.events.len(), more: page.position < page.last })
}

/// Behind all there are. They are the first of their subjects where none of these waits.
///
/// PostgreSQL would answer an `EXISTS` from a table of all that wait, and without the order it would look through them for one.
fn insert(db: &mut Db, webhook: i64, events: &[(Position, Event)]) -> QueryResult<()> {
    let texts: Vec<String> = events.iter().map(|(_, event)| event.to_string()).collect();
    match db {
        Db::Postgres(_) if events.is_empty() => Ok(()),
        Db::Postgres(db) => {
            let mut subjects = BTreeSet::new();
            unnest::<()>(
                "INSERT INTO webhook_deliveries (webhook_id, position, subject, event, due_at, is_first) \
                 SELECT u.webhook_id, u.position, u.subject, u.event, u.due_at, u.is_first AND (SELECT e.position \
                 FROM webhook_deliveries e WHERE e.webhook_id = u.webhook_id AND e.subject = u.subject AND e.dead_at IS NULL \
                 ORDER BY e.position LIMIT 1) IS NULL FROM",
            )
            .column(events.iter().map(|_| webhook))
            .column(events.iter().map(|(position, _)| *position))
            .column(events.iter().map(|(_, event)| event.subject()))
            .column(texts.iter().map(|text| &**text))
            .column(events.iter().map(|(_, event)| event.at.0))
            .column(events.iter().map(|(_, event)| subjects.insert(event.subject())))
            .then("AS u (webhook_id, position, subject, event, due_at, is_first)")
            .execute(db)
            .map(drop)
        }
        Db::Sqlite(db) => events.iter().zip(&texts).try_for_each(|((position, event), text)| {
            let (subject, due) = (event.subject(), event.at.0);
            run(
                db,
                "INSERT INTO webhook_deliveries (webhook_id, position, subject, event, due_at, is_first) \
                 SELECT ?, ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM webhook_deliveries \
                 WHERE webhook_id = ? AND subject = ? AND dead_at IS NULL)",
                [
                    webhook.into(),
                    (*position).into(),
                    subject.into(),
                    (&**text).into(),
                    due.into(),
                    webhook.into(),
                    subject.into(),
                ],
            )
        }),
    }
}

/// Those that have failed and wait, and those that were not tried yet; as the indexes of the same name have it.
const AGAIN: &str = "is_first AND attempts > 0";
const UNTRIED: &str = "is_first AND attempts = 0";

/// Of each subject the first that waits for an endpoint, as far as it is due, the most urgent of them first.
///
/// What has failed goes before what was not tried yet, and then what is due for longer. When more is due than can be sent, new
/// events wait until there is room, and what is under way keeps its schedule. They are not forgotten over it: each makes at most eleven
/// further attempts.
pub fn due(db: &mut Db, webhook: i64, now: Timestamp, limit: usize) -> QueryResult<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for which in [AGAIN, UNTRIED] {
        let is_due = t::webhook_id.eq(webhook).and(t::due_at.le(now.0)).and(sql::<Bool>(which));
        let left = limit.saturating_sub(rows.len());
        if left > 0 {
            let due = t::table.filter(is_due).order(t::due_at).limit(left as i64);
            rows.extend(due.select(Row::as_select()).load(db)?);
        }
    }
    Ok(rows)
}

/// When the next of those that have failed is due that is not yet.
pub fn next_due(db: &mut Db, webhook: i64, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let later = t::webhook_id.eq(webhook).and(t::due_at.gt(now.0)).and(sql::<Bool>(AGAIN));
    let first = t::table.filter(later).order(t::due_at).select(t::due_at).first(db).optional()?;
    Ok(first.map(Timestamp))
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
/// back. At most `limit`; gives how many. The endpoint must be locked.
pub fn give_up(db: &mut Db, webhook: i64, before: Timestamp, now: Timestamp, limit: usize) -> QueryResult<usize> {
    let lost = t::webhook_id.eq(webhook).and(t::dead_at.is_null()).and(t::due_at.lt(before.0));
    let rows: Vec<(Position, i64)> =
        t::table.filter(lost).order(t::position).limit(limit as i64).select((t::position, t::subject)).load(db)?;
    let (positions, subjects): (Vec<Position>, BTreeSet<i64>) = rows.into_iter().unzip();
    let target = t::table.filter(t::webhook_id.eq(webhook).and(t::position.eq_any(positions)));
    let given_up = diesel::update(target).set((t::dead_at.eq(Some(now.0)), t::is_first.eq(false))).execute(db)?;
    first::advance(db, webhook, &Vec::from_iter(subjects))?;
    Ok(given_up)
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

/// Has dead letters sent again, from the first attempt on: all, or the one at this position. Gives how many these were. The endpoint
/// must be locked.
pub fn drive_again(db: &mut Db, webhook: i64, only: Option<Position>, now: Timestamp) -> QueryResult<usize> {
    let dead = t::webhook_id.eq(webhook).and(t::dead_at.is_not_null());
    let dead = t::table.filter(dead).select((t::position, t::subject));
    let rows: Vec<(Position, i64)> = match only {
        Some(position) => dead.filter(t::position.eq(position)).load(db)?,
        None => dead.load(db)?,
    };
    let subjects: BTreeSet<i64> = rows.iter().map(|(_, subject)| *subject).collect();
    let again = (t::attempts.eq(0), t::due_at.eq(now.0), t::dead_at.eq(None::<i64>));
    for rows in rows.chunks(AT_ONCE) {
        let positions: Vec<Position> = rows.iter().map(|(position, _)| *position).collect();
        let these = t::webhook_id.eq(webhook).and(t::position.eq_any(positions));
        diesel::update(t::table.filter(these)).set(again).execute(db)?;
    }
    first::renew(db, webhook, &Vec::from_iter(subjects))?;
    Ok(rows.len())
}

pub(super) fn delete_all(db: &mut Db, webhook: i64) -> QueryResult<()> {
    diesel::delete(a::table.filter(a::webhook_id.eq(webhook))).execute(db)?;
    diesel::delete(t::table.filter(t::webhook_id.eq(webhook))).execute(db).map(drop)
}
