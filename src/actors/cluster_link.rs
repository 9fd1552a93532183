//! This node's end of the link to the others: what goes out goes only to nodes where somebody is concerned, and what comes in goes to
//! the `ChatServer`. It never waits for a node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    chat_server::ChatServer,
    mail::Relay,
    redelivery::{NodeGone, Redelivery, SweepNow},
};
use crate::{
    domain::{
        command::Outcome,
        ids::{ConversationId, NodeId, ShopId, UserId},
        whereabouts::Whereabouts,
    },
    protocol::envelope::{self, Envelope},
    queue::{
        connect::Redis,
        keys::Keys,
        link::{Arrival, Link, Presence, Settings},
    },
};

/// So much news may wait for the `ChatServer` before reading pauses; the stream, which is bounded, holds the rest.
const WAITING_MAX: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(2);
/// How much news goes into one packet.
const TOGETHER: usize = 64;
/// Where nobody takes part in a conversation, and only agents see that it goes on, its messages are told so often.
pub const ACTIVITY: Duration = Duration::from_millis(250);

/// What has come over the link.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum Arrived {
    News { from: NodeId, news: Vec<Envelope>, waiting: Waiting },
    Node { node: NodeId, users: Vec<UserId>, shops: Vec<ShopId> },
    Gone { node: NodeId },
}

/// Counts news from its arrival until it has been dealt with.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicUsize>, usize);

