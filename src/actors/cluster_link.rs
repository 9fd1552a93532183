//! This node's end of the link to the others: what goes out goes only to nodes where somebody is concerned, and what comes in goes to
//! the `ChatServer`. It never waits for a node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix::prelude::*;

use super::{
    chat_server::ChatServer,
    mail::Relay,
    redelivery::{NodeGone, Redelivery, SweepNow},
};
use crate::{
    domain::{
        ids::{NodeId, ShopId, UserId},
        whereabouts::Whereabouts,
    },
    protocol::envelope::Envelope,
    queue::{
        connect::Redis,
        keys::Keys,
        link::{Arrival, Link, Presence, Settings},
    },
};

/// So much news may wait for the `ChatServer` before reading pauses; the stream, which is bounded, holds the rest.
const WAITING_MAX: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(2);

/// What has come over the link.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum Arrived {
    News { from: NodeId, news: Envelope, waiting: Waiting },
    Node { node: NodeId, users: Vec<UserId>, shops: Vec<ShopId> },
    Gone { node: NodeId },
}

/// Counts news from its arrival until it has been dealt with.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn one(count: &Arc<AtomicUsize>) -> Waiting {
        while count.load(Ordering::Relaxed) >= WAITING_MAX {
            thread::sleep(PAUSE);
        }
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct ClusterLink {
    link: Arc<Link>,
}

impl ClusterLink {
    /// Starts the link.
    ///
    /// # Errors
    /// When there are no threads to be had.
    pub fn start(
        redis: Redis,
        keys: Keys,
        settings: Settings,
        chat: Addr<ChatServer>,
        redelivery: Addr<Redelivery>,
    ) -> std::io::Result<ClusterLink> {
        let count = Arc::new(AtomicUsize::new(0));
        let deliver = move |arrival| match arrival {
            Arrival::Event { from, payload } => match Envelope::decode(&payload) {
                Ok(news) => chat.do_send(Arrived::News { from, news, waiting: Waiting::one(&count) }),
                Err(error) => {
                    metrics::counter!("shopbell_link_unknown_total").increment(1);
                    tracing::warn!(%error, node = %from, "news from another node is not understood");
                }
            },
            Arrival::Node { node, name, users, shops } => {
                tracing::debug!(node = %node, name, users = users.len(), "a node is there");
                chat.do_send(Arrived::Node { node, users, shops });
            }
            Arrival::Gone { node } => {
                tracing::info!(node = %node, "a node is gone");
                chat.do_send(Arrived::Gone { node });
                redelivery.do_send(NodeGone);
            }
            Arrival::Gap { .. } => redelivery.do_send(SweepNow),
            Arrival::Up => {
                tracing::info!("the link to other nodes is up");
                redelivery.do_send(SweepNow);
            }
            Arrival::Down => tracing::warn!("the link to other nodes is down: this node serves its own sessions"),
        };
        let link = Arc::new(Link::start(redis, keys, settings, deliver)?);
        Ok(ClusterLink { link })
    }

    /// What ends the link when the server stops.
    pub fn ending(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// Tells the nodes where somebody is concerned.
    pub fn relay(&self, relay: &Relay, whereabouts: &Whereabouts) {
        let nodes = whereabouts.nodes_of(relay.users.iter().copied(), relay.shop);
        let skipped = whereabouts.nodes().count() - nodes.len();
        metrics::counter!("shopbell_link_skipped_total").increment(skipped as u64);
        self.send(&nodes, &relay.news);
    }

    pub fn tell_all_nodes(&self, news: &Envelope, whereabouts: &Whereabouts) {
        let nodes: Vec<_> = whereabouts.nodes().collect();
        self.send(&nodes, news);
    }

    /// A user's first session here has come, or the last one is over.
    pub fn seen(&self, user: UserId, online: bool, shops: Vec<ShopId>, whereabouts: &Whereabouts) {
        self.link.presence(if online { Presence::UserCame(user) } else { Presence::UserWent(user) });
        self.tell_all_nodes(&Envelope::Seen { user, online, shops }, whereabouts);
    }

    /// The first agent of a shop has a session here, or none has any more.
    pub fn works(&self, shop: ShopId, on: bool, whereabouts: &Whereabouts) {
        self.link.presence(if on { Presence::ShopUsed(shop) } else { Presence::ShopLeft(shop) });
        self.tell_all_nodes(&Envelope::Works { shop, on }, whereabouts);
    }

    pub fn send(&self, nodes: &[NodeId], news: &Envelope) {
        if !nodes.is_empty() {
            self.link.send(nodes, news.encode().into());
        }
    }
}
