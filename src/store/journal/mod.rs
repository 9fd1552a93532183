//! The journal's transaction: everything that changes a conversation, in batches, each entry decided by the state machine on what
//! the database holds at that moment.
//!
//! A batch is gathered ([`gather`]), decided in memory ([`decide`]) and written ([`write`]), so that it costs a fixed number of
//! statements, however many entries it has.

mod decide;
mod facts;
mod gather;
mod rows;
mod write;

use diesel::{Connection, QueryResult, result::Error as DbError};

use self::{
    decide::{Decided, decide},
    facts::Facts,
    gather::gather,
    write::write,
};
use super::{Db, people::People};
use crate::domain::{
    command::{Command, Outcome},
    refusal::Refusal,
};

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

pub enum Entry {
    Command(Command),
    Job(Box<dyn Job>),
}

/// What has become of an entry.
#[derive(Debug)]
pub enum Answer {
    Outcome(Outcome),
    Refused(Refusal),
    /// A job: whether its savepoint was committed. It knows itself what it has done.
    Job(bool),
    /// Nothing: it waits for another transaction, and must be the first that is committed next, with all others like it in their order.
    Later,
}

/// What the operator has set of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a sender may take a message back, in milliseconds.
    pub recall_window_ms: i64,
}

/// How often a batch may find that it has to know more. Each round is about something else, so there are never that many.
const ROUNDS: usize = 20;

/// The only one that writes while the server runs.
pub struct Writer {
    db: Db,
    people: People,
    rules: Rules,
}

impl Writer {
    pub fn new(db: Db, rules: Rules) -> Writer {
        Writer { db, people: People::default(), rules }
    }

    /// Writes a batch in one transaction and gives an answer for each entry, in order. When this returns, everything that was
    /// answered with an outcome is on disk.
    pub fn commit(&mut self, batch: &mut [Entry]) -> Vec<Answer> {
        let Writer { db, people, rules } = self;
        let written = db.write(|db| run(db, people, *rules, batch));
        match written {
            Ok(answers) => answers,
            Err(error) => {
                self.people.forget();
                if batch.len() == 1 || !is_about_data(&error) {
                    tracing::error!(%error, entries = batch.len(), "the journal could not write");
                    return batch.iter().map(Entry::fail).collect();
                }
                // One entry that the database refuses must not take the others with it: halve until it is alone.
                let (left, right) = batch.split_at_mut(batch.len() / 2);
                let mut answers = self.commit(left);
                answers.extend(self.commit(right));
                answers
            }
        }
    }
}

impl Entry {
    fn fail(&self) -> Answer {
        match self {
            Entry::Command(_) => Answer::Refused(Refusal::BUSY),
            Entry::Job(_) => Answer::Job(false),
        }
    }
}

/// Whether an error lies in one entry's data rather than in the database being unable to write at all.
fn is_about_data(error: &DbError) -> bool {
    match error {
        DbError::DatabaseError(_, info) => {
            let says = info.message();
            !["full", "I/O", "locked", "readonly", "busy", "unable to open"].iter().any(|word| says.contains(word))
        }
        _ => true,
    }
}

/// Has a batch done, within a transaction. A job that touches what commands are about sees all that was before it written, and is
/// seen by all that comes after it.
fn run(db: &mut Db, people: &mut People, rules: Rules, batch: &mut [Entry]) -> QueryResult<Vec<Answer>> {
    let mut answers = Vec::with_capacity(batch.len());
    for part in batch.split_inclusive_mut(|entry| matches!(entry, Entry::Job(job) if !job.is_apart())) {
        let commands: Vec<&Command> = part.iter().filter_map(Entry::command).collect();
        let mut decided = settle(db, people, rules, &commands)?.into_iter();
        for entry in part {
            answers.extend(match entry {
                Entry::Command(_) => decided.next(),
                Entry::Job(job) => Some(run_job(db, people, &mut **job)?),
            });
        }
    }
    Ok(answers)
}

/// Gathers, decides, and writes.
fn settle(db: &mut Db, people: &mut People, rules: Rules, commands: &[&Command]) -> QueryResult<Vec<Answer>> {
    let mut facts = Facts::default();
    for _ in 0..ROUNDS {
        match decide(&facts, commands, rules) {
            Ok(Decided { answers, rows }) => {
                write(db, &rows)?;
                return Ok(answers);
            }
            Err(needs) => gather(db, people, &mut facts, needs)?,
        }
    }
    tracing::error!("a batch always lacks something");
    Err(DbError::RollbackTransaction)
}

fn run_job(db: &mut Db, people: &mut People, job: &mut dyn Job) -> QueryResult<Answer> {
    let ran = db.transaction(|db| job.run(db));
    if !job.is_apart() {
        people.forget();
    }
    match ran {
        // A job rolls back what it refuses.
        Ok(()) | Err(DbError::RollbackTransaction) => Ok(Answer::Job(true)),
        // SQLite has rolled back the whole transaction, savepoints and all.
        Err(error) if !is_about_data(&error) => Err(error),
        Err(error) => {
            tracing::error!(%error, "a job of the journal failed");
            Ok(Answer::Job(false))
        }
    }
}

impl Entry {
    fn command(&self) -> Option<&Command> {
        match self {
            Entry::Command(command) => Some(command),
            Entry::Job(_) => None,
        }
    }
}
