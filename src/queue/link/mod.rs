//! The road between nodes: one bounded Redis stream per node. It may lose anything, but says so.
//!
//! A sender thread takes all that has gathered and sends it as one pipeline: changes of presence first, then an entry for each
//! receiver. Every two seconds it gives a sign of life, looks at those of the others and puts a marker into this node's own stream. A
//! reader thread follows that stream. What comes before a marker is older than what the sender saw of others, so when the reader meets
//! it, it knows exactly who has sent what has not come.

mod entry;
mod queue;
mod reader;
mod sender;
mod tally;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::{queue::Queue, reader::Reader, sender::Sender};
use super::{connect::Redis, keys::Keys};
use crate::domain::ids::{NodeId, ShopId, UserId};

/// How often a node gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// After how long without one it is gone.
const GONE: Duration = Duration::from_secs(10);
/// How often Redis is tried while it is not to be reached.
const RETRY: Duration = Duration::from_millis(200);
/// How long the keys of a node outlive it, but for its sign of life.
const REMAINS: Duration = Duration::from_secs(300);
/// What a presence set that is whole has in it.
const WHOLE: &str = "whole";

/// What the link has to say, in this order for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Something another node has sent here, in the order it sent it, and once.
    Event { from: NodeId, payload: Vec<u8> },
    /// Something from this node was lost: its events from now on are again in order. [`Arrival::Node`] follows.
    Gap { from: NodeId },
    /// A node is there, with the users who have sessions on it and the shops it has in use, as they were at some moment between the
    /// events before and those after. Replaces what was known of it. Comes when a node is first seen, after a gap and every 30 s.
    Node { node: NodeId, name: String, users: Vec<UserId>, shops: Vec<ShopId> },
    /// A node has gone, or has not been heard of for 10 s. Should it come back, [`Arrival::Node`] says so.
    Gone { node: NodeId },
    /// Redis is to be reached by this node, in both directions.
    Up,
    /// Redis is not to be reached: what is sent is lost. The link begins like this, without saying so.
    Down,
}

/// A change of what this node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    UserCame(UserId),
    UserWent(UserId),
    ShopUsed(ShopId),
    ShopLeft(ShopId),
}

/// What this node is to the others.
#[derive(Clone, Debug)]
pub struct Settings {
    pub me: NodeId,
    pub name: String,
    /// How many entries a node's stream keeps, about.
    pub stream_events: usize,
}

/// This node's end of the link. All calls but [`Link::stop`] return at once. Dropped, it leaves like one that is stopped.
pub struct Link {
    shared: Arc<Shared>,
    /// Ends when both threads have.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Link {
    /// Starts its threads. Nothing is connected yet; it goes on trying for ever. `deliver` is called from these threads, one call at a
    /// time, and must not block.
    ///
    /// # Errors
    /// When there are no threads to be had.
    pub fn start(
        redis: Redis,
        keys: Keys,
        settings: Settings,
        deliver: impl Fn(Arrival) + Send + Sync + 'static,
    ) -> std::io::Result<Link> {
        let voice = Voice { deliver: Box::new(deliver), sends: false, reads: false, up: false };
        let shared = Arc::new(Shared {
            redis,
            keys,
            settings,
            queue: Mutex::default(),
            wake: Condvar::new(),
            voice: Mutex::new(voice),
            glimpses: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let (running, ended) = mpsc::channel::<()>();
        let (sender, sends) = (Sender::new(shared.clone()), running.clone());
        thread::Builder::new().name("link-sender".into()).spawn(move || {
            sender.run();
            drop(sends);
        })?;
        let reader = Reader::new(shared.clone());
        let link = Link { shared, ended: Mutex::new(ended) };
        thread::Builder::new().name("link-reader".into()).spawn(move || {
            reader.run();
            drop(running);
        })?;
        Ok(link)
    }

    /// Sends a payload to other nodes. What cannot be sent is dropped and counted, and the receiver sees a gap.
    pub fn send(&self, to: &[NodeId], payload: Bytes) {
        let mut queue = lock(&self.shared.queue);
        let others = to.iter().filter(|node| **node != self.shared.settings.me);
        let dropped = others.filter(|node| !queue.push(**node, &payload)).count();
        let open = !queue.closed;
        drop(queue);
        if dropped > 0 {
            metrics::counter!("shopbell_link_dropped_total").increment(dropped as u64);
        }
        if open {
            self.shared.wake.notify_one();
        }
    }

    /// Changes what others know of this node. To be called before [`Link::send`] of the event that tells of it: so whoever reads the
    /// presence later than the event finds it there.
    pub fn presence(&self, change: Presence) {
        lock(&self.shared.queue).change(change);
        self.shared.wake.notify_one();
    }

    /// Sends what is queued, leaves and ends the threads: others see this node gone at once. Blocks for two seconds at most.
    pub fn stop(&self) {
        self.shared.stop();
        _ = lock(&self.ended).recv_timeout(Duration::from_secs(2));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// What both threads know.
struct Shared {
    redis: Redis,
    keys: Keys,
    settings: Settings,
    queue: Mutex<Queue>,
    wake: Condvar,
    voice: Mutex<Voice>,
    /// By heartbeat: what the sender saw with it, and the reader has not come to.
    glimpses: Mutex<BTreeMap<u64, Glimpse>>,
    stopped: AtomicBool,
}

/// What was to be seen of other nodes.
struct Glimpse {
    at: Instant,
    /// Those who are there, and how many entries each has sent here.
    nodes: Vec<(NodeId, u64)>,
    gone: Vec<NodeId>,
}

impl Shared {
    fn stop(&self) {
        lock(&self.queue).stopping = true;
        self.wake.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn say(&self, arrival: Arrival) {
        (lock(&self.voice).deliver)(arrival);
    }
}

/// Who tells what arrives, one thing at a time.
struct Voice {
    deliver: Box<dyn Fn(Arrival) + Send + Sync>,
    sends: bool,
    reads: bool,
    up: bool,
}

impl Voice {
    fn sends(&mut self, sends: bool) {
        self.sends = sends;
        self.tell();
    }

    fn reads(&mut self, reads: bool) {
        self.reads = reads;
        self.tell();
    }

    fn tell(&mut self) {
        let up = self.sends && self.reads;
        if up != self.up {
            self.up = up;
            metrics::gauge!("shopbell_link_up").set(f64::from(u8::from(up)));
            (self.deliver)(if up { Arrival::Up } else { Arrival::Down });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
