//! Brings the schema up to date, once however many nodes start, and only where it is ours.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    connection::SimpleConnection,
    migration::{Migration, MigrationSource},
    sql_query, sql_types,
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

/// Every table of ours, those that others refer to before those that do.
pub const TABLES: [&str; 14] = [
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
    "nodes",
    "agent_sessions",
];

/// Brings the schema up to date; gives how many migrations were run.
///
/// # Errors
/// [`Error::Newer`] for a database that a newer program has made, [`Error::Foreign`] for one that is somebody else's,
/// and these are left as they are; [`Error::Damaged`] where a table is missing that migrations have made; [`Error::Migrate`].
pub fn migrate(db: &mut Db) -> Result<usize, Error> {
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
    let after = tables(db)?;
    if let Some(missing) = TABLES.iter().find(|name| !after.iter().any(|table| table == *name)) {
        return Err(Error::Damaged((*missing).to_owned()));
    }
    Ok(migrated)
}

fn run<DB: Backend>(db: &mut impl MigrationHarness<DB>, source: EmbeddedMigrations) -> Result<usize, Error>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| Error::Migrate(e.to_string());
    let known: Vec<String> =
        source.migrations().map_err(failed)?.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied = db.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(Error::Newer(newer));
    }
    Ok(db.run_pending_migrations(source).map_err(failed)?.len())
}

#[derive(diesel::QueryableByName)]
struct Table {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

fn tables(db: &mut Db) -> QueryResult<Vec<String>> {
    let tables: Vec<Table> = match db {
        Db::Sqlite(db) => sql_query(SQLITE_TABLES).load(db)?,
        Db::Postgres(db) => sql_query(POSTGRES_TABLES).load(db)?,
    };
    Ok(tables.into_iter().map(|table| table.name).collect())
}
