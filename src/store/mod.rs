//! The one place of truth: SQLite or PostgreSQL through diesel, a file or a directory for each table with its rows and queries.
//!
//! Reads go through a pool, on threads that may block. All writes go through [`journal::Writer`].

pub mod agents;
pub mod api_keys;
pub mod arrivals;
pub mod audit;
pub mod backend;
pub mod changes;
pub mod check_backs;
pub mod conversations;
pub mod copy;
pub mod deliveries;
pub mod erasures;
pub mod events;
pub mod exports;
pub mod file_uses;
pub mod files;
pub mod fill;
pub mod idempotency;
pub mod journal;
pub mod leases;
pub mod location;
pub mod lock;
pub mod messages;
pub mod migrate;
pub mod nodes;
pub mod offline;
pub mod people;
pub mod pool;
pub mod postgres;
pub mod prepared;
pub mod receipts;
pub mod replies;
pub mod retention;
pub mod schema;
pub mod search;
pub mod shops;
mod statement;
pub mod statistics;
pub mod tickets;
pub mod timeline;
mod unnest;
pub mod users;
pub mod waiting_acks;
pub mod webhooks;

pub use backend::Db;

/// Why the store could not do something. Clients are told `unavailable`; the log has the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open {url}: {cause}")]
    Open { url: String, cause: String },
    #[error(
        "database.url must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE, signs in USER and PASSWORD encoded, not {0}"
    )]
    Url(String),
    #[error(
        "{url} has {setting} = {value}: messages could be lost that were said to be stored; \
         set it right, or database.allow_weak_durability"
    )]
    Weak { url: String, setting: &'static str, value: String },
    #[error("the database's schema is newer than this program: it has migration {0}")]
    Newer(String),
    #[error("the database is not Shopbell's: it has the tables {0}")]
    Foreign(String),
    #[error("the database is damaged: its migrations have been run, and the table {0} is missing")]
    Damaged(String),
    #[error("the database has not been filled to the end: run copy-database, or seed, again")]
    Unfinished,
    #[error("the database's schema is older than this program: run `shopbell migrate` on it first; {0} is missing")]
    Older(String),
    #[error("the database is not empty: it has {0}")]
    NotEmpty(&'static str),
    #[error("{table} cannot be copied: {cause}")]
    Copy { table: &'static str, cause: String },
    #[error("the copy is not what it should be: {0}")]
    Differs(String),
    #[error("cannot migrate: {0}")]
    Migrate(String),
    #[error("no connection: {0}")]
    Pool(#[from] r2d2::Error),
    #[error("no connection: {0}")]
    Down(String),
    #[error("{0} does not answer, and too many connections to it are lost")]
    Lost(String),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error("another server uses {0}; several nodes on one database need PostgreSQL, and redis.url for each")]
    InUse(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
