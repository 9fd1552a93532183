//! A lane: what waits, the one batch in flight, and the thread that writes it.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        mpsc::{self, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use actix::{Addr, Recipient};

use super::{
    Done, Journal, Ready,
    acks::Acks,
    admission::{Admission, FULL, Pace, Permit},
};
use crate::{
    actors::mail::{Asked, Reply, Written},
    domain::{
        batch::{Batcher, Company},
        command::{Outcome, coalesce},
        refusal::Refusal,
    },
    failpoint,
    store::journal::{Answer, Entry, Writer},
};

/// How many entries may wait; what comes then is refused.
const CAPACITY: usize = 20_000;
/// How many go into one transaction.
const LARGEST: usize = 1_000;
/// While a lane does not get on, what has waited for so long is refused …
const WAITS: Duration = Duration::from_secs(2);
/// … and what is in flight for so long: nobody knows what will become of it.
const FLIES: Duration = Duration::from_secs(3);
/// A writer that has been at one batch for so long hangs on a server that stands still, and will not find the one that takes its
/// place: another writer is to look for that.
const STANDS_STILL: Duration = Duration::from_secs(4);
/// More writers than these do not hang at a time: each has a connection.
const HANGING: usize = 3;
/// How long a writer without a connection looks for one before it sees whether it is still wanted.
const SEARCH: Duration = Duration::from_secs(1);

pub struct Lane {
    batcher: Batcher<Waiting>,
    /// Of the batch in flight, in its order.
    in_flight: Vec<InFlight>,
    /// The batches of writers that have been replaced.
    given_up: Vec<(Seat, Vec<InFlight>)>,
    acks: Acks,
    pace: Pace,
    /// When somebody will see to what waits for company.
    watched: Option<Instant>,
    /// Since when the writer has been at its batch, or without a connection.
    busy_since: Option<Instant>,
    writer: mpsc::Sender<Vec<Entry>>,
    seat: Seat,
    spare: Option<Writer>,
    /// One for this lane, and one for each of its writers.
    writers: Arc<()>,
    journal: Addr<Journal>,
}

/// Which writer this is of which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub lane: usize,
    turn: usize,
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
    /// Of a message that has been taken in.
    pub permit: Option<Permit>,
}

impl Return {
    fn tell(self, reply: Reply) {
        self.to.do_send(Written(vec![(reply, self.asked)]));
    }
}

/// Tells each dispatcher all that is its, in its order.
fn tell_all(replies: Vec<(Return, Reply)>) {
    let mut dispatchers: HashMap<Recipient<Written>, Vec<(Reply, Asked)>> = HashMap::new();
    for (Return { to, asked, .. }, reply) in replies {
        dispatchers.entry(to).or_default().push((reply, asked));
    }
    dispatchers.into_iter().for_each(|(to, replies)| to.do_send(Written(replies)));
}

/// What has become of an entry.
pub enum Fate {
    Command(Reply),
    /// A job, which knows itself.
    Job,
    /// It has to be written before all that waits.
    Later(Entry),
}

impl Fate {
    /// Whether events may have come of it; jobs of other kinds are few.
    pub fn is_news(&self) -> bool {
        let Fate::Command(Ok(outcome)) = self else { return matches!(self, Fate::Job) };
        !matches!(
            outcome,
            Outcome::Moved { .. } | Outcome::Settled { .. } | Outcome::Duplicate { .. } | Outcome::Unchanged(_)
        )
    }
}

impl Lane {
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(number: usize, writer: Writer, journal: Addr<Journal>, admission: Admission) -> io::Result<Lane> {
        let (batcher, writers) = (Batcher::new(CAPACITY, LARGEST, company(&writer)), Arc::new(()));
        let (spare, seat) = (writer.spare(), Seat { lane: number, turn: 0 });
        let send = seat.take(writer, journal.clone(), writers.clone())?;
        let (in_flight, given_up) = (Vec::new(), Vec::new());
        Ok(Lane {
            batcher,
            in_flight,
            given_up,
            acks: Acks::default(),
            pace: Pace::of(number, admission),
            watched: None,
            busy_since: None,
            writer: send,
            seat,
            spare,
            writers,
            journal,
        })
    }

