//! An empty database that is filled at once: by a copy of another, or by a seed.
//!
//! It has a table of its own while it is unfinished. A server does not start on it then, and whoever fills it next begins anew.

use diesel::{QueryResult, connection::SimpleConnection};

use super::{
    Db, Error,
    copy::tables::COPIED,
    location::Location,
    lock::Lock,
    migrate::{self, UNFINISHED},
};

/// Nothing of it is done in the seconds that a server gives its statements …
pub(super) const PATIENT: &str =
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0;";
/// … and only the end must be on disk. What SQLite has by then may be incomplete after a loss of power, and is not damaged.
const DURABLE_AT_THE_END: [&str; 2] = ["SET synchronous_commit = off", "PRAGMA synchronous = NORMAL"];
const DURABLE: [&str; 2] = ["RESET synchronous_commit", "PRAGMA synchronous = FULL"];

/// A database that is being filled; nobody else can use it.
pub struct Filling {
    pub db: Db,
    _lock: Lock,
}

impl Filling {
    /// Brings the schema up to date, and leaves empty tables and the mark.
    ///
    /// # Errors
    /// [`Error::InUse`] where a server uses it, [`Error::NotEmpty`]; those of opening and migrating.
    pub fn begin(location: &Location) -> Result<Filling, Error> {
        let lock = location.lock(false)?;
        let mut db = location.writer()?;
        migrate::migrate_unfinished(&mut db)?;
        let is_marked = migrate::tables(&mut db)?.iter().any(|table| table == UNFINISHED);
        if !is_marked {
            for table in COPIED {
                if (table.count)(&mut db)? > 0 {
                    return Err(Error::NotEmpty(table.name));
                }
            }
            db.batch_execute(&format!("CREATE TABLE {UNFINISHED} (since TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"))?;
        }
        if db.is_postgres() {
            db.batch_execute(PATIENT)?;
        }
        db.batch_execute(of(&db, DURABLE_AT_THE_END))?;
        if is_marked {
            // Those that refer to others before those.
            for table in COPIED.iter().rev() {
                db.batch_execute(&format!("DELETE FROM {}", table.name))?;
            }
        }
        Ok(Filling { db, _lock: lock })
    }

    /// The next numbers come after those that are there, everything is on disk, and the mark is gone.
    ///
    /// # Errors
    /// The database's.
    pub fn finish(mut self) -> QueryResult<()> {
        let postgres = self.db.is_postgres();
        let db = &mut self.db;
        db.batch_execute(of(db, DURABLE))?;
        db.write(|db| {
            if postgres {
                let number = |sequence: &str, table: &str| {
                    format!("SELECT setval({sequence}, COALESCE((SELECT MAX(id) FROM {table}), 0) + 1, FALSE)")
                };
                for table in ["users", "shops", "audit", "replies", "erasures", "outbox", "event_groups", "prepared"] {
                    db.batch_execute(&number(&format!("pg_get_serial_sequence('{table}', 'id')"), table))?;
                }
                db.batch_execute(&number("'conversations_id'", "conversations"))?;
            }
            db.batch_execute(&format!("DROP TABLE {UNFINISHED}"))
        })?;
        // Or whoever reads a row first is the one who notes that it is committed (PostgreSQL's hint bits).
        db.batch_execute(of(db, ["VACUUM (ANALYZE)", "PRAGMA wal_checkpoint(TRUNCATE)"]))
    }
}

/// What is said to PostgreSQL, and to SQLite.
fn of(db: &Db, [postgres, sqlite]: [&'static str; 2]) -> &'static str {
    if db.is_postgres() { postgres } else { sqlite }
}
