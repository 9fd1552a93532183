//! Where the database is: `sqlite://PATH`, one file and one server, or `postgres://…`, a server for any number of nodes.

use std::path::{Path, PathBuf};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::{
    Db, Error,
    postgres::{self, Server},
};

/// WAL and a synced log make a commit survive the loss of power; `busy_timeout` is for the command line, which writes beside a
/// running server. Checkpoints are made beside the writer, every second; its own, inside a commit, come only when those fall behind.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4000;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -2048;";

#[derive(Clone, Debug)]
pub enum Location {
    /// The file.
    Sqlite(PathBuf),
    Postgres(Server),
}

impl Location {
    /// # Errors
    /// [`Error::Url`] for anything else.
    pub fn parse(url: &str) -> Result<Location, Error> {
        match url.strip_prefix("sqlite://") {
            Some("") => Err(Error::Url(postgres::shown(url))),
            Some(path) => Ok(Location::Sqlite(path.into())),
            None => Server::parse(url).map(Location::Postgres),
        }
    }

    /// Whether to write to a PostgreSQL that may forget what it has stored.
    #[must_use]
    pub fn allow_weak_durability(mut self, allow: bool) -> Location {
        if let Location::Postgres(server) = &mut self {
            server.allow_weak_durability = allow;
        }
        self
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Location::Postgres(_))
    }

    /// The directory that holds an SQLite database, and what else its server keeps.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Location::Sqlite(path) => Some(directory(path)),
            Location::Postgres(_) => None,
        }
    }

    /// What may be said of it: no password.
    pub fn shown(&self) -> String {
        match self {
            Location::Sqlite(path) => format!("sqlite://{}", path.display()),
            Location::Postgres(server) => server.shown(),
        }
    }

    /// A connection that may write.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Weak`], [`Error::Io`].
    pub fn writer(&self) -> Result<Db, Error> {
        match self {
            Location::Sqlite(path) => {
                std::fs::create_dir_all(directory(path))?;
                self.sqlite(path, WRITER)
            }
            Location::Postgres(server) => Ok(Db::Postgres(server.connect_to_write()?)),
        }
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn reader(&self) -> Result<Db, Error> {
        match self {
            Location::Sqlite(path) => self.sqlite(path, READER),
            Location::Postgres(server) => Ok(Db::Postgres(server.connect()?)),
        }
    }

    fn sqlite(&self, path: &Path, settings: &str) -> Result<Db, Error> {
        let open = |cause: String| Error::Open { url: self.shown(), cause };
        let mut db = SqliteConnection::establish(&path.to_string_lossy()).map_err(|e| open(e.to_string()))?;
        db.batch_execute(settings).map_err(|e| open(e.to_string()))?;
        Ok(Db::Sqlite(db))
    }
}

pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
