//! Writings that are not commands, with their results.

use std::time::Duration;

use actix::Addr;
use tokio::{sync::oneshot, time::timeout};

use super::{Journal, Run};
use crate::{
    domain::refusal::Refusal,
    store::{Db, journal::Job},
};

/// Whoever waits for a writing waits so long: a database that stands still gives no answer at all.
const PATIENCE: Duration = Duration::from_secs(5);

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
    call(journal, work, false).await
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

/// The same without blocking.
///
/// # Errors
/// As [`write`].
pub async fn write_aside<T: Send + 'static>(
    journal: &Addr<Journal>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Refusal> {
    call(journal, work, true).await
}

async fn call<T: Send + 'static>(
    journal: &Addr<Journal>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
    apart: bool,
) -> Result<T, Refusal> {
    let (waiting, result) = oneshot::channel();
    journal.do_send(Run(Box::new(Call { work, apart, result: None, waiting })));
    match timeout(PATIENCE, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(Refusal::BUSY),
    }
}
