//! A batch within its transaction.

use diesel::{QueryResult, result::Error};

use super::{
    Answer, Entry, Rules,
    decide::{Decided, decide},
    facts::Facts,
    gather::gather,
    held::Held,
    job,
    write::write,
};
use crate::{
    domain::command::Command,
    store::{Db, people::People},
};

/// How often a batch may find that it has to know more. Each round is about something else, so there are never that many.
const ROUNDS: usize = 20;

pub struct Transaction<'a> {
    pub db: &'a mut Db,
    pub people: &'a mut People,
    pub held: &'a mut Held,
    pub rules: Rules,
    /// Whether the keys of messages are taken for new ones.
    pub trusts_keys: bool,
}

impl Transaction<'_> {
    /// Has a batch done. A job that touches what commands are about sees all that was before it written, and is seen by all that
    /// comes after it.
    pub fn run(&mut self, batch: &mut [&mut Entry]) -> QueryResult<Vec<Answer>> {
        let mut answers = Vec::with_capacity(batch.len());
        let stands_between = |entry: &&mut Entry| matches!(&**entry, Entry::Job(job) if !job.is_apart());
        for part in batch.split_inclusive_mut(stands_between) {
            let commands: Vec<&Command> = part.iter().filter_map(|entry| entry.command()).collect();
            let mut decided = self.settle(&commands)?.into_iter();
            for entry in part {
                answers.extend(match &mut **entry {
                    Entry::Command(_) => decided.next(),
                    Entry::Job(job) => Some(job::run(self.db, self.people, &mut **job)?),
                });
            }
        }
        Ok(answers)
    }

    /// Gathers, decides, and writes.
    fn settle(&mut self, commands: &[&Command]) -> QueryResult<Vec<Answer>> {
        let mut facts = Facts { trusts_keys: self.trusts_keys, ..Facts::default() };
        for _ in 0..ROUNDS {
            match decide(&facts, commands, self.rules) {
                Ok(Decided { answers, rows }) => {
                    write(self.db, &rows)?;
                    return Ok(answers);
                }
                // Numbers that are taken are gone if the batch is run again.
                Err(needs) if facts.trusts_keys && needs.takes_numbers() => facts.trusts_keys = false,
                Err(needs) => gather(self.db, self.people, self.held, &mut facts, *needs)?,
            }
        }
        tracing::error!("a batch always lacks something");
        Err(Error::RollbackTransaction)
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
