//! Writings of all other kinds.

use diesel::{Connection, QueryResult, result::Error};

use super::{
    Answer,
    trouble::{self, Trouble},
};
use crate::store::{Db, people::People};

/// So often a job is tried that others get in the way of.
const ATTEMPTS: u32 = 4;

/// Any other writing, in a savepoint of the batch's transaction. It may be run more than once before it is done.
pub trait Job: Send {
    /// # Errors
    /// What the database says: the savepoint is rolled back, the batch goes on.
    fn run(&mut self, db: &mut Db) -> QueryResult<()>;
    /// Whether it leaves users, shops, agents and conversations alone, and so does not care what is written before it.
    fn is_apart(&self) -> bool {
        false
    }
    /// Told once: whether the transaction was committed.
    fn done(self: Box<Self>, committed: bool);
}

/// Runs a job; fails where the whole transaction has to.
pub fn run(db: &mut Db, people: &mut People, job: &mut dyn Job) -> QueryResult<Answer> {
    let mut attempts = 0;
    let ran = loop {
        let ran = db.transaction(|db| job.run(db));
        attempts += 1;
        match &ran {
            // What another node has just written is found when it is looked for once more.
            Err(error)
                if matches!(trouble::of(error), Trouble::Again | Trouble::Taken)
                    && db.is_postgres()
                    && attempts < ATTEMPTS => {}
            _ => break ran,
        }
    };
    if !job.is_apart() {
        people.forget();
    }
    match ran {
        // A job rolls back what it refuses.
        Ok(()) | Err(Error::RollbackTransaction) => Ok(Answer::Job(true)),
        Err(error) => match trouble::of(&error) {
            Trouble::Data | Trouble::Again | Trouble::Taken => {
                tracing::error!(%error, "a job of the journal failed");
                Ok(Answer::Job(false))
            }
            // SQLite has rolled back the whole transaction, savepoints and all.
            Trouble::Lost | Trouble::Unable => Err(error),
        },
    }
}
