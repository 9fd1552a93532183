//! The feed: wakes those who wait for a shop's next events. However many they are, the store is asked once for all of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use super::node::blocking;
use crate::{
    domain::{event::Position, ids::ShopId},
    store::{events, pool::Readers},
};

/// How often it is looked for events that somebody waits for.
const LOOK: Duration = Duration::from_millis(100);

/// How far a shop's events go, as far as is known; `None` for all who wait: the node stops.
type Last = Option<Position>;

#[derive(Clone)]
pub struct Feed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<ShopId, watch::Sender<Last>>>,
    /// Somebody has begun to wait.
    come: Notify,
    closed: std::sync::atomic::AtomicBool,
}

impl Feed {
    /// Starts looking, on the runtime of the caller.
    pub fn start(readers: Readers) -> Feed {
        let feed = Feed(Arc::default());
        actix::spawn(feed.clone().look(readers));
        feed
    }

    /// Waits until a shop has events after `position`, or `until` is over, or the node stops.
    pub async fn wait(&self, shop: ShopId, position: Position, until: Instant) {
        let mut last = self.last(shop);
        self.0.come.notify_one();
        let is_there = |last: &Last| last.is_none_or(|last| last > position);
        // Which of the three it was, whoever reads again will see.
        drop(timeout_at(until, last.wait_for(is_there)).await);
    }

    /// Whether the node stops: nobody waits any more.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Wakes everybody, for good.
    pub fn close(&self) {
        self.0.closed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.waiting().values().for_each(|last| _ = last.send(None));
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ShopId, watch::Sender<Last>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self, shop: ShopId) -> watch::Receiver<Last> {
        let first = if self.is_closed() { None } else { Some(0) };
        self.waiting().entry(shop).or_insert_with(|| watch::Sender::new(first)).subscribe()
    }

    async fn look(self, readers: Readers) {
        loop {
            let shops: BTreeSet<ShopId> = {
                let mut waiting = self.waiting();
                waiting.retain(|_, last| last.receiver_count() > 0);
                waiting.keys().copied().collect()
            };
            if shops.is_empty() {
                self.0.come.notified().await;
                continue;
            }
            let readers = readers.clone();
            if let Ok(found) = blocking(move || readers.read(|db| events::last(db, &shops))).await
                && !self.is_closed()
            {
                let waiting = self.waiting();
                for (shop, last) in found {
                    if let Some(known) = waiting.get(&shop) {
                        known.send_if_modified(|known| known.replace(last) != Some(last));
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
