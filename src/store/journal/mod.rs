//! The journal's transaction: everything that changes a conversation, in batches, each entry decided by the state machine on what
//! the database holds at that moment.
//!
//! What a batch needs is gathered ([`gather`]), everything is decided in memory ([`decide`]), and what has come of it is written
//! ([`write`]), so that it costs a fixed number of statements, however many entries it has.

mod decide;
mod facts;
mod gather;
mod held;
mod job;
mod rows;
mod transaction;
mod trouble;
mod write;

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::{QueryResult, connection::SimpleConnection, result::Error as DbError};

use self::{held::Held, transaction::Transaction, trouble::Trouble};
pub use self::{job::Job, rows::Rows, write::write};
use super::{Db, Error, location::Location, people::People};
use crate::{
    domain::{
        command::{Act, Command, Outcome},
        refusal::Refusal,
    },
    failpoint,
};

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
    /// Whether what happens in shops is noted for their own systems.
    pub events: bool,
}

/// A lost connection is looked for so long, with a batch in hand.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pauses between attempts to connect: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// So often a batch is tried that others get in the way of.
const ATTEMPTS: u32 = 5;
/// Where one message was stored before, others are sent again too: after a crash, or after a connection. So long keys are asked for.
const DOUBT: Duration = Duration::from_secs(1);
/// Other nodes may change names: what the writer remembers of people is forgotten so often.
const MEMORY: Duration = Duration::from_secs(5);

/// A commit takes milliseconds, and seldom half a second: whoever keeps a lock longer stands still, and must not stop others. What the
/// writer asks, it asks by keys: no plan must be made for a small table that is wrong for the large one it becomes, so tables are joined in
/// the order in which they are named.
const SETTINGS: &str = "SET lock_timeout = 500; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET join_collapse_limit = 1; \
                     SET plan_cache_mode = force_generic_plan;";

/// Writes batches, one after the other, on a connection of its own.
///
/// On SQLite there is one, and nobody else writes while the server runs. On PostgreSQL there are several, on several nodes; a
/// conversation's row is locked by the one that writes it.
pub struct Writer {
    location: Location,
    db: Option<Db>,
    /// Since when the batch in hand has been without a connection that holds.
    lost_since: Option<Instant>,
    /// The log has it that there is no connection.
    is_logged: bool,
    people: People,
    remembers_since: Instant,
    held: Held,
    rules: Rules,
    /// Until then no key of a message is trusted to be new.
    doubts_until: Option<Instant>,
}

/// A transaction that was not committed; `unknown`: or perhaps it was.
struct Failed {
    error: DbError,
    unknown: bool,
}

impl Writer {
    /// # Errors
    /// When the database cannot be opened.
    pub fn open(location: &Location, rules: Rules) -> Result<Writer, Error> {
        let mut writer = Writer::unconnected(location.clone(), rules);
        writer.connect()?;
        Ok(writer)
    }

    fn unconnected(location: Location, rules: Rules) -> Writer {
        let (people, held) = (People::default(), Held::default());
        let remembers_since = Instant::now();
        let doubts_until = None;
        Writer {
            location,
            db: None,
            lost_since: None,
            is_logged: false,
            people,
            remembers_since,
            held,
            rules,
            doubts_until,
        }
    }

    /// Whether the database is within this process.
    pub fn is_embedded(&self) -> bool {
        !self.location.is_postgres()
    }

    /// One that may take the place of this, if this should stand still; it has no connection yet. On SQLite there is one writer.
    pub fn spare(&self) -> Option<Writer> {
        self.location.is_postgres().then(|| Writer::unconnected(self.location.clone(), self.rules))
    }

    fn connect(&mut self) -> Result<(), Error> {
        let mut db = self.location.writer()?;
        if db.is_postgres() {
            db.batch_execute(SETTINGS)?;
        }
        self.db = Some(db);
        Ok(())
    }

    /// False after a connection was lost and before there is another.
    pub fn is_connected(&self) -> bool {
        self.db.is_some()
    }

