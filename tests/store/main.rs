//! The store, one suite for a real SQLite file and a real PostgreSQL.

mod conversations;
mod copying;
mod deliveries;
mod idempotency;
mod lists;
mod messages;
mod people;
mod place;
mod pool;
mod schema;
mod search;
mod seed;
mod start;
mod statistics;
