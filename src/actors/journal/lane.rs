//! A lane: what waits, the one batch in flight, and the thread that writes it.

use std::{
    io,
    sync::mpsc::{self, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use actix::{Addr, Recipient};

use super::{Done, Journal, Ready};
use crate::{
    actors::mail::{Asked, Reply, Written},
    domain::{batch::Batcher, refusal::Refusal},
    store::journal::{Answer, Entry, Writer},
};

/// How many entries may wait; what comes then is refused.
const CAPACITY: usize = 20_000;
/// How many go into one transaction.
const LARGEST: usize = 1_000;
/// What a refused sender is told to wait.
const FULL: Refusal = Refusal::Unavailable { retry_after_ms: 200 };
/// While a lane does not get on, what has waited for so long is refused …
const WAITS: Duration = Duration::from_secs(2);
/// … and what is in flight for so long: nobody knows what will become of it.
const FLIES: Duration = Duration::from_secs(3);
/// How long a writer without a connection looks for one before it sees whether it is still wanted.
const SEARCH: Duration = Duration::from_secs(1);

pub struct Lane {
    batcher: Batcher<Waiting>,
    /// Of the batch in flight, in its order.
    in_flight: Vec<InFlight>,
    /// Since when the writer has been at its batch, or without a connection.
    busy_since: Option<Instant>,
    writer: mpsc::Sender<Vec<Entry>>,
}

pub struct Waiting {
    pub entry: Entry,
    pub back: Option<Return>,
    pub since: Instant,
}

struct InFlight {
    back: Option<Return>,
    since: Instant,
}

/// Who gets the answer.
pub struct Return {
    pub to: Recipient<Written>,
    pub asked: Asked,
}

impl Return {
    fn tell(self, reply: Reply) {
        self.to.do_send(Written { reply, asked: self.asked });
    }
}

/// What has become of an entry.
pub enum Fate {
    Command(Reply),
    /// A job, which knows itself.
    Job,
    /// It has to be written before all that waits.
    Later(Entry),
}

impl Lane {
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(number: usize, writer: Writer, journal: Addr<Journal>) -> io::Result<Lane> {
        let (send, batches) = mpsc::channel();
        let work = move || write_all(number, writer, &batches, &journal);
        thread::Builder::new().name(format!("journal-{number}")).spawn(work)?;
        let batcher = Batcher::new(CAPACITY, LARGEST);
        Ok(Lane { batcher, in_flight: Vec::new(), busy_since: None, writer: send })
    }

    pub fn push(&mut self, waiting: Waiting) {
        if let Err(waiting) = self.batcher.push(waiting) {
            refuse(waiting, FULL);
        }
        self.write();
    }

    fn write(&mut self) {
        let Some(batch) = self.batcher.next_batch() else { return };
        metrics::histogram!("shopbell_journal_batch_entries").record(batch.len() as f64);
        let split = |Waiting { entry, back, since }| (entry, InFlight { back, since });
        let (entries, in_flight) = batch.into_iter().map(split).unzip();
        (self.in_flight, self.busy_since) = (in_flight, Some(Instant::now()));
        if self.writer.send(entries).is_err() {
            tracing::error!("a writer of the journal is gone");
        }
    }

    /// The batch has been dealt with.
    pub fn done(&mut self, fates: Vec<Fate>, ready: bool) {
        let (mut told, mut later) = (Vec::with_capacity(fates.len()), Vec::new());
        for (InFlight { back, since }, fate) in std::mem::take(&mut self.in_flight).into_iter().zip(fates) {
            match fate {
                Fate::Command(reply) => told.extend(back.map(|back| (back, reply))),
                Fate::Job => {}
                // Who has been told that it is unavailable must not be surprised.
                Fate::Later(_) if back.as_ref().is_none_or(|back| matches!(back.asked, Asked::Nobody)) => {}
                Fate::Later(entry) => later.push(Waiting { entry, back, since }),
            }
        }
        self.batcher.put_back(later);
        if ready {
            self.ready(); // The next batch is on its way while this one is told.
        }
        told.into_iter().for_each(|(back, reply)| back.tell(reply));
    }

    /// The writer takes the next batch.
    pub fn ready(&mut self) {
        self.batcher.written();
        self.busy_since = None;
        self.write();
    }

    /// Refuses what has waited too long for a writer that does not get on.
    pub fn look(&mut self, now: Instant) {
        let busy = self.busy_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if busy < WAITS {
            return;
        }
        let is_old = |waiting: &Waiting| now.saturating_duration_since(waiting.since) >= WAITS;
        self.batcher.take_while(is_old).into_iter().for_each(|waiting| refuse(waiting, Refusal::BUSY));
        if busy < FLIES {
            return;
        }
        for Return { to, asked } in self.in_flight.iter_mut().filter_map(|flying| flying.back.as_mut()) {
            // The outcome may come yet: then all others are told of it, and whoever has asked has been answered.
            if !matches!(asked, Asked::Nobody) {
                let asked = std::mem::replace(asked, Asked::Nobody);
                to.do_send(Written { reply: Err(Refusal::BUSY), asked });
            }
        }
    }

    /// Whether everything that has come is written, or refused.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.batcher.waiting() == 0
    }
}

fn refuse(Waiting { entry, back, .. }: Waiting, why: Refusal) {
    metrics::counter!("shopbell_journal_refused_total").increment(1);
    if let Entry::Job(job) = entry {
        job.done(false);
    }
    if let Some(back) = back {
        back.tell(Err(why));
    }
}

fn write_all(lane: usize, mut writer: Writer, batches: &mpsc::Receiver<Vec<Entry>>, journal: &Addr<Journal>) {
    while let Ok(mut batch) = batches.recv() {
        let started = Instant::now();
        let answers = writer.commit(&mut batch);
        metrics::histogram!("shopbell_journal_commit_seconds").record(started.elapsed().as_secs_f64());
        let (mut fates, mut jobs) = (Vec::with_capacity(batch.len()), Vec::new());
        for (entry, answer) in batch.into_iter().zip(answers) {
            fates.push(match (entry, answer) {
                (Entry::Job(job), answer) => {
                    jobs.push((job, matches!(answer, Answer::Job(true))));
                    Fate::Job
                }
                (_, Answer::Outcome(outcome)) => Fate::Command(Ok(outcome)),
                (_, Answer::Refused(refusal)) => Fate::Command(Err(refusal)),
                (entry, Answer::Later) => Fate::Later(entry),
                (_, Answer::Job(_)) => Fate::Command(Err(Refusal::BUSY)),
            });
        }
        let ready = writer.is_connected();
        // Outcomes first: whoever waits for a job may act on it at once.
        journal.do_send(Done { lane, fates, ready });
        jobs.into_iter().for_each(|(job, done)| job.done(done));
        if !ready {
            while !writer.reconnect(Instant::now() + SEARCH) {
                if matches!(batches.try_recv(), Err(TryRecvError::Disconnected)) {
                    return;
                }
            }
            journal.do_send(Ready(lane));
        }
    }
}
