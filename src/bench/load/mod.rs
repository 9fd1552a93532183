//! Load: any number of people on one thread, who say as much as is asked for and check what comes of it.
//!
//! A run goes through its phases (`phases`) on one loop over all sockets (`engine`); `hear` does what a frame calls for. `people` says who there is, `wire` is a connection,
//! `frames` what goes over it, and the `ledger` has what was promised and judges.
//!
//! The loop has no queue inside: what a frame calls for is done when the frame is read, and leaves with one write for all that
//! was read. Times count from when a message was *due*: at a fixed rate that is when the schedule says, whatever the answers do, so
//! that the waiting of everybody behind a slow server is seen (coordinated omission).

mod clock;
mod engine;
mod frames;
mod hear;
mod ledger;
mod people;
mod phases;
mod texts;
mod wire;

use std::{io, time::Duration};

use clap::ValueEnum;
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;

use super::{
    cpu::Usage,
    meter::Figures,
    target::{Target, TargetError},
};
use crate::history::Faults;
use people::Cast;

pub use ledger::{Judged, LISTENERS};

/// So many requests are under way while shops and agents are made.
const ABREAST: usize = 16;

/// What conversations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// One agent has claimed each, and is given its messages.
    Claimed,
    /// Nobody has: all agents of the shop are given them.
    Waiting,
    /// Two users, without a shop.
    Direct,
    /// None: a bare echo socket, without shops and logins. What comes back is the ack.
    Echo,
}

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kind: Kind,
    /// Those who speak, all shops together.
    pub buyers: u32,
    /// In each shop.
    pub agents: u32,
    pub shops: u32,
    /// People who are there and say nothing.
    pub idle: u32,
    /// Messages a second; 0: as many as are acked.
    pub rate: u32,
    /// Messages of one buyer without an answer, where there is no rate.
    pub window: u32,
    /// Messages of one buyer at most.
    pub messages: Option<u32>,
    /// Length of a text.
    pub bytes: usize,
    /// Not measured.
    pub warmup: Duration,
    pub time: Duration,
    /// The idle ones all lose their connections and come back, in the middle.
    pub storm: bool,
    /// So many of the idle ones do, each second.
    pub churn: u32,
    /// After the measured time, messages a second for a while, to see how soon all is well again.
    pub then: Option<u32>,
    /// Those who listen come only after everything has been said.
    pub away: bool,
    /// How long everything that is under way at the end has to arrive.
    pub settle: Duration,
    /// The core to stay on.
    pub core: Option<usize>,
    /// The server's process, where it is known.
    pub server: Option<u32>,
    /// Processes that serve beside it: a database.
    pub beside: Vec<u32>,
}

/// A run that came to no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Measure(#[from] hdrhistogram::CreationError),
    #[error("{0} did not come to an end within {1:?}; {2}")]
    Stuck(&'static str, Duration, String),
    #[error("{0}")]
    Refused(String),
}

/// What a run found.
pub struct Outcome {
    /// Of the measured time.
    pub figures: Figures,
    /// The measured time, in seconds.
    pub seconds: f64,
    pub before: Usage,
    pub after: Usage,
    pub faults: Faults,
    pub judged: Judged,
    pub details: Vec<String>,
    /// What was left without an answer at the end.
    pub unanswered: u64,
    pub repeats: u64,
    /// `unavailable` and `rate_limited`, and how many of them did not say when to come again.
    pub refused: u64,
    pub refused_without_time: u64,
    pub refused_but_stored: u64,
    /// Connections that ended and were not meant to, and the reasons of the first.
    pub ended: u64,
    pub endings: Vec<String>,
    /// From the start of a connection to `flushed`, in microseconds: of a storm, or of all who came back.
    pub logins: Histogram<u64>,
    pub storm_seconds: Option<f64>,
    /// From the end of the measured time until what was due was acked soon again.
    pub recovery_seconds: Option<f64>,
    /// What the server's memory has grown by for each who is idle, in bytes.
    pub idle_bytes: Option<f64>,
    /// Entries of the journal's batches, on average.
    pub batch_entries: Option<f64>,
    pub generator: Generator,
    pub samples: Vec<Sample>,
}

/// What the load generator itself had to bear.
pub struct Generator {
    /// Of one core.
    pub share: f64,
    /// How late it was: behind its schedule, or in getting to what had come, in microseconds.
    pub lag: Histogram<u64>,
}

/// The server at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the run began.
    pub seconds: f64,
    pub resident: u64,
    pub descriptors: u64,
}

/// Makes the shops and agents, and drives the server. Blocks a thread of its own.
///
/// # Errors
/// [`LoadError`] if there is nothing to measure. What goes wrong with messages is in the [`Outcome`].
pub async fn run(target: &Target, plan: Plan) -> Result<Outcome, LoadError> {
    let cast = Cast::new(&plan, &format!("{:08x}", rand::random::<u32>()));
    let shops = stream::iter(&cast.shops).map(|shop| target.make_shop(shop)).buffer_unordered(ABREAST);
    shops.try_collect::<()>().await?;
    let agents: Vec<(&str, &str)> = cast.agents().collect();
    let agents = stream::iter(agents).map(|(shop, uid)| target.make_agent(shop, uid)).buffer_unordered(ABREAST);
    agents.try_collect::<()>().await?;

    let batches = target.batches().await;
    let (done, outcome) = tokio::sync::oneshot::channel();
    let door = target.door()?;
    std::thread::spawn(move || {
        // Nobody waits any more where the run was interrupted.
        done.send(phases::run(door, plan, cast)).ok();
    });
    let mut outcome = outcome.await.map_err(|_| io::Error::other("the load generator's thread has died"))??;
    if let (Some((count, sum)), Some((counted, summed))) = (batches, target.batches().await) {
        outcome.batch_entries = (counted > count).then(|| (summed - sum) / (counted - count));
    }
    Ok(outcome)
}