    /// Gives the writer up, with its batch; another one takes over as soon as it has a connection.
    fn replace(&mut self) {
        let Some(fresh) = self.spare.as_ref().and_then(Writer::spare) else { return };
        let seat = Seat { turn: self.seat.turn + 1, ..self.seat };
        match seat.take(fresh, self.journal.clone(), self.writers.clone()) {
            Ok(writer) => {
                tracing::error!(lane = seat.lane, "a writer of the journal stands still, another one takes its place");
                self.given_up.push((self.seat, std::mem::take(&mut self.in_flight)));
                (self.writer, self.seat) = (writer, seat);
            }
            Err(error) => tracing::error!(%error, "no thread for another writer of the journal"),
        }
    }

    pub fn push(&mut self, waiting: Waiting) {
        let now = waiting.since;
        match Acks::is_ack(&waiting.entry) {
            Some(of) if self.acks.len() < CAPACITY => self.acks.hold(of, waiting),
            _ => {
                self.acks.before(&waiting.entry).into_iter().for_each(|ack| self.line_up(ack));
                self.line_up(waiting);
            }
        }
        self.write(now);
    }

    fn line_up(&mut self, waiting: Waiting) {
        let Err(waiting) = self.batcher.push(waiting) else { return };
        match Acks::is_ack(&waiting.entry) {
            // Nobody could do anything about a refusal: it waits, and is one with those that follow.
            Some(of) if self.acks.len() < CAPACITY => self.acks.hold(of, waiting),
            _ => refuse(waiting, FULL),
        }
    }

    /// How long from now somebody has to see to what waits for company, unless somebody does before.
    pub fn watch(&mut self, now: Instant) -> Option<Duration> {
        let due = self.due(now)?;
        if self.watched.is_some_and(|at| at <= due) {
            return None;
        }
        self.watched = Some(due);
        Some(due.saturating_duration_since(now))
    }

    pub fn watched(&mut self, now: Instant) {
        self.watched = None;
        self.write(now);
    }

    /// When what waits is to be written, if anything does and the writer is idle.
    fn due(&self, now: Instant) -> Option<Instant> {
        let due = if self.batcher.waiting() > 0 { Some(now) } else { self.acks.due() };
        Some(due?.max(self.batcher.free(now)?))
    }

    /// Writes all there is without waiting for company.
    pub fn release(&mut self) {
        let now = Instant::now();
        self.batcher.at_once();
        self.line_up_acks(now);
        self.write(now);
    }

    fn line_up_acks(&mut self, now: Instant) {
        let acks: Vec<Waiting> = self.acks.release(now).collect();
        acks.into_iter().for_each(|ack| self.line_up(ack));
    }

    fn write(&mut self, now: Instant) {
        if self.due(now).is_none_or(|due| due > now) {
            return;
        }
        if self.acks.due().is_some_and(|due| due <= now) {
            self.line_up_acks(now);
        }
        let Some(batch) = self.batcher.next_batch(now) else { return };
        metrics::histogram!("shopbell_journal_batch_entries").record(batch.len() as f64);
        let split = |Waiting { entry, back, since }| (entry, InFlight { back, since });
        let (entries, in_flight) = batch.into_iter().map(split).unzip();
        (self.in_flight, self.busy_since) = (in_flight, Some(now));
        if self.writer.send(entries).is_err() {
            tracing::error!("a writer of the journal is gone");
        }
    }

    /// The batch has been dealt with.
    pub fn done(&mut self, of: Seat, fates: Vec<Fate>, ready: bool) {
        if of != self.seat {
            return self.done_late(of, fates);
        }
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
        let messages = told.iter().filter(|(back, _)| back.permit.is_some()).count();
        self.pace.has_written(messages, Instant::now());
        metrics::counter!("shopbell_journal_put_off_total").increment(later.len() as u64);
        self.batcher.put_back(later);
        if ready {
            self.ready(of); // The next batch is on its way while this one is told.
        }
        tell_all(told);
    }

