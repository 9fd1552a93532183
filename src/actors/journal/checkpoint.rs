//! Checkpoints of SQLite.

use std::{thread, time::Duration};

use diesel::connection::SimpleConnection;

use crate::store::Db;

/// Moves the log into the database file beside the writer, on a connection of its own, so that commits seldom have to.
///
/// # Errors
/// When the thread cannot be made.
pub fn checkpoint_beside(mut db: Db, every: Duration) -> std::io::Result<()> {
    let work = move || loop {
        thread::sleep(every);
        if let Err(error) = db.batch_execute("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::warn!(%error, "a checkpoint failed");
        }
    };
    thread::Builder::new().name("checkpoint".into()).spawn(work).map(drop)
}
