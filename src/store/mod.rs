//! The one place of truth: SQLite through diesel, one file per table with its rows and queries.
//!
//! Reads go through a pool, on threads that may block. All writes go through [`journal::Writer`], on one thread.

pub mod agents;
pub mod audit;
pub mod conversations;
pub mod files;
pub mod journal;
pub mod messages;
pub mod offline;
pub mod people;
pub mod pool;
pub mod receipts;
pub mod schema;
pub mod shops;
pub mod tickets;
pub mod timeline;
pub mod users;
pub mod waiting_acks;

/// The connection that queries run on.
pub type Db = diesel::SqliteConnection;

/// Why the store could not do something. Clients are told `unavailable`; the log has the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open {url}: {cause}")]
    Open { url: String, cause: String },
    #[error("database.url must be sqlite://PATH, not {0}")]
    Url(String),
    #[error("the database's schema is newer than this program: it has migration {0}")]
    Newer(String),
    #[error("cannot migrate: {0}")]
    Migrate(String),
    #[error("no connection: {0}")]
    Pool(#[from] r2d2::Error),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error("another server uses {0}; several nodes on one database need redis.url")]
    InUse(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
