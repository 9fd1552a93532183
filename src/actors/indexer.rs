//! The indexer: puts what has been said and changed into the index for search, soon after it is stored, and never on its way.
//!
//! What is to be indexed is seen by comparing what is stored with what is indexed, so nothing is forgotten, whenever a node ends. Every node
//! has an indexer; one of them works at a time.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{journal::write_apart, node::Node};
use crate::{
    domain::{ids::Timestamp, refusal::Refusal, search},
    protocol::content,
    store::search::{self as store, Behind, Indexed},
};

/// How often it is looked for what has been said.
const LOOK: Duration = Duration::from_millis(200);
/// What was said so long before the last good look is looked for again: a transaction may take that long, and clocks differ.
const OVERLAP_MS: i64 = 5_000;
/// How often everything is compared, and how much less often than that takes: whatever a look has missed is found then.
const COMPARE: Duration = Duration::from_secs(60);
const COMPARE_SHARE: u32 = 100;
/// How many conversations a look takes, and a comparison.
const CONVERSATIONS: usize = 200;
const BACKLOG: usize = 10_000;
/// After so many messages the index is settled when nothing else is to be done.
const UNSETTLED: usize = 100;

/// How fast it is written.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So many messages at a time.
    at_once: usize,
    /// So many times what writing them took passes before the next are written.
    rest: u32,
}

impl Pace {
    /// By the writer whom messages wait for (SQLite): most of its time is theirs, and no wait is long.
    pub const SHARED: Pace = Pace { at_once: 200, rest: 2 };
    /// On a connection where nobody waits (PostgreSQL).
    pub const APART: Pace = Pace { at_once: 1_000, rest: 0 };
}

pub struct Indexer {
    node: Arc<Node>,
    pace: Pace,
}

impl Indexer {
    pub fn new(node: Arc<Node>, pace: Pace) -> Indexer {
        Indexer { node, pace }
    }
}

impl Actor for Indexer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let mut work = Work::new(self.node.clone(), self.pace);
        let run = async move {
            loop {
                let pause = work.go_on().await.unwrap_or_else(|refusal| {
                    tracing::debug!(?refusal, "nothing was indexed");
                    LOOK
                });
                tokio::time::sleep(pause).await;
            }
        };
        ctx.spawn(run.into_actor(self));
    }
}

struct Work {
    node: Arc<Node>,
    pace: Pace,
    /// All that was stored then is indexed, but for the backlog.
    indexed: Timestamp,
    /// What the last comparison has found.
    backlog: VecDeque<Behind>,
    compare_at: Instant,
    /// How many messages have been indexed since the index was settled.
    unsettled: usize,
}

impl Work {
    fn new(node: Arc<Node>, pace: Pace) -> Work {
        let (indexed, compare_at) = (super::now(), Instant::now());
        Work { node, pace, indexed, backlog: VecDeque::new(), compare_at, unsettled: 0 }
    }

    /// Indexes some of what has been said lately, or else of the backlog; gives how long to rest then.
    async fn go_on(&mut self) -> Result<Duration, Refusal> {
        if self.backlog.is_empty() && Instant::now() >= self.compare_at {
            self.compare().await?;
        }
        metrics::gauge!("shopbell_search_backlog").set(self.backlog.len() as f64);
        let (now, since) = (super::now(), Timestamp(self.indexed.0 - OVERLAP_MS));
        metrics::gauge!("shopbell_search_lag_seconds").set(now.since(self.indexed) as f64 / 1_000.0);
        let look = self.node.read(move |db| Ok((store::behind(db, since, CONVERSATIONS)?, store::is_changed(db)?)));
        let (latest, is_changed) = look.await?;
        let is_all = latest.len() < CONVERSATIONS;
        if latest.is_empty() && !is_changed {
            self.indexed = now;
            return self.go_back().await;
        }
        let started = Instant::now();
        match self.index(latest).await? {
            Indexed::Messages { all, .. } => {
                if all && is_all {
                    self.indexed = now;
                    return Ok(LOOK);
                }
                Ok(started.elapsed() * self.pace.rest)
            }
            Indexed::Elsewhere => Ok(LOOK),
        }
    }

    /// Indexes some of the backlog.
    async fn go_back(&mut self) -> Result<Duration, Refusal> {
        let some: Vec<Behind> = self.backlog.iter().take(self.pace.at_once / 10).copied().collect();
        if some.is_empty() {
            return self.settle().await.map(|()| LOOK);
        }
        let (count, started) = (some.len(), Instant::now());
        match self.index(some).await? {
            Indexed::Messages { all: true, .. } => {
                self.backlog.drain(..count);
                Ok(started.elapsed() * self.pace.rest)
            }
            Indexed::Messages { all: false, .. } => Ok(started.elapsed() * self.pace.rest),
            // What it has not done by then, the next comparison finds.
            Indexed::Elsewhere => {
                self.backlog.clear();
                Ok(LOOK)
            }
        }
    }

    /// Nothing is left to be done: the index is put in order, where searches would notice.
    async fn settle(&mut self) -> Result<(), Refusal> {
        if self.unsettled < UNSETTLED {
            return Ok(());
        }
        let journal = self.node.journal.clone();
        let writing = move || write_apart(&journal, |db| Ok(store::settle(db)?));
        tokio::task::spawn_blocking(writing).await.map_err(|_| Refusal::BUSY)??;
        self.unsettled = 0;
        Ok(())
    }

    async fn compare(&mut self) -> Result<(), Refusal> {
        let started = Instant::now();
        let found = self.node.read(|db| store::behind(db, Timestamp(0), BACKLOG)).await?;
        if found.len() < BACKLOG {
            self.compare_at = Instant::now() + COMPARE.max(started.elapsed() * COMPARE_SHARE);
        }
        self.backlog = found.into();
        Ok(())
    }

    async fn index(&mut self, behind: Vec<Behind>) -> Result<Indexed, Refusal> {
        let (journal, at_once) = (self.node.journal.clone(), self.pace.at_once);
        let writing = move || write_apart(&journal, move |db| Ok(store::index(db, &behind, at_once, words)?));
        let indexed = tokio::task::spawn_blocking(writing).await.map_err(|_| Refusal::BUSY)??;
        if let Indexed::Messages { count, .. } = indexed {
            self.unsettled += count;
            metrics::counter!("shopbell_search_indexed_total").increment(count as u64);
        }
        Ok(indexed)
    }
}

/// The words of each part of a content in which is searched.
pub fn words(content: &str) -> Vec<Vec<String>> {
    content::searched(content).iter().map(|(_, text)| search::words(text)).collect()
}
