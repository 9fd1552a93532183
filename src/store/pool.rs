//! Opening the database: connections, migrations, and the lock that keeps a second server away.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{
    Connection, SqliteConnection,
    connection::SimpleConnection,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Db, Error};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// WAL and a synced log make a commit survive the loss of power; `busy_timeout` is for the command line, which writes beside a
/// running server. Checkpoints are made beside the writer, every second; its own, inside a commit, come only when those fall behind.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -8192;";

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Location(PathBuf);

impl Location {
    /// # Errors
    /// [`Error::Url`] for anything but `sqlite://PATH`.
    pub fn parse(url: &str) -> Result<Location, Error> {
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Location(path.into())),
            _ => Err(Error::Url(url.to_owned())),
        }
    }

    /// The directory that holds the database, and what else the server keeps.
    pub fn directory(&self) -> &Path {
        self.0.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn url(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// A connection that may write.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Io`].
    pub fn writer(&self) -> Result<Db, Error> {
        std::fs::create_dir_all(self.directory())?;
        let open = |cause: String| Error::Open { url: self.url(), cause };
        let mut db = SqliteConnection::establish(&self.url()).map_err(|e| open(e.to_string()))?;
        db.batch_execute(WRITER).map_err(|e| open(e.to_string()))?;
        Ok(db)
    }

    /// Connections for reading.
    ///
    /// # Errors
    /// [`Error::Pool`].
    pub fn readers(&self, size: u32) -> Result<Readers, Error> {
        let manager = ConnectionManager::<Db>::new(self.url());
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_secs(5))
            .connection_customizer(Box::new(ReadOnly))
            .build(manager)?;
        Ok(Readers(pool))
    }

    /// Takes the database for this process, for as long as the result lives.
    ///
    /// # Errors
    /// [`Error::InUse`] where another server has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        std::fs::create_dir_all(self.directory())?;
        let mut path = self.0.clone().into_os_string();
        path.push(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(self.url())),
            Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Held by a server; released when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug)]
struct ReadOnly;

impl CustomizeConnection<Db, diesel::r2d2::Error> for ReadOnly {
    fn on_acquire(&self, db: &mut Db) -> Result<(), diesel::r2d2::Error> {
        db.batch_execute(READER).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// The pool for reading.
#[derive(Clone)]
pub struct Readers(Pool<ConnectionManager<Db>>);

impl Readers {
    /// Runs `read` on a connection, within one snapshot of the database. Blocks.
    ///
    /// # Errors
    /// [`Error::Pool`] after 5 s without a connection, [`Error::Query`].
    pub fn read<T>(&self, read: impl FnOnce(&mut Db) -> Result<T, diesel::result::Error>) -> Result<T, Error> {
        let mut db = self.0.get()?;
        Ok(db.transaction(|db| read(db))?)
    }
}

/// Brings the schema up to date; gives how many migrations were run.
///
/// # Errors
/// [`Error::Newer`] for a database that a newer program has made, which is left as it is; [`Error::Migrate`].
pub fn migrate(db: &mut Db) -> Result<usize, Error> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| Error::Migrate(e.to_string());
    let known: Vec<String> = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE)
        .map_err(failed)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied = db.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(Error::Newer(newer));
    }
    Ok(db.run_pending_migrations(SQLITE).map_err(failed)?.len())
}