    /// A writer that was given up has got on after all: what it has done has happened. Whoever asked has been answered.
    fn done_late(&mut self, of: Seat, fates: Vec<Fate>) {
        let Some(at) = self.given_up.iter().position(|(seat, _)| *seat == of) else { return };
        let (_, in_flight) = self.given_up.swap_remove(at);
        for (flying, fate) in in_flight.into_iter().zip(fates) {
            if let (Some(back), Fate::Command(Ok(outcome))) = (flying.back, fate) {
                back.tell(Ok(outcome));
            }
        }
    }

    /// The writer takes the next batch.
    pub fn ready(&mut self, of: Seat) {
        if of != self.seat {
            return;
        }
        let now = Instant::now();
        self.batcher.written(now);
        self.busy_since = None;
        self.write(now);
    }

    /// Refuses what has waited too long for a writer that does not get on.
    pub fn look(&mut self, now: Instant) {
        let busy = self.busy_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if busy < WAITS {
            return;
        }
        self.line_up_acks(now);
        let is_old = |waiting: &Waiting| now.saturating_duration_since(waiting.since) >= WAITS;
        self.batcher.take_while(is_old).into_iter().for_each(|waiting| refuse(waiting, Refusal::BUSY));
        if busy < FLIES {
            return;
        }
        for Return { to, asked, .. } in self.in_flight.iter_mut().filter_map(|flying| flying.back.as_mut()) {
            // The outcome may come yet: then all others are told of it, and whoever has asked has been answered.
            if !matches!(asked, Asked::Nobody) {
                let asked = std::mem::replace(asked, Asked::Nobody);
                to.do_send(Written(vec![(Err(Refusal::BUSY), asked)]));
            }
        }
        let hanging = Arc::strong_count(&self.writers) - 1;
        if busy >= STANDS_STILL && !self.in_flight.is_empty() && hanging <= HANGING {
            self.replace();
        }
    }

    /// Whether everything that has come is written, or refused.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.batcher.waiting() == 0 && self.acks.len() == 0
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

/// On SQLite the writer does all of the work itself, and must not be idle. PostgreSQL works for other lanes and nodes meanwhile.
fn company(writer: &Writer) -> Company {
    if writer.is_embedded() { Company::Half } else { Company::AsMuch }
}

impl Seat {
    /// Starts the thread that writes; gives what it takes batches from.
    fn take(self, writer: Writer, journal: Addr<Journal>, alive: Arc<()>) -> io::Result<mpsc::Sender<Vec<Entry>>> {
        let (send, batches) = mpsc::channel();
        let work = move || {
            write_all(self, writer, &batches, &journal);
            drop(alive);
        };
        thread::Builder::new().name(format!("journal-{}", self.lane)).spawn(work)?;
        Ok(send)
    }
}

fn write_all(seat: Seat, mut writer: Writer, batches: &mpsc::Receiver<Vec<Entry>>, journal: &Addr<Journal>) {
    loop {
        if !writer.is_connected() {
            while !writer.reconnect(Instant::now() + SEARCH) {
                if matches!(batches.try_recv(), Err(TryRecvError::Disconnected)) {
                    return;
                }
            }
            journal.do_send(Ready(seat));
        }
        let Ok(mut batch) = batches.recv() else { return };
        let started = Instant::now();
        let answers = writer.commit(&mut batch);
        failpoint::pass("journal.committed");
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
        coalesce(fates.iter_mut().filter_map(|fate| match fate {
            Fate::Command(Ok(outcome)) => Some(outcome),
            _ => None,
        }));
        let ready = writer.is_connected();
        // Outcomes first: whoever waits for a job may act on it at once.
        journal.do_send(Done { of: seat, fates, ready });
        jobs.into_iter().for_each(|(job, done)| job.done(done));
    }
}
