//! Retention: removes what shops keep no longer, and sees to it that erasures come to their end.
//!
//! Every node looks; who finds something to do takes a lease, so that one works at a time. What has been done is in the store, and done
//! twice it comes to the same: a node may die in the middle. It goes in small batches through the journal's writer, with pauses that are
//! longer than the work, so that sends pass between them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    erasure,
    journal::{WriteError, write_apart},
    node::{Node, blocking},
};
use crate::{
    domain::{
        ids::{ConversationId, ShopId, Timestamp},
        refusal::Refusal,
    },
    store::{
        Db, deliveries, erasures, events, file_uses,
        files::{self, path_of},
        idempotency, leases, prepared,
        retention::{self, Kept, Removed},
        webhooks,
    },
};

/// Whoever has a lease and does not renew it for so long has lost it.
const LEASE_MS: i64 = 30_000;
const LEASE: &str = "retention";
/// How often it is looked whether something is to be done.
const LOOK: Duration = Duration::from_secs(5);
/// Messages, conversations and files at a time.
const MESSAGES: usize = 50;
const CONVERSATIONS: usize = 20;
const FILES: usize = 20;
/// Packets of events at a time.
const PACKETS: usize = 200;
/// Events at webhooks at a time.
const DELIVERIES: usize = 200;
/// After each batch it pauses so many times as long as that took, and this long at least.
const PAUSES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(5);
/// How long a message in two phases is remembered when it is decided.
const FINISHED_DAYS: i32 = 7;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How often it is looked, and how long what is kept that is not for shops to say.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    pub every: Duration,
    pub events: Duration,
    /// Of webhooks.
    pub dead_letters: Duration,
}

impl Periods {
    fn events_before(&self) -> Timestamp {
        ago(self.events)
    }

    fn dead_letters_before(&self) -> Timestamp {
        ago(self.dead_letters)
    }
}

fn ago(period: Duration) -> Timestamp {
    Timestamp(super::now().0 - i64::try_from(period.as_millis()).unwrap_or(i64::MAX / 2))
}

pub struct Retention {
    node: Arc<Node>,
    directory: Option<PathBuf>,
    periods: Periods,
    /// When the next pass is due.
    next: Instant,
    working: bool,
}

impl Retention {
    pub fn new(node: Arc<Node>, directory: Option<PathBuf>, periods: Periods) -> Retention {
        Retention { node, directory, periods, next: Instant::now(), working: false }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.working, true) {
            return;
        }
        let (node, directory, due) = (self.node.clone(), self.directory.clone(), Instant::now() >= self.next);
        let periods = self.periods;
        let working = async move {
            for erasure in node.read(erasures::open).await? {
                erasure::run(node.clone(), directory.clone(), erasure.id).await;
            }
            if due {
                Pass { node: node.clone(), holder: rand::random(), periods }.run().await?;
            }
            unlink(&node, directory).await
        };
        ctx.spawn(working.into_actor(self).map(move |worked: Result<(), Refusal>, this, _| {
            this.working = false;
            match worked {
                Ok(()) if due => this.next = Instant::now() + this.periods.every,
                Ok(()) => {}
                // Another node is at it, or the store is away: later.
                Err(refusal) => tracing::debug!(?refusal, "retention was broken off"),
            }
        }));
    }
}

impl Actor for Retention {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK.min(self.periods.every), Self::look);
    }
}

/// One look at everything that may be too old.
struct Pass {
    node: Arc<Node>,
    holder: i64,
    periods: Periods,
}

impl Pass {
    async fn run(self) -> Result<(), Refusal> {
        let oldest = self.periods.events_before();
        for shop in self.node.read(move |db| events::overdue(db, oldest)).await? {
            self.events(shop, oldest).await?;
        }
        for webhook in self.node.read(webhooks::all).await? {
            self.deliveries(webhook, oldest).await?;
        }
        let before = |days: i32| Timestamp(super::now().0 - i64::from(days) * DAY_MS);
        self.forget(before(FINISHED_DAYS)).await?;
        let kept = self.node.read(retention::shops).await?;
        for Kept { shop, messages, files } in kept {
            if let Some(days) = messages {
                self.messages(shop, before(days)).await?;
                let before = before(days);
                apart(&self.node, move |db| Ok(prepared::abort_older(db, shop, before, super::now())?)).await?;
            }
            if let Some(days) = files {
                self.files(shop, before(days)).await?;
            }
        }
        let holder = self.holder;
        apart(&self.node, move |db| Ok(leases::leave(db, LEASE, holder)?)).await
    }

    /// Forgets what was prepared and decided before `before`, and answers that are kept under a key no longer.
    async fn forget(&self, before: Timestamp) -> Result<(), Refusal> {
        loop {
            let started = Instant::now();
            let removed = apart(&self.node, move |db| {
                let prepared = prepared::remove_decided(db, before, MESSAGES)?;
                Ok(prepared + idempotency::remove_expired(db, super::now())?)
            });
            if removed.await? == 0 {
                return Ok(());
            }
            pause(started).await;
        }
    }

