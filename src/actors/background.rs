//! Long readings in the background: few at a time, on threads of a low priority, so that a shop's statistics and exports take what those
//! who chat leave of the processors.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::node::in_time;
use crate::{domain::refusal::Refusal, store};

/// How long a reading waits for its turn. Where the store stands still, it comes all the same: whoever has the turn gives it back when
/// nobody waits for its answer any more.
const PATIENCE: Duration = Duration::from_secs(6);
/// As much as a thread may give way (setpriority(2)): where there is work for everybody it gets a tenth of what others get.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

#[derive(Clone)]
pub struct Background(Arc<Semaphore>);

impl Background {
    /// So many readings at a time that they take half the processors at most.
    pub fn on(processors: usize) -> Background {
        Background(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// Runs `work`, which may block.
    ///
    /// # Errors
    /// `Unavailable`, after 12 s at the latest; the log has the cause.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(Ok(_turn)) = timeout(PATIENCE, self.0.acquire()).await else {
            tracing::warn!("too much is being read for statistics and exports");
            return Err(Refusal::BUSY);
        };
        let (done, result) = oneshot::channel();
        let run = move || {
            give_way();
            // Whoever has asked may have gone.
            _ = done.send(work());
        };
        if let Err(error) = thread::Builder::new().name("background".into()).spawn(run) {
            tracing::error!(%error, "no thread");
            return Err(Refusal::BUSY);
        }
        in_time(result).await
    }
}

/// Lowers the priority of this thread, for good: only root could raise it again.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}
