//! A node as far as the link goes, and what it hears.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use shopbell::{
    domain::ids::{NodeId, UserId},
    queue::{
        connect::Redis,
        keys::Keys,
        link::{Arrival, Link, Presence, Settings},
    },
};

use super::server::eventually;

pub const PREFIX: &str = "test:";
pub const STREAM_EVENTS: usize = 20_000;

pub struct Node {
    pub link: Link,
    pub id: NodeId,
    heard: Arc<Mutex<Vec<(Instant, Arrival)>>>,
}

impl Node {
    pub fn start(redis: &Redis, id: i64) -> Node {
        Node::with(redis, id, STREAM_EVENTS)
    }

    pub fn with(redis: &Redis, id: i64, stream_events: usize) -> Node {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let settings = Settings { me: NodeId(id), name: format!("node-{id}"), stream_events };
        let deliver = move |arrival| hears.lock().unwrap().push((Instant::now(), arrival));
        let link = Link::start(redis.clone(), Keys::new(PREFIX), settings, deliver).unwrap();
        Node { link, id: NodeId(id), heard }
    }

    /// Some that know of each other.
    pub fn several<const N: usize>(redis: &Redis) -> [Node; N] {
        let nodes: [Node; N] = std::array::from_fn(|n| Node::start(redis, n as i64 + 1));
        meet(&nodes.iter().collect::<Vec<_>>());
        nodes
    }

    pub fn heard(&self) -> Vec<Arrival> {
        self.heard.lock().unwrap().iter().map(|(_, arrival)| arrival.clone()).collect()
    }

    /// Forgets what it has heard.
    pub fn clear(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Waits until it has heard something, and gives the moment.
    pub fn hears(&self, what: &str, patience: Duration, is: impl Fn(&Arrival) -> bool) -> Instant {
        eventually(&format!("{} hears {what}", self.id), patience, || {
            self.heard.lock().unwrap().iter().find(|(_, arrival)| is(arrival)).map(|(at, _)| *at)
        })
    }

    /// The numbers in the events of another, in the order they came.
    pub fn numbers(&self, from: NodeId) -> Vec<u64> {
        let heard = self.heard.lock().unwrap();
        let number = |(_, arrival): &(Instant, Arrival)| match arrival {
            Arrival::Event { from: sender, payload } if *sender == from => {
                Some(u64::from_be_bytes(payload[..8].try_into().unwrap()))
            }
            _ => None,
        };
        heard.iter().filter_map(number).collect()
    }

    pub fn gaps(&self, from: NodeId) -> usize {
        self.heard().iter().filter(|arrival| **arrival == Arrival::Gap { from }).count()
    }

    /// Who is where, as far as it was told.
    pub fn users(&self) -> BTreeMap<NodeId, BTreeSet<UserId>> {
        let mut users = BTreeMap::new();
        for arrival in self.heard() {
            match arrival {
                Arrival::Node { node, users: there, .. } => {
                    users.insert(node, there.into_iter().collect());
                }
                Arrival::Gone { node } => _ = users.remove(&node),
                _ => {}
            }
        }
        users
    }

    pub fn send(&self, to: &[NodeId], numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| self.link.send(to, payload(number, 8)));
    }

    pub fn user_came(&self, user: i64) {
        self.link.presence(Presence::UserCame(UserId(user)));
    }

    pub fn user_went(&self, user: i64) {
        self.link.presence(Presence::UserWent(UserId(user)));
    }
}

/// A payload that begins with a number.
pub fn payload(number: u64, size: usize) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(size, 0);
    Bytes::from(bytes)
}

/// Waits until each knows of all others.
pub fn meet(nodes: &[&Node]) {
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            let is = |arrival: &Arrival| matches!(arrival, Arrival::Node { node, .. } if *node == other.id);
            node.hears("of the other", Duration::from_secs(6), is);
        }
    }
}
