//! Keeps a second server away from a database that only one may use.

use std::{
    fs::{File, OpenOptions},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use diesel::{PgConnection, QueryResult, RunQueryDsl, dsl::sql, select, sql_types::Bool};

use super::{
    Error,
    location::{Location, directory},
    postgres::Server,
};

/// How often it is seen to that a lock on PostgreSQL is still held: it goes with its connection.
const RENEWAL: Duration = Duration::from_secs(2);

/// How often a database is tried that another server has.
const LOOK: Duration = Duration::from_millis(50);

/// Held by a server; released when the process ends, however it ends.
#[derive(Debug)]
pub enum Lock {
    Sqlite { _file: File },
    Postgres { _held: Sender<()> },
}

impl Location {
    /// Takes the database for this process, for as long as the result lives. `shared`: together with others that share it, which only
    /// PostgreSQL allows.
    ///
    /// # Errors
    /// [`Error::InUse`] where another server has it.
    pub fn lock(&self, shared: bool) -> Result<Lock, Error> {
        match self {
            Location::Sqlite(path) => {
                std::fs::create_dir_all(directory(path))?;
                let mut beside = path.clone().into_os_string();
                beside.push(".lock");
                let file = OpenOptions::new().create(true).truncate(false).write(true).open(beside)?;
                match file.try_lock() {
                    Ok(()) => Ok(Lock::Sqlite { _file: file }),
                    Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(self.shown())),
                    Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
                }
            }
            Location::Postgres(server) => hold(server.clone(), shared),
        }
    }

    /// The same for the server that comes after one that is ending, or was killed a moment ago: what it held is given back once the database
    /// has seen that it is gone.
    ///
    /// # Errors
    /// [`Error::InUse`] where another server has it for longer than `patience`.
    pub fn lock_after_another(&self, shared: bool, patience: Duration) -> Result<Lock, Error> {
        let end = Instant::now() + patience;
        let mut lock = self.lock(shared);
        if matches!(lock, Err(Error::InUse(_))) {
            tracing::warn!(?patience, "another server has the database: waiting for its end");
        }
        while matches!(lock, Err(Error::InUse(_))) && Instant::now() < end {
            thread::sleep(LOOK);
            lock = self.lock(shared);
        }
        lock
    }

    /// Takes a database that is there already: nothing is made where it should be.
    ///
    /// # Errors
    /// As [`Location::lock`]; [`Error::Open`] where there is no file.
    pub fn lock_existing(&self) -> Result<Lock, Error> {
        match self {
            Location::Sqlite(path) if !path.is_file() => {
                Err(Error::Open { url: self.shown(), cause: "there is no such file".to_owned() })
            }
            _ => self.lock(false),
        }
    }
}

fn take(db: &mut PgConnection, shared: bool) -> QueryResult<bool> {
    // Two keys: the second tells schemas of one database apart.
    let function = if shared { "pg_try_advisory_lock_shared" } else { "pg_try_advisory_lock" };
    select(sql::<Bool>(&format!("{function}(727073, hashtext(current_schema()))"))).get_result(db)
}

fn hold(server: Server, shared: bool) -> Result<Lock, Error> {
    let mut connection = server.connect()?;
    if !take(&mut connection, shared)? {
        return Err(Error::InUse(server.shown()));
    }
    let (held, dropped) = mpsc::channel();
    let keep = move || {
        let mut connection = Some(connection);
        while dropped.recv_timeout(RENEWAL) == Err(RecvTimeoutError::Timeout) {
            let lives = |db: &mut PgConnection| select(sql::<Bool>("TRUE")).get_result::<bool>(db).is_ok();
            if connection.as_mut().is_some_and(lives) {
                continue;
            }
            connection = server.connect().ok();
            match connection.as_mut().map(|db| take(db, shared)) {
                Some(Ok(true)) => tracing::info!("the lock on the database is held again"),
                Some(Ok(false)) => tracing::error!("another server has taken the database: stop one of them"),
                Some(Err(_)) | None => tracing::warn!("the lock on the database is lost with its connection"),
            }
        }
    };
    thread::Builder::new().name("lock".into()).spawn(keep)?;
    Ok(Lock::Postgres { _held: held })
}