impl Waiting {
    fn so_many(news: usize, count: &Arc<AtomicUsize>) -> Waiting {
        while count.load(Ordering::Relaxed) >= WAITING_MAX {
            thread::sleep(PAUSE);
        }
        count.fetch_add(news, Ordering::Relaxed);
        Waiting(count.clone(), news)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

pub struct ClusterLink {
    link: Arc<Link>,
    /// The conversations of which nodes where nobody takes part in them have just been told a message.
    activity: HashMap<ConversationId, Activity>,
}

struct Activity {
    told: Instant,
    /// The last one since.
    pending: Option<Relay>,
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
        let (started, complained) = (Instant::now(), AtomicU64::new(0));
        let deliver = move |arrival| match arrival {
            Arrival::Event { from, payload } => match envelope::decode(&payload) {
                Ok(news) => {
                    let waiting = Waiting::so_many(news.len(), &count);
                    chat.do_send(Arrived::News { from, news, waiting });
                }
                // From a node of another version, for as long as they are replaced: what it was about is in the store.
                Err(error) => {
                    metrics::counter!("shopbell_link_unknown_total").increment(1);
                    let second = started.elapsed().as_secs() + 1;
                    if complained.swap(second, Ordering::Relaxed) != second {
                        tracing::warn!(%error, node = %from, "news from another node is not understood");
                        redelivery.do_send(SweepNow);
                    }
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
        Ok(ClusterLink { link, activity: HashMap::new() })
    }

    /// What ends the link when the server stops.
    pub fn ending(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// Tells the nodes where somebody is concerned, each all that is for it at once.
    pub fn relay(&mut self, relays: Vec<Relay>, whereabouts: &Whereabouts) {
        if whereabouts.is_alone() {
            return;
        }
        let mut outgoing = Outgoing::default();
        relays.into_iter().for_each(|relay| self.sort(relay, whereabouts, &mut outgoing));
        let skipped = outgoing.relays * whereabouts.nodes().count() - outgoing.receivers;
        metrics::counter!("shopbell_link_skipped_total").increment(skipped as u64);
        self.send_all(outgoing);
    }

    fn sort(&mut self, relay: Relay, whereabouts: &Whereabouts, outgoing: &mut Outgoing) {
        let everywhere = whereabouts.nodes_of(relay.users.iter().copied(), relay.shop);
        match weight(&relay.news) {
            Some((of, Weight::Message)) => {
                let now = Instant::now();
                if self.activity.get(&of).is_some_and(|activity| now - activity.told < ACTIVITY) {
                    let taking_part = whereabouts.nodes_of(relay.users.iter().copied(), None);
                    outgoing.add(&taking_part, &relay.news);
                    let pending = (taking_part.len() < everywhere.len()).then_some(relay);
                    self.activity.entry(of).and_modify(|activity| activity.pending = pending);
                    return;
                }
                if !everywhere.is_empty() {
                    self.activity.insert(of, Activity { told: now, pending: None });
                }
            }
            Some((of, Weight::Change)) => self.sort_activity_of(of, whereabouts, outgoing),
            None => {}
        }
        outgoing.add(&everywhere, &relay.news);
    }

    /// Tells of the messages that nodes were not told of at once, of each conversation the last.
    pub fn tell_activity(&mut self, whereabouts: &Whereabouts) {
        let now = Instant::now();
        self.activity.retain(|_, activity| activity.pending.is_some() || now - activity.told < ACTIVITY);
        let pending: Vec<ConversationId> = self.activity.keys().copied().collect();
        let mut outgoing = Outgoing::default();
        pending.into_iter().for_each(|of| self.sort_activity_of(of, whereabouts, &mut outgoing));
        self.send_all(outgoing);
    }

    fn sort_activity_of(&mut self, of: ConversationId, whereabouts: &Whereabouts, outgoing: &mut Outgoing) {
        let Some(activity) = self.activity.get_mut(&of) else { return };
        let Some(relay) = activity.pending.take() else { return };
        activity.told = Instant::now();
        let mut nodes = whereabouts.nodes_of(relay.users.iter().copied(), relay.shop);
        let told = whereabouts.nodes_of(relay.users.iter().copied(), None);
        nodes.retain(|node| !told.contains(node));
        outgoing.add(&nodes, &relay.news);
    }

    fn send_all(&self, outgoing: Outgoing) {
        for (nodes, news) in outgoing.packets() {
            for some in news.chunks(TOGETHER) {
                self.send_packet(&nodes, envelope::encode(some.iter().map(|news| &**news)));
            }
        }
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
            self.send_packet(nodes, envelope::encode([news]));
        }
    }

    fn send_packet(&self, nodes: &[NodeId], packet: Vec<u8>) {
        metrics::counter!("shopbell_link_sent_bytes_total").increment((packet.len() * nodes.len()) as u64);
        self.link.send(nodes, packet.into());
    }
}

/// What some nodes are told, in its order.
type Packet = (Vec<NodeId>, Vec<Arc<Envelope>>);

/// What each node is to be told, in its order.
#[derive(Default)]
struct Outgoing {
    news: HashMap<NodeId, Vec<Arc<Envelope>>>,
    relays: usize,
    receivers: usize,
}

impl Outgoing {
    fn add(&mut self, nodes: &[NodeId], news: &Arc<Envelope>) {
        self.relays += 1;
        self.receivers += nodes.len();
        nodes.iter().for_each(|node| self.news.entry(*node).or_default().push(news.clone()));
    }

    /// The same is written once for all who get just that.
    fn packets(self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = Vec::new();
        for (node, news) in self.news {
            let same = |(_, others): &&mut Packet| {
                others.len() == news.len() && others.iter().zip(&news).all(|(one, other)| Arc::ptr_eq(one, other))
            };
            match packets.iter_mut().find(same) {
                Some((nodes, _)) => nodes.push(node),
                None => packets.push((vec![node], news)),
            }
        }
        packets
    }
}

/// How much other nodes have to know of news of a conversation.
enum Weight {
    /// One of many: who does not take part in it only sees that it goes on.
    Message,
    /// Everything, and after all that was before it.
    Change,
}

/// Of which conversation these are news, if of one.
fn weight(news: &Envelope) -> Option<(ConversationId, Weight)> {
    let Envelope::Happened { outcome, .. } = news else { return None };
    match outcome {
        // While it waits, messages are for all agents on duty.
        Outcome::Stored { now, cause: None, .. } if now.conversation.claimant().is_some() => {
            Some((now.conversation.id, Weight::Message))
        }
        Outcome::Stored { now, .. }
        | Outcome::Changed { now, .. }
        | Outcome::Recalled { now, .. }
        | Outcome::Edited { now, .. }
        | Outcome::Deleted { now, .. } => Some((now.conversation.id, Weight::Change)),
        // Cursors, which go only to those who take part, and what is of no conversation.
        Outcome::Moved { .. }
        | Outcome::Settled { .. }
        | Outcome::Duplicate { .. }
        | Outcome::Unchanged(_)
        | Outcome::Rated
        | Outcome::StatusSet { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_get_what_is_theirs_in_its_order_and_the_same_is_written_once() {
        let news = |shop| Arc::new(Envelope::AgentsChanged { shop: ShopId(shop) });
        let (a, b, c) = (NodeId(1), NodeId(2), NodeId(3));
        let mut outgoing = Outgoing::default();
        outgoing.add(&[a, b, c], &news(1));
        outgoing.add(&[b], &news(2));
        outgoing.add(&[a, b, c], &news(3));
        outgoing.add(&[], &news(4));
        assert_eq!((outgoing.relays, outgoing.receivers), (4, 7));
        let mut packets: Vec<_> = outgoing
            .packets()
            .into_iter()
            .map(|(mut nodes, news)| {
                nodes.sort_unstable();
                (
                    nodes,
                    news.iter()
                        .map(|news| format!("{news:?}").chars().filter(char::is_ascii_digit).collect::<String>())
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        packets.sort();
        assert_eq!(packets.len(), 2);
        assert_eq!(packets[0], (vec![a, c], vec!["1".to_owned(), "3".to_owned()]));
        assert_eq!(packets[1].1, ["1", "2", "3"]);
    }
}