    /// Tries to connect until there is a connection, or `until` is over.
    pub fn reconnect(&mut self, until: Instant) -> bool {
        let mut pause = PAUSE;
        while self.db.is_none() {
            match self.connect() {
                Ok(()) => {
                    tracing::info!("the journal is connected to its database again");
                    self.is_logged = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_logged, true) {
                        tracing::warn!(%error, "the journal has no database");
                    }
                    if Instant::now() + pause >= until {
                        return false;
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        true
    }

    /// Writes a batch in one transaction and gives an answer for each entry, in order. When this returns, everything that was
    /// answered with an outcome is on disk.
    ///
    /// A connection that is lost is looked for, and the batch is run again. If it is not known whether it was committed, that is done
    /// with what may be done twice; the rest is `unavailable`.
    pub fn commit(&mut self, batch: &mut [Entry]) -> Vec<Answer> {
        if self.location.is_postgres() && self.remembers_since.elapsed() > MEMORY {
            self.forget();
        }
        self.lost_since = None;
        self.commit_all(&mut batch.iter_mut().collect::<Vec<_>>())
    }

    fn commit_all(&mut self, batch: &mut [&mut Entry]) -> Vec<Answer> {
        let (mut attempts, mut trusts_keys) = (0, self.doubts_until.is_none_or(|until| until < Instant::now()));
        loop {
            let until = self.lost_since.unwrap_or_else(Instant::now) + PATIENCE;
            if self.db.is_none() && !self.reconnect(until) {
                return batch.iter().map(|entry| entry.fail()).collect();
            }
            let Failed { error, unknown } = match self.attempt(batch, trusts_keys) {
                Ok(answers) => return answers,
                Err(failed) => failed,
            };
            self.forget();
            let trouble = trouble::of(&error);
            if trouble == Trouble::Taken && trusts_keys {
                trusts_keys = false;
                self.doubts_until = Some(Instant::now() + DOUBT);
                continue;
            }
            attempts += 1;
            match trouble {
                Trouble::Lost => {
                    tracing::warn!(%error, entries = batch.len(), unknown, "the journal's connection is lost");
                    self.db = None;
                    let since = *self.lost_since.get_or_insert_with(Instant::now);
                    if unknown {
                        return self.commit_again(batch);
                    }
                    // It may well be had again, and be of no use: a server that has become read-only.
                    if since.elapsed() >= PATIENCE {
                        return batch.iter().map(|entry| entry.fail()).collect();
                    }
                    thread::sleep(PAUSE * attempts);
                }
                // Some pause, and not the same on all nodes.
                Trouble::Again | Trouble::Taken if attempts < ATTEMPTS => {
                    thread::sleep(Duration::from_millis(rand::random_range(0..1 << attempts)));
                }
                Trouble::Again | Trouble::Taken | Trouble::Data if batch.len() > 1 => {
                    // One entry that the database refuses must not take the others with it: halve until it is alone.
                    let (left, right) = batch.split_at_mut(batch.len() / 2);
                    let mut answers = self.commit_all(left);
                    answers.extend(self.commit_all(right));
                    return answers;
                }
                _ => {
                    tracing::error!(%error, entries = batch.len(), "the journal could not write");
                    return batch.iter().map(|entry| entry.fail()).collect();
                }
            }
        }
    }

    /// After a commit of which it is not known whether it happened.
    fn commit_again(&mut self, batch: &mut [&mut Entry]) -> Vec<Answer> {
        self.doubts_until = Some(Instant::now() + DOUBT);
        let mut again: Vec<&mut Entry> =
            batch.iter_mut().filter(|entry| entry.may_be_repeated()).map(|entry| &mut **entry).collect();
        let mut answers = self.commit_all(&mut again).into_iter();
        let answer = |entry: &&mut Entry| {
            let repeated = entry.may_be_repeated().then(|| answers.next()).flatten();
            repeated.unwrap_or_else(|| entry.fail())
        };
        batch.iter().map(answer).collect()
    }

    fn attempt(&mut self, batch: &mut [&mut Entry], trusts_keys: bool) -> Result<Vec<Answer>, Failed> {
        let Writer { db, people, held, rules, .. } = self;
        let Some(db) = db else { return Err(Failed { error: DbError::BrokenTransactionManager, unknown: false }) };
        let mut unknown = false;
        let written = db.write(|db| {
            let answers = Transaction { db, people, held, rules: *rules, trusts_keys }.run(batch)?;
            failpoint::pass("journal.written");
            unknown = true; // What fails from here on is the commit.
            QueryResult::Ok(answers)
        });
        written.map_err(|error| Failed { error, unknown })
    }

    fn forget(&mut self) {
        self.people.forget();
        self.remembers_since = Instant::now();
    }
}

impl Entry {
    fn fail(&self) -> Answer {
        match self {
            Entry::Command(_) => Answer::Refused(Refusal::BUSY),
            Entry::Job(_) => Answer::Job(false),
        }
    }

    /// Whether doing it twice comes to the same as doing it once, in the database and in the answer.
    fn may_be_repeated(&self) -> bool {
        match self {
            Entry::Command(command) => match command.act {
                Act::Send { .. }
                | Act::Ack { .. }
                | Act::Read { .. }
                | Act::Claim(_)
                | Act::LoseClaimant { .. }
                | Act::Add { .. }
                | Act::Commit { .. }
                | Act::Rate { .. }
                | Act::SetStatus { .. } => true,
                Act::Release(_)
                | Act::Resolve(_)
                | Act::Transfer { .. }
                | Act::Recall { .. }
                | Act::Edit { .. }
                | Act::Delete { .. }
                | Act::Erase { .. } => false,
            },
            Entry::Job(_) => false,
        }
    }
}
