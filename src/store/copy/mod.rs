//! Moves everything from one database to another: table by table, in the order of their keys, and then makes sure of it.
//!
//! A copy that finds an unfinished one begins anew, because the source may have gone on in the meantime.

pub(super) mod tables;

use diesel::{
    Connection, QueryResult, QueryableByName, RunQueryDsl,
    connection::{SimpleConnection, TransactionManager},
    sql_query, sql_types,
};

use self::tables::COPIED;
use super::{
    Db, Error,
    fill::{Filling, PATIENT},
    location::Location,
    migrate, pool,
};

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
    let _lock = from.lock_existing()?;
    let mut source = from.reader()?;
    migrate::check(&mut source)?;
    let mut target = Filling::begin(to)?;
    if source.is_postgres() {
        source.batch_execute(PATIENT)?;
    }
    pool::begin(&mut source)?;
    let copied = everything(&mut source, &mut target.db, &mut tell)?;
    target.finish()?;
    <Db as Connection>::TransactionManager::rollback_transaction(&mut source)?;
    Ok(copied)
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
