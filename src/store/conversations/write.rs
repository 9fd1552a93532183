//! Opening conversations, and writing what has changed of them.

use std::sync::Arc;

use diesel::{SqliteConnection, prelude::*, sql_types::BigInt};

use super::{Row, row::state_of};
use crate::{
    domain::{conversation::Conversation, ids::ConversationId},
    store::{
        Db,
        schema::conversations as t,
        statement::run,
        unnest::{Unnest, run_together, unnest},
    },
};

/// Numbers for `count` new conversations, those up to `given` being given already. On PostgreSQL they are taken, whether they come to
/// be used or not.
pub fn numbers(db: &mut Db, given: Option<ConversationId>, count: usize) -> QueryResult<Vec<ConversationId>> {
    let ids: Vec<i64> = match db {
        Db::Postgres(db) => {
            let numbers = diesel::sql_query("SELECT nextval('conversations_id') AS id FROM generate_series(1, $1)");
            let rows: Vec<Number> = numbers.bind::<BigInt, _>(count as i64).load(db)?;
            rows.into_iter().map(|row| row.id).collect()
        }
        Db::Sqlite(db) => {
            let last = t::table.select(diesel::dsl::max(t::id)).first::<Option<i64>>(db)?;
            let last = last.max(given.map(|id| id.0)).unwrap_or(0);
            (last + 1..).take(count).collect()
        }
    };
    Ok(ids.into_iter().map(ConversationId).collect())
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

pub fn insert(db: &mut Db, conversations: &[Arc<Conversation>]) -> QueryResult<()> {
    let rows: Vec<Row> = conversations.iter().map(|c| Row::of(c)).collect();
    match db {
        _ if rows.is_empty() => Ok(()),
        Db::Postgres(db) => diesel::insert_into(t::table).values(rows).execute(db).map(drop),
        Db::Sqlite(db) => {
            rows.into_iter().try_for_each(|row| diesel::insert_into(t::table).values(row).execute(db).map(drop))
        }
    }
}

/// Writes what can change of conversations; who is in them cannot. Of those that have `moved`, it is only the cursors.
///
/// SQLite writes every index anew that has a column which is set, changed or not: those with an index are set where one has changed.
pub fn update(db: &mut Db, changed: &[Arc<Conversation>], moved: &[Arc<Conversation>]) -> QueryResult<()> {
    match db {
        Db::Postgres(db) => run_together(db, updating(changed, moved)),
        Db::Sqlite(db) => {
            changed.iter().try_for_each(|c| set_indexed(db, c))?;
            changed.iter().chain(moved).try_for_each(|c| set_others(db, c))
        }
    }
}

/// PostgreSQL's statement for it, if there are any.
pub fn updating(changed: &[Arc<Conversation>], moved: &[Arc<Conversation>]) -> Option<Unnest<'static>> {
    let all_as_they_are = || changed.iter().chain(moved);
    let rows: Vec<Row> = all_as_they_are().map(|c| Row::of(c)).collect();
    let all = || rows.iter();
    let statement = unnest(
        "UPDATE conversations c SET state = k.state, claimed_by = k.claimed_by, claim_version = k.claim_version, \
         last_seq = k.last_seq, first_delivered = k.first_delivered, first_read = k.first_read, \
         first_unread = k.first_unread, first_said = k.first_said, second_delivered = k.second_delivered, \
         second_read = k.second_read, second_unread = k.second_unread, second_said = k.second_said, \
         waiting_since = k.waiting_since, opened_at = k.opened_at, opened_seq = k.opened_seq, returned = k.returned, \
         ticket = k.ticket, updated_at = k.updated_at, revision = k.revision, updated_second = k.updated_second, \
         offered_at = k.offered_at, attended = k.attended FROM",
    )
    .column(all().map(|row| row.id))
    .column(all_as_they_are().map(|c| state_of(c)))
    .column(all().map(|row| row.claimed_by))
    .column(all().map(|row| row.claim_version))
    .column(all().map(|row| row.last_seq))
    .column(all().map(|row| row.first_delivered))
    .column(all().map(|row| row.first_read))
    .column(all().map(|row| row.first_unread))
    .column(all().map(|row| row.first_said))
    .column(all().map(|row| row.second_delivered))
    .column(all().map(|row| row.second_read))
    .column(all().map(|row| row.second_unread))
    .column(all().map(|row| row.second_said))
    .column(all().map(|row| row.waiting_since))
    .column(all().map(|row| row.opened_at))
    .column(all().map(|row| row.opened_seq))
    .column(all().map(|row| row.returned))
    .column(all().map(|row| row.ticket))
    .column(all().map(|row| row.updated_at))
    .column(all().map(|row| row.revision))
    .column(all().map(|row| row.updated_second))
    .column(all().map(|row| row.offered_at))
    .column(all().map(|row| row.attended))
    .then(
        "AS k (id, state, claimed_by, claim_version, last_seq, first_delivered, first_read, first_unread, first_said, \
         second_delivered, second_read, second_unread, second_said, waiting_since, opened_at, opened_seq, returned, \
         ticket, updated_at, revision, updated_second, offered_at, attended) WHERE c.id = k.id",
    );
    (!rows.is_empty()).then_some(statement)
}

/// What indexes have of a conversation, where that is another now.
fn set_indexed(db: &mut SqliteConnection, c: &Conversation) -> QueryResult<()> {
    let (state, second) = (state_of(c), c.updated_at.second());
    // A claim never changes hands without its version.
    let indexed = "UPDATE conversations SET state = ?, claimed_by = ?, updated_second = ? \
                   WHERE id = ? AND (claim_version <> ? OR state <> ? OR updated_second <> ?)";
    let values = [
        state.into(),
        c.claimant().map(|agent| agent.id.0).into(),
        second.into(),
        c.id.0.into(),
        c.claim_version.into(),
        state.into(),
        second.into(),
    ];
    run(db, indexed, values)
}

/// Everything else that can change.
fn set_others(db: &mut SqliteConnection, c: &Conversation) -> QueryResult<()> {
    let others = "UPDATE conversations SET claim_version = ?, waiting_since = ?, opened_at = ?, opened_seq = ?, returned = ?, \
                  ticket = ?, offered_at = ?, attended = ?, last_seq = ?, first_said = ?, second_said = ?, updated_at = ?, first_delivered = ?, first_read = ?, \
                  first_unread = ?, second_delivered = ?, second_read = ?, second_unread = ?, revision = ? WHERE id = ?";
    let values = [
        c.claim_version.into(),
        c.waiting_since.map(|at| at.0).into(),
        c.opened_at.0.into(),
        c.opened_seq.into(),
        c.returned.into(),
        c.ticket.into(),
        c.offered_at.map(|at| at.0).into(),
        i64::from(c.attended.index()).into(),
        c.last_seq.into(),
        c.first.said.into(),
        c.second.said.into(),
        c.updated_at.0.into(),
        c.first.delivered.into(),
        c.first.read.into(),
        c.first.unread.into(),
        c.second.delivered.into(),
        c.second.read.into(),
        c.second.unread.into(),
        c.revision.into(),
        c.id.0.into(),
    ];
    run(db, others, values)
}