    async fn messages(&self, shop: ShopId, before: Timestamp) -> Result<(), Refusal> {
        let mut after = ConversationId(0);
        loop {
            let overdue = move |db: &mut Db| retention::overdue(db, shop, before, after, CONVERSATIONS);
            let overdue = self.node.read(overdue).await?;
            let Some(last) = overdue.last().copied() else { return Ok(()) };
            let holder = self.holder;
            let started = Instant::now();
            let Removed { seen, removed } = apart(&self.node, move |db| {
                keep_lease(db, LEASE, holder)?;
                Ok(retention::remove(db, &overdue, before, MESSAGES)?)
            })
            .await?;
            metrics::counter!("shopbell_removed_messages_total").increment(removed as u64);
            if seen < MESSAGES {
                after = last;
            }
            pause(started).await;
        }
    }

    async fn events(&self, shop: ShopId, before: Timestamp) -> Result<(), Refusal> {
        loop {
            let (holder, started) = (self.holder, Instant::now());
            let removed = apart(&self.node, move |db| {
                keep_lease(db, LEASE, holder)?;
                Ok(events::remove(db, shop, before, PACKETS)?)
            })
            .await?;
            if removed < PACKETS {
                return Ok(());
            }
            pause(started).await;
        }
    }

    /// What waits for an endpoint waits no longer than events are kept, and then it is a dead letter for so long.
    async fn deliveries(&self, webhook: i64, oldest: Timestamp) -> Result<(), Refusal> {
        let dead_before = self.periods.dead_letters_before();
        loop {
            let (holder, started) = (self.holder, Instant::now());
            let (given_up, removed) = apart(&self.node, move |db| {
                keep_lease(db, LEASE, holder)?;
                webhooks::lock(db, webhook)?;
                let given_up = deliveries::give_up(db, webhook, oldest, super::now(), DELIVERIES)?;
                Ok((given_up, deliveries::remove_dead(db, webhook, dead_before, DELIVERIES)?))
            })
            .await?;
            metrics::counter!("shopbell_webhook_dead_letters_total").increment(given_up as u64);
            metrics::counter!("shopbell_webhook_dead_letters_removed_total").increment(removed as u64);
            if given_up.max(removed) < DELIVERIES {
                return Ok(());
            }
            pause(started).await;
        }
    }

    async fn files(&self, shop: ShopId, before: Timestamp) -> Result<(), Refusal> {
        loop {
            let keys = self.node.read(move |db| file_uses::before(db, shop, before, FILES)).await?;
            if keys.is_empty() {
                return Ok(());
            }
            let (holder, started) = (self.holder, Instant::now());
            apart(&self.node, move |db| keep_lease(db, LEASE, holder)).await?;
            remove_files(&self.node, shop, keys, Some(before)).await?;
            pause(started).await;
        }
    }
}

/// Forgets that a shop's messages show these files, or its messages from before `before`; removes those that no message that is kept
/// shows then. Gives how many these were.
pub async fn remove_files(
    node: &Arc<Node>,
    shop: ShopId,
    keys: Vec<String>,
    before: Option<Timestamp>,
) -> Result<usize, Refusal> {
    let removed = apart(node, move |db| {
        let mut removed = 0;
        for key in &keys {
            file_uses::forget(db, shop, key, before)?;
            if !file_uses::is_shown(db, key)? {
                removed += usize::from(files::remove(db, key, super::now())?);
            }
        }
        Ok(removed)
    })
    .await?;
    metrics::counter!("shopbell_removed_files_total").increment(removed as u64);
    Ok(removed)
}

/// Unlinks the files that have been removed, where they lie in a directory.
pub async fn unlink(node: &Arc<Node>, directory: Option<PathBuf>) -> Result<(), Refusal> {
    let Some(directory) = directory else { return Ok(()) };
    loop {
        let removed = node.read(|db| files::removed(db, FILES)).await?;
        let (found, directory) = (removed.len(), directory.clone());
        let unlinked = blocking(move || {
            Ok(removed.into_iter().filter(|key| is_unlinked(&path_of(&directory, key))).collect::<Vec<_>>())
        })
        .await?;
        let all = unlinked.len() == found;
        if !unlinked.is_empty() {
            apart(node, move |db| Ok(files::unlinked(db, &unlinked)?)).await?;
        }
        if found < FILES || !all {
            return Ok(());
        }
    }
}

fn is_unlinked(path: &Path) -> bool {
    match std::fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::warn!(%error, "a file cannot be removed");
            false
        }
    }
}

/// Takes a lease, or keeps it.
///
/// # Errors
/// `Conflict` where somebody else has it.
pub fn keep_lease(db: &mut Db, name: &str, holder: i64) -> Result<(), WriteError> {
    let now = super::now();
    let is_held = leases::take(db, name, holder, now, Timestamp(now.0 + LEASE_MS))?;
    if is_held { Ok(()) } else { Err(Refusal::Conflict.into()) }
}

async fn pause(since: Instant) {
    actix::clock::sleep((since.elapsed() * PAUSES).clamp(PAUSE, LOOK)).await;
}

/// A writing that leaves users, shops, agents and conversations alone.
async fn apart<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Refusal> {
    let journal = node.journal.clone();
    let written = tokio::task::spawn_blocking(move || write_apart(&journal, work)).await;
    written.unwrap_or(Err(Refusal::BUSY))
}
