//! Moves everything from one database to another: table by table, in the order of their keys, and then makes sure of it.
//!
//! The target has a table of its own while it is unfinished. A server does not start on it then, and a copy that finds it begins anew,
//! because the source may have gone on in the meantime.

mod tables;

use diesel::{
    Connection, QueryResult, QueryableByName, RunQueryDsl,
    connection::{SimpleConnection, TransactionManager},
    sql_query, sql_types,
};

use self::tables::COPIED;
use super::{
    Db, Error,
    location::Location,
    migrate::{self, UNFINISHED},
    pool,
};

/// Nothing of a copy is done in the seconds that a server gives its statements, and of the target only the end must be on disk.
const PATIENT: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0;";
const DURABLE_AT_THE_END: &str = "SET synchronous_commit = off";
const DURABLE: &str = "RESET synchronous_commit";

/// How many conversations are compared at a time.
const COMPARED: i64 = 5_000;

/// How far a copy is, in rows.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub table: &'static str,
    /// Of all tables.
    pub done: u64,
    pub total: u64,
}

/// What has been copied and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub rows: u64,
    pub conversations: u64,
}

/// Copies everything but which nodes run.
///
/// # Errors
/// [`Error::InUse`] where a server uses either, [`Error::NotEmpty`], [`Error::Differs`] where something is not there in the end, those of
/// opening and migrating; the source is left as it is.
pub fn copy(from: &Location, to: &Location, mut tell: impl FnMut(Progress)) -> Result<Copied, Error> {
    let _locks = (from.lock_existing()?, to.lock(false)?);
    let mut source = from.reader()?;
    migrate::check(&mut source)?;
    let mut target = to.writer()?;
    prepare(&mut target)?;
    for db in [&mut source, &mut target] {
        if db.is_postgres() {
            db.batch_execute(PATIENT)?;
        }
    }
    if target.is_postgres() {
        target.batch_execute(DURABLE_AT_THE_END)?;
    }
    pool::begin(&mut source)?;
    let copied = everything(&mut source, &mut target, &mut tell)?;
    finish(&mut target)?;
    <Db as Connection>::TransactionManager::rollback_transaction(&mut source)?;
    Ok(copied)
}

/// Leaves the target with empty tables, and marked.
fn prepare(target: &mut Db) -> Result<(), Error> {
    migrate::migrate_unfinished(target)?;
    if migrate::tables(target)?.iter().any(|table| table == UNFINISHED) {
        // Those that refer to others before those.
        for table in COPIED.iter().rev() {
            target.batch_execute(&format!("DELETE FROM {}", table.name))?;
        }
        return Ok(());
    }
    for table in COPIED {
        if (table.count)(target)? > 0 {
            return Err(Error::NotEmpty(table.name));
        }
    }
    Ok(target.batch_execute(&format!("CREATE TABLE {UNFINISHED} (since TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"))?)
}

fn everything(source: &mut Db, target: &mut Db, tell: &mut dyn FnMut(Progress)) -> Result<Copied, Error> {
    let counts = COPIED.iter().map(|table| (table.count)(source)).collect::<QueryResult<Vec<i64>>>()?;
    let total = counts.iter().sum::<i64>().unsigned_abs();
    let mut done = 0;
    for table in COPIED {
        tell(Progress { table: table.name, done, total });
        let mut piece = |rows| {
            done += rows;
            tell(Progress { table: table.name, done, total });
        };
        (table.copy)(source, target, &mut piece)
            .map_err(|cause| Error::Copy { table: table.name, cause: cause.to_string() })?;
    }
    for (table, count) in COPIED.iter().zip(counts) {
        let copied = (table.count)(target)?;
        if copied != count {
            return Err(Error::Differs(format!("{} has {copied} rows of {count}", table.name)));
        }
    }
    Ok(Copied { rows: total, conversations: compare_conversations(source, target)? })
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    last_seq: i64,
    /// Of the messages that are there.
    #[diesel(sql_type = sql_types::BigInt)]
    top: i64,
}

/// Makes sure that each conversation ends in the target as in the source, with its last message; gives how many there are.
fn compare_conversations(source: &mut Db, target: &mut Db) -> Result<u64, Error> {
    let (mut after, mut compared) = (i64::MIN, 0);
    loop {
        let (ours, theirs) = (last_of(source, after)?, last_of(target, after)?);
        let Some(last) = ours.last() else { return Ok(compared) };
        after = last.id;
        compared += ours.len() as u64;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            if (ours.id, ours.last_seq, ours.top) != (theirs.id, theirs.last_seq, theirs.top) {
                let (was, is) = (ours.top, theirs.top);
                return Err(Error::Differs(format!("conversation {} ends at {is} instead of {was}", ours.id)));
            }
        }
    }
}

fn last_of(db: &mut Db, after: i64) -> QueryResult<Vec<Last>> {
    let query = format!(
        "SELECT id, last_seq, COALESCE((SELECT MAX(seq) FROM messages WHERE conversation_id = c.id), 0) AS top \
         FROM conversations c WHERE id > {after} ORDER BY id LIMIT {COMPARED}"
    );
    match db {
        Db::Postgres(db) => sql_query(query).load(db),
        Db::Sqlite(db) => sql_query(query).load(db),
    }
}

/// The next numbers come after those that are there, everything is on disk, and the mark is gone.
fn finish(target: &mut Db) -> QueryResult<()> {
    let postgres = target.is_postgres();
    if postgres {
        target.batch_execute(DURABLE)?;
    }
    target.write(|target| {
        if postgres {
            let number = |sequence: &str, table: &str| {
                format!("SELECT setval({sequence}, COALESCE((SELECT MAX(id) FROM {table}), 0) + 1, FALSE)")
            };
            for table in ["users", "shops", "audit", "replies"] {
                target.batch_execute(&number(&format!("pg_get_serial_sequence('{table}', 'id')"), table))?;
            }
            target.batch_execute(&number("'conversations_id'", "conversations"))?;
        }
        target.batch_execute(&format!("DROP TABLE {UNFINISHED}"))
    })?;
    target.batch_execute(if postgres { "ANALYZE" } else { "PRAGMA wal_checkpoint(TRUNCATE)" })
}
