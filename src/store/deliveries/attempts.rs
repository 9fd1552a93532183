//! `webhook_attempts`: what has become of attempts, and what is noted of those that have failed.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::{
    super::{
        Db,
        schema::{webhook_attempts as a, webhook_deliveries as t},
        unnest::{run_together, unnest},
    },
    first,
};
use crate::domain::{event::Position, ids::Timestamp};

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub position: Position,
    pub subject: i64,
    /// `None`: the event has arrived.
    pub failed: Option<Failed>,
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

impl Ended {
    /// It waits no longer.
    fn is_over(&self) -> bool {
        self.failed.as_ref().is_none_or(|failed| failed.again.is_none())
    }
}

/// Notes what has become of attempts, each of another event. The endpoint must be locked.
pub fn settle(db: &mut Db, webhook: i64, ended: &[Ended]) -> QueryResult<()> {
    let arrived: Vec<Position> = ended.iter().filter(|e| e.failed.is_none()).map(|e| e.position).collect();
    let failed: Vec<(Position, &Failed)> =
        ended.iter().filter_map(|e| Some((e.position, e.failed.as_ref()?))).collect();
    match db {
        Db::Postgres(db) => {
            let gone =
                |statement| unnest(statement).column(arrived.iter().map(|_| webhook)).column(arrived.iter().copied());
            let of_these = "AS u (webhook_id, position) WHERE d.webhook_id = u.webhook_id AND d.position = u.position";
            if !arrived.is_empty() {
                let tables = ["DELETE FROM webhook_attempts d USING", "DELETE FROM webhook_deliveries d USING"];
                run_together(db, tables.map(|table| gone(table).then(of_these)))?;
            }
            if !failed.is_empty() {
                note_all(db, webhook, &failed)?;
            }
        }
        Db::Sqlite(_) => {
            let these = a::webhook_id.eq(webhook).and(a::position.eq_any(&arrived));
            diesel::delete(a::table.filter(these)).execute(db)?;
            let these = t::webhook_id.eq(webhook).and(t::position.eq_any(&arrived));
            diesel::delete(t::table.filter(these)).execute(db)?;
            failed.iter().try_for_each(|(position, failed)| note(db, webhook, *position, failed))?;
        }
    }
    let over: BTreeSet<i64> = ended.iter().filter(|e| e.is_over()).map(|e| e.subject).collect();
    first::advance(db, webhook, &Vec::from_iter(over))
}

/// What has failed is due again, or is a dead letter.
fn note_all(db: &mut PgConnection, webhook: i64, failed: &[(Position, &Failed)]) -> QueryResult<()> {
    unnest::<()>(
        "WITH noted AS (UPDATE webhook_deliveries d SET attempts = d.attempts + 1, due_at = COALESCE(u.again, d.due_at), \
         dead_at = CASE WHEN u.again IS NULL THEN u.at ELSE d.dead_at END, is_first = d.is_first AND u.again IS NOT NULL FROM",
    )
    .column(failed.iter().map(|_| webhook))
    .column(failed.iter().map(|(position, _)| *position))
    .column(failed.iter().map(|(_, failed)| failed.at.0))
    .column(failed.iter().map(|(_, failed)| failed.took_ms))
    .column(failed.iter().map(|(_, failed)| failed.status.map(i64::from)))
    .column(failed.iter().map(|(_, failed)| &*failed.answer))
    .column(failed.iter().map(|(_, failed)| failed.again.map(|again| again.0)))
    .then(
        "AS u (webhook_id, position, at, took_ms, status, answer, again) \
         WHERE d.webhook_id = u.webhook_id AND d.position = u.position RETURNING u.*) \
         INSERT INTO webhook_attempts (webhook_id, position, at, took_ms, status, answer) \
         SELECT webhook_id, position, at, took_ms, status, answer FROM noted",
    )
    .execute(db)
    .map(drop)
}

fn note(db: &mut Db, webhook: i64, position: Position, failed: &Failed) -> QueryResult<()> {
    let target = diesel::update(t::table.find((webhook, position)));
    let more = t::attempts.eq(t::attempts + 1);
    let changed = match failed.again {
        Some(due) => target.set((more, t::due_at.eq(due.0))).execute(db)?,
        None => target.set((more, t::dead_at.eq(Some(failed.at.0)), t::is_first.eq(false))).execute(db)?,
    };
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
