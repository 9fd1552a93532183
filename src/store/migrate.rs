//! Brings the schema up to date, once however many nodes start, and only where it is ours.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    connection::SimpleConnection,
    migration::{Migration, MigrationSource},
    pg::Pg,
    sql_query, sql_types,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Db, Error};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// One node migrates, the others wait for it; a migration takes its time.
const ALONE: &str =
    "SET lock_timeout = '60s'; SET statement_timeout = 0; SELECT pg_advisory_lock(727074, hashtext(current_schema()))";
const NO_LONGER: &str =
    "SELECT pg_advisory_unlock(727074, hashtext(current_schema())); RESET lock_timeout; RESET statement_timeout";

/// Tables of the schema that migrations go to, but for those that an extension has brought.
const POSTGRES_TABLES: &str = "SELECT c.relname::text AS name FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace \
     AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY 1";
const SQLITE_TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
const KEPT_BY_DIESEL: &str = "__diesel_schema_migrations";
const APPLIED: &str = "SELECT CAST(version AS TEXT) AS name FROM __diesel_schema_migrations ORDER BY 1";
/// There while a copy is not finished.
pub(super) const UNFINISHED: &str = "shopbell_unfinished_copy";

/// Every table of ours that `schema.rs` speaks of, those that others refer to before those that do.
pub const TABLES: &[&str] = &[
    "users",
    "shops",
    "agents",
    "conversations",
    "messages",
    "receipts",
    "waiting_acks",
    "tickets",
    "timeline",
    "offline",
    "files",
    "audit",
    "replies",
    "idempotency_keys",
    "file_uses",
    "expired",
    "erasures",
    "leases",
    "nodes",
    "agent_sessions",
    "exports",
    "outbox",
    "events",
    "event_positions",
    "api_keys",
    "webhooks",
    "webhook_deliveries",
    "webhook_attempts",
    "event_groups",
    "group_events",
    "prepared",
    "check_backs",
    "search_positions",
    "search_changes",
    "search_documents",
];

/// Brings the schema up to date; gives how many migrations were run.
///
/// # Errors
/// [`Error::Newer`] for a database that a newer program has made, [`Error::Foreign`] for one that is somebody else's,
/// and these are left as they are; [`Error::Damaged`] where a table is missing that migrations have made; [`Error::Migrate`].
pub fn migrate(db: &mut Db) -> Result<usize, Error> {
    if tables(db)?.iter().any(|table| table == UNFINISHED) {
        return Err(Error::Unfinished);
    }
    migrate_unfinished(db)
}

/// The same for a database that is still being copied to.
pub(super) fn migrate_unfinished(db: &mut Db) -> Result<usize, Error> {
    match db {
        Db::Sqlite(_) => migrate_alone(db),
        Db::Postgres(postgres) => {
            postgres.batch_execute(ALONE).map_err(|error| Error::Migrate(error.to_string()))?;
            let migrated = migrate_alone(db);
            db.batch_execute(NO_LONGER)?;
            migrated
        }
    }
}

fn migrate_alone(db: &mut Db) -> Result<usize, Error> {
    let before = tables(db)?;
    let foreign: Vec<_> = before.iter().filter(|name| *name != KEPT_BY_DIESEL).take(5).cloned().collect();
    if before.len() == foreign.len() && !foreign.is_empty() {
        return Err(Error::Foreign(foreign.join(", ")));
    }
    let migrated = match db {
        Db::Sqlite(db) => run(db, SQLITE),
        Db::Postgres(db) => run(db, POSTGRES),
    }?;
    is_whole(&tables(db)?)?;
    Ok(migrated)
}

/// Makes sure that a database is ours and up to date, without touching it.
///
/// # Errors
/// [`Error::Foreign`], [`Error::Older`], [`Error::Newer`], [`Error::Unfinished`], [`Error::Damaged`].
pub(super) fn check(db: &mut Db) -> Result<(), Error> {
    let tables = tables(db)?;
    if !tables.iter().any(|table| table == KEPT_BY_DIESEL) {
        return Err(Error::Foreign(tables.join(", ")));
    }
    if tables.iter().any(|table| table == UNFINISHED) {
        return Err(Error::Unfinished);
    }
    let (known, applied) = match db {
        Db::Sqlite(db) => (versions::<Sqlite>(&SQLITE)?, sql_query(APPLIED).load::<Name>(db)?),
        Db::Postgres(db) => (versions::<Pg>(&POSTGRES)?, sql_query(APPLIED).load::<Name>(db)?),
    };
    let applied: Vec<String> = applied.into_iter().map(|applied| applied.name).collect();
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(Error::Newer(newer.clone()));
    }
    if let Some(older) = known.iter().find(|version| !applied.contains(version)) {
        return Err(Error::Older(older.clone()));
    }
    is_whole(&tables)
}

fn is_whole(tables: &[String]) -> Result<(), Error> {
    match TABLES.iter().find(|name| !tables.iter().any(|table| table == *name)) {
        Some(missing) => Err(Error::Damaged((*missing).to_owned())),
        None => Ok(()),
    }
}

fn versions<DB: Backend>(source: &impl MigrationSource<DB>) -> Result<Vec<String>, Error> {
    let migrations = source.migrations().map_err(failed)?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Migrate(error.to_string())
}

/// Gives how many migrations were run.
fn run<DB: Backend>(db: &mut impl MigrationHarness<DB>, source: EmbeddedMigrations) -> Result<usize, Error>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = versions(&source)?;
    let applied = db.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(Error::Newer(newer));
    }
    Ok(db.run_pending_migrations(source).map_err(failed)?.len())
}

#[derive(diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

pub(super) fn tables(db: &mut Db) -> QueryResult<Vec<String>> {
    let tables: Vec<Name> = match db {
        Db::Sqlite(db) => sql_query(SQLITE_TABLES).load(db)?,
        Db::Postgres(db) => sql_query(POSTGRES_TABLES).load(db)?,
    };
    Ok(tables.into_iter().map(|table| table.name).collect())
}
