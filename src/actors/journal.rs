//! The journal: what waits to be written, and the one batch in flight. Its writer is a thread of its own, because writing blocks.

use std::{sync::mpsc, thread, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::mail::{Asked, Written};
use crate::{
    domain::{batch::Batcher, command::Command, refusal::Refusal},
    store::{
        Db,
        journal::{Answer, Entry, Job, Writer},
    },
};

/// How many entries may wait; what comes then is refused.
const CAPACITY: usize = 20_000;
/// How many go into one transaction.
const LARGEST: usize = 1_000;
/// What a refused sender is told to wait.
const FULL: Refusal = Refusal::Unavailable { retry_after_ms: 200 };

pub struct Journal {
    batcher: Batcher<Waiting>,
    /// Who gets the answers of the batch in flight, in its order.
    in_flight: Vec<Option<Return>>,
    writer: mpsc::Sender<Vec<Entry>>,
    start: Option<(Writer, mpsc::Receiver<Vec<Entry>>)>,
    /// Those who wait for everything to be written.
    drains: Vec<oneshot::Sender<()>>,
}

struct Waiting {
    entry: Entry,
    back: Option<Return>,
}

struct Return {
    to: Recipient<Written>,
    asked: Asked,
}

impl Journal {
    pub fn new(writer: Writer) -> Journal {
        let (send, receive) = mpsc::channel();
        Journal {
            batcher: Batcher::new(CAPACITY, LARGEST),
            in_flight: Vec::new(),
            writer: send,
            start: Some((writer, receive)),
            drains: Vec::new(),
        }
    }

    fn push(&mut self, waiting: Waiting) {
        if let Err(Waiting { entry, back }) = self.batcher.push(waiting) {
            metrics::counter!("shopbell_journal_refused_total").increment(1);
            if let Entry::Job(job) = entry {
                job.done(false);
            }
            if let Some(Return { to, asked }) = back {
                to.do_send(Written { reply: Err(FULL), asked });
            }
        }
        self.write();
    }

    fn write(&mut self) {
        let Some(batch) = self.batcher.next_batch() else { return };
        metrics::histogram!("shopbell_journal_batch_entries").record(batch.len() as f64);
        let (entries, back) = batch.into_iter().map(|waiting| (waiting.entry, waiting.back)).unzip();
        self.in_flight = back;
        if self.writer.send(entries).is_err() {
            tracing::error!("the journal's writer is gone");
        }
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((writer, batches)) = self.start.take() else { return };
        let journal = ctx.address();
        let spawned =
            thread::Builder::new().name("journal".into()).spawn(move || write_all(writer, &batches, &journal));
        if let Err(error) = spawned {
            tracing::error!(%error, "the journal's writer did not start");
            System::current().stop_with_code(1);
        }
    }
}

fn write_all(mut writer: Writer, batches: &mpsc::Receiver<Vec<Entry>>, journal: &Addr<Journal>) {
    while let Ok(mut batch) = batches.recv() {
        let started = std::time::Instant::now();
        let answers = writer.commit(&mut batch);
        metrics::histogram!("shopbell_journal_commit_seconds").record(started.elapsed().as_secs_f64());
        let done: Vec<bool> = answers.iter().map(|answer| matches!(answer, Answer::Job(true))).collect();
        // Outcomes first: whoever waits for a job may act on it at once.
        journal.do_send(Done(answers));
        for (entry, done) in batch.into_iter().zip(done) {
            if let Entry::Job(job) = entry {
                job.done(done);
            }
        }
    }
}

/// Moves the log into the database file beside the writer, on a connection of its own, so that commits seldom have to.
///
/// # Errors
/// When the thread cannot be made.
pub fn checkpoint_beside(mut db: Db, every: Duration) -> std::io::Result<()> {
    use diesel::connection::SimpleConnection;
    let work = move || loop {
        thread::sleep(every);
        if let Err(error) = db.batch_execute("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::warn!(%error, "a checkpoint failed");
        }
    };
    thread::Builder::new().name("checkpoint".into()).spawn(work).map(drop)
}

/// From the writer: a batch has been written, or refused.
#[derive(Message)]
#[rtype(result = "()")]
struct Done(Vec<Answer>);

impl Handler<Done> for Journal {
    type Result = ();

    fn handle(&mut self, Done(answers): Done, _: &mut Self::Context) {
        self.batcher.written();
        let back = std::mem::take(&mut self.in_flight);
        self.write(); // The next batch is on its way while this one is told.
        for (back, answer) in back.into_iter().zip(answers) {
            let Some(Return { to, asked }) = back else { continue };
            let reply = match answer {
                Answer::Outcome(outcome) => Ok(outcome),
                Answer::Refused(refusal) => Err(refusal),
                Answer::Job(_) | Answer::Later => continue,
            };
            to.do_send(Written { reply, asked });
        }
        if self.batcher.is_idle() {
            self.drains.drain(..).for_each(|drained| _ = drained.send(()));
        }
    }
}

/// Write this command, and tell the dispatcher what has come of it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Append {
    pub command: Command,
    pub to: Recipient<Written>,
    pub asked: Asked,
}

