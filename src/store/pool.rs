//! The pool for reading.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use diesel::{
    Connection,
    connection::{AnsiTransactionManager, TransactionManager},
    r2d2::R2D2Connection,
    result::Error as DbError,
};

use super::{Db, Error, location::Location};

/// How long a reading waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// When all connections have been out for this long, they count as lost. A server that is frozen, and whose kernel goes on acknowledging
/// what it is sent, cannot be told from one that thinks, and libpq waits for it without end.
const LOST: Duration = Duration::from_secs(3);
/// How many times over connections may be lost, with the threads that wait for them, before readings are refused at once.
const LOST_MAX: usize = 3;
/// A connection that takes longer to fail is not tried again with another.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Connections for reading, each on a thread that may block.
#[derive(Clone)]
pub struct Readers(Arc<Shared>);

struct Shared {
    location: Location,
    size: u32,
    pools: Mutex<Pools>,
}

struct Pools {
    current: Arc<Current>,
    /// Alive as long as a thread waits for one of their connections.
    lost: Vec<Weak<Current>>,
}

struct Current {
    pool: r2d2::Pool<Manager>,
    readings: Mutex<Readings>,
    failure: Failure,
}

/// Why the last attempt to connect has failed, if it has. Attempts go on by themselves until one succeeds.
type Failure = Arc<Mutex<Option<String>>>;

/// Since when connections are out, by the order in which they went.
#[derive(Default)]
struct Readings {
    since: BTreeMap<u64, Instant>,
    count: u64,
}

impl Location {
    /// Connections for reading, `size` at most.
    ///
    /// # Errors
    /// [`Error::Pool`] where the database does not answer now.
    pub fn readers(&self, size: u32) -> Result<Readers, Error> {
        let current = Current::new(self, size);
        drop(current.pool.get()?);
        let pools = Mutex::new(Pools { current: Arc::new(current), lost: Vec::new() });
        Ok(Readers(Arc::new(Shared { location: self.clone(), size, pools })))
    }
}

impl Readers {
    /// Runs `read` on a connection, within one snapshot of the database. Blocks.
    ///
    /// # Errors
    /// [`Error::Pool`] after 2 s without a connection; at once, [`Error::Down`] where none can be made, and [`Error::Lost`] where too many
    /// are lost; [`Error::Query`].
    pub fn read<T>(&self, read: impl FnOnce(&mut Db) -> Result<T, DbError>) -> Result<T, Error> {
        let current = self.current()?;
        let (mut reader, _out) = begun(&current)?;
        let result = read(&mut reader.db);
        let ended = match &result {
            Ok(_) => <Db as Connection>::TransactionManager::commit_transaction(&mut reader.db),
            Err(_) => <Db as Connection>::TransactionManager::rollback_transaction(&mut reader.db),
        };
        reader.broken = ended.is_err();
        Ok(result?)
    }

    /// The pool to read with: a new one where all connections of the last are lost.
    fn current(&self) -> Result<Arc<Current>, Error> {
        let Shared { location, size, pools } = &*self.0;
        let mut pools = held(pools);
        if pools.current.is_lost(*size) {
            pools.lost.retain(|lost| lost.strong_count() > 0);
            if pools.lost.len() >= LOST_MAX {
                return Err(Error::Lost(location.shown()));
            }
            tracing::warn!(database = location.shown(), connections = size, "the database does not answer");
            let lost = std::mem::replace(&mut pools.current, Arc::new(Current::new(location, *size)));
            pools.lost.push(Arc::downgrade(&lost));
        }
        Ok(pools.current.clone())
    }
}

impl Current {
    fn new(location: &Location, size: u32) -> Current {
        let failure = Failure::default();
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .connection_timeout(PATIENCE)
            .error_handler(Box::new(Quiet))
            // A connection that has died is found by the reading that it fails, not by asking before every one.
            .test_on_check_out(false)
            .build_unchecked(Manager { location: location.clone(), failure: failure.clone() });
        Current { pool, readings: Mutex::default(), failure }
    }

    /// Why there are no connections, where it is known.
    fn check(&self) -> Result<(), Error> {
        match held(&self.failure).as_ref() {
            Some(cause) if self.pool.state().connections == 0 => Err(Error::Down(cause.clone())),
            _ => Ok(()),
        }
    }

    fn is_lost(&self, size: u32) -> bool {
        let readings = held(&self.readings);
        let newest = readings.since.values().next_back();
        readings.since.len() >= size as usize && newest.is_some_and(|since| since.elapsed() > LOST)
    }

    fn go_out(self: &Arc<Self>) -> Out {
        let mut readings = held(&self.readings);
        readings.count += 1;
        let number = readings.count;
        readings.since.insert(number, Instant::now());
        Out { of: self.clone(), number }
    }
}

/// A connection is out.
struct Out {
    of: Arc<Current>,
    number: u64,
}

impl Drop for Out {
    fn drop(&mut self) {
        held(&self.of.readings).since.remove(&self.number);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection in a transaction. Those that have died since they were used last are left behind.
fn begun(current: &Arc<Current>) -> Result<(r2d2::PooledConnection<Manager>, Out), Error> {
    let mut dead = 0;
    loop {
        current.check()?;
        let mut reader = current.pool.get()?;
        let (out, started) = (current.go_out(), Instant::now());
        match begin(&mut reader.db) {
            Ok(()) => return Ok((reader, out)),
            Err(error) => {
                reader.broken = true;
                dead += 1;
                if dead > current.pool.max_size() || started.elapsed() > AT_ONCE {
                    return Err(error.into());
                }
            }
        }
    }
}

/// Begins to read, within one snapshot.
pub(super) fn begin(db: &mut Db) -> Result<(), DbError> {
    const SNAPSHOT: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    match db {
        Db::Sqlite(_) => <Db as Connection>::TransactionManager::begin_transaction(db),
        Db::Postgres(postgres) => AnsiTransactionManager::begin_transaction_sql(postgres, SNAPSHOT),
    }
}

struct Manager {
    location: Location,
    failure: Failure,
}

struct Reader {
    db: Db,
    broken: bool,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Reader;
    type Error = Error;

    fn connect(&self) -> Result<Reader, Error> {
        let reader = self.location.reader();
        *held(&self.failure) = reader.as_ref().err().map(ToString::to_string);
        Ok(Reader { db: reader?, broken: false })
    }

    fn is_valid(&self, reader: &mut Reader) -> Result<(), Error> {
        Ok(reader.db.ping()?)
    }

    fn has_broken(&self, reader: &mut Reader) -> bool {
        reader.broken || std::thread::panicking() || reader.db.is_broken()
    }
}

/// The reading that gets no connection says why.
#[derive(Debug)]
struct Quiet;

impl r2d2::HandleError<Error> for Quiet {
    fn handle_error(&self, error: Error) {
        tracing::debug!(%error, "no connection");
    }
}
