//! The pool for reading.

use std::time::Duration;

use diesel::{Connection, connection::TransactionManager, r2d2::R2D2Connection, result::Error as DbError};

use super::{Db, Error, location::Location};

/// How long a reading waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections for reading, each on a thread that may block.
#[derive(Clone)]
pub struct Readers(r2d2::Pool<Manager>);

impl Location {
    /// Connections for reading, `size` at most.
    ///
    /// # Errors
    /// [`Error::Pool`].
    pub fn readers(&self, size: u32) -> Result<Readers, Error> {
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(PATIENCE)
            // A connection that has died is found by the reading that it fails, not by asking before every one.
            .test_on_check_out(false)
            .build(Manager(self.clone()))?;
        Ok(Readers(pool))
    }
}

impl Readers {
    /// Runs `read` on a connection, within one snapshot of the database. Blocks.
    ///
    /// # Errors
    /// [`Error::Pool`] after 5 s without a connection, [`Error::Query`].
    pub fn read<T>(&self, read: impl FnOnce(&mut Db) -> Result<T, DbError>) -> Result<T, Error> {
        let mut reader = self.begun()?;
        let result = read(&mut reader.db);
        let ended = match &result {
            Ok(_) => <Db as Connection>::TransactionManager::commit_transaction(&mut reader.db),
            Err(_) => <Db as Connection>::TransactionManager::rollback_transaction(&mut reader.db),
        };
        reader.broken = ended.is_err();
        Ok(result?)
    }

    /// A connection in a transaction. Those that have died since they were used last are left behind.
    fn begun(&self) -> Result<r2d2::PooledConnection<Manager>, Error> {
        for _ in 0..self.0.max_size() {
            let mut reader = self.0.get()?;
            match begin(&mut reader.db) {
                Ok(()) => return Ok(reader),
                Err(_) => reader.broken = true,
            }
        }
        let mut reader = self.0.get()?;
        begin(&mut reader.db).inspect_err(|_| reader.broken = true)?;
        Ok(reader)
    }
}

fn begin(db: &mut Db) -> Result<(), DbError> {
    match db {
        Db::Sqlite(_) => <Db as Connection>::TransactionManager::begin_transaction(db),
        Db::Postgres(postgres) => diesel::connection::AnsiTransactionManager::begin_transaction_sql(
            postgres,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
    }
}

struct Manager(Location);

struct Reader {
    db: Db,
    broken: bool,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Reader;
    type Error = Error;

    fn connect(&self) -> Result<Reader, Error> {
        Ok(Reader { db: self.0.reader()?, broken: false })
    }

    fn is_valid(&self, reader: &mut Reader) -> Result<(), Error> {
        Ok(reader.db.ping()?)
    }

    fn has_broken(&self, reader: &mut Reader) -> bool {
        reader.broken || std::thread::panicking() || reader.db.is_broken()
    }
}