impl Handler<Append> for Journal {
    type Result = ();

    fn handle(&mut self, Append { command, to, asked }: Append, _: &mut Self::Context) {
        self.push(Waiting { entry: Entry::Command(command), back: Some(Return { to, asked }) });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Run(Box<dyn Job>);

impl Handler<Run> for Journal {
    type Result = ();

    fn handle(&mut self, Run(job): Run, _: &mut Self::Context) {
        self.push(Waiting { entry: Entry::Job(job), back: None });
    }
}

/// Answered when everything that has come so far is written.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain(pub oneshot::Sender<()>);

impl Handler<Drain> for Journal {
    type Result = ();

    fn handle(&mut self, Drain(drained): Drain, _: &mut Self::Context) {
        if self.batcher.is_idle() {
            _ = drained.send(());
        } else {
            self.drains.push(drained);
        }
    }
}

/// A writing of any kind, with its result.
struct Call<T, F> {
    work: F,
    apart: bool,
    result: Option<Result<T, Refusal>>,
    waiting: oneshot::Sender<Result<T, Refusal>>,
}

impl<T: Send, F: FnMut(&mut Db) -> Result<T, WriteError> + Send> Job for Call<T, F> {
    fn run(&mut self, db: &mut Db) -> diesel::QueryResult<()> {
        match (self.work)(db) {
            Ok(value) => {
                self.result = Some(Ok(value));
                Ok(())
            }
            Err(WriteError::Refused(refusal)) => {
                self.result = Some(Err(refusal));
                Err(diesel::result::Error::RollbackTransaction)
            }
            Err(WriteError::Failed(error)) => {
                self.result = None;
                Err(error)
            }
        }
    }

    fn is_apart(&self) -> bool {
        self.apart
    }

    fn done(self: Box<Self>, committed: bool) {
        let Call { result, waiting, .. } = *self;
        let result = if committed { result.unwrap_or(Err(Refusal::BUSY)) } else { Err(Refusal::BUSY) };
        drop(waiting.send(result));
    }
}

/// Why a writing did not happen.
#[derive(Debug)]
pub enum WriteError {
    Refused(Refusal),
    Failed(diesel::result::Error),
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> WriteError {
        WriteError::Refused(refusal)
    }
}

impl From<diesel::result::Error> for WriteError {
    fn from(error: diesel::result::Error) -> WriteError {
        WriteError::Failed(error)
    }
}

/// Has `work` done in the journal's next transaction, in a savepoint. It may run more than once, so it must set its result anew each
/// time.
///
/// # Errors
/// What `work` refuses; `Unavailable` where the database fails or too much is waiting.
pub async fn write<T: Send + 'static>(
    journal: &Addr<Journal>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Refusal> {
    let (waiting, result) = oneshot::channel();
    journal.do_send(Run(Box::new(Call { work, apart: false, result: None, waiting })));
    result.await.unwrap_or(Err(Refusal::BUSY))
}

/// The same, for a thread that may block, and for work that leaves users, shops, agents and conversations alone.
///
/// # Errors
/// As [`write`].
pub fn write_apart<T: Send + 'static>(
    journal: &Addr<Journal>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Refusal> {
    let (waiting, result) = oneshot::channel();
    journal.do_send(Run(Box::new(Call { work, apart: true, result: None, waiting })));
    result.blocking_recv().unwrap_or(Err(Refusal::BUSY))
}
