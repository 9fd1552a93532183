//! The road between nodes: one bounded Redis stream per node, which may lose anything but says so.

use bytes::Bytes;

use super::{connect::Redis, keys::Keys};
use crate::domain::ids::{NodeId, ShopId, UserId};

/// What the link has to say, in this order for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Something another node has sent here, in the order it sent it, and once.
    Event { from: NodeId, payload: Vec<u8> },
    /// Something from this node was lost: its events from now on are again in order. [`Arrival::Node`] follows.
    Gap { from: NodeId },
    /// A node is there, with the users who have sessions on it and the shops it has in use, as they were between the events before and
    /// after. Replaces what was known of it. Comes when a node is first seen, after a gap and every 30 s.
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

/// This node's end of the link. All calls but [`Link::stop`] return at once.
pub struct Link {}

impl Link {
    /// Starts its threads. Nothing is connected yet; it goes on trying for ever. `deliver` is called from these threads, one call at a
    /// time, and must not block.
    ///
    /// # Errors
    /// When there are no threads to be had.
    pub fn start(
        _redis: Redis,
        _keys: Keys,
        _settings: Settings,
        _deliver: impl Fn(Arrival) + Send + Sync + 'static,
    ) -> std::io::Result<Link> {
        Ok(Link {})
    }

    /// Sends a payload to other nodes. What cannot be sent is dropped and counted, and the receiver sees a gap.
    pub fn send(&self, _to: &[NodeId], _payload: Bytes) {}

    /// Changes what others know of this node. To be called before [`Link::send`] of the event that tells of it: so whoever reads the
    /// presence later than the event finds it there.
    pub fn presence(&self, _change: Presence) {}

    /// Sends what is queued, leaves and ends the threads: others see this node gone at once. Blocks for two seconds at most.
    pub fn stop(&self) {}
}
