//! The other nodes: what they tell, and what they are told.

use std::collections::HashMap;

use actix::prelude::*;

use super::ChatServer;
use crate::{
    actors::{
        cluster_link::{Arrived, ClusterLink},
        fanout::Fanout,
        mail::{Happened, Push, SessionId, Signalled},
        shop_dispatcher::{AgentsChanged, LookAround},
    },
    domain::{
        command::Outcome,
        ids::{NodeId, ShopId, UserId},
    },
    protocol::envelope::Envelope,
};

/// What another node has written: by shop, and that of direct conversations.
pub(super) type Happenings = HashMap<Option<ShopId>, Vec<(Outcome, Option<SessionId>)>>;

impl ChatServer {
    /// News from another node: each dispatcher gets all that is its at once.
    fn arrived(&mut self, from: NodeId, all: Vec<Envelope>) {
        let mut happened = Happenings::new();
        for news in all {
            match news {
                Envelope::Happened { outcome, except } => {
                    let shop = outcome.shop().map(|shop| shop.id);
                    happened.entry(shop).or_default().push((outcome, except));
                }
                other => {
                    self.happened(std::mem::take(&mut happened));
                    self.learn(from, other);
                }
            }
        }
        self.happened(happened);
    }

    pub(super) fn happened(&mut self, all: Happenings) {
        for (shop, mut outcomes) in all {
            outcomes.retain(|(outcome, _)| self.corrections.note(outcome));
            match (shop, &self.direct) {
                (Some(shop), _) => match self.shops.get(&shop) {
                    Some(in_use) => in_use.dispatcher.do_send(Happened(outcomes)),
                    // Of the shop's people there is at most the buyer here.
                    None => {
                        let told = outcomes.iter().flat_map(|(it, except)| Fanout::of(it, &[], *except, None).told);
                        self.tell_all(&told.collect::<Vec<_>>(), true);
                    }
                },
                (None, Some(direct)) => direct.do_send(Happened(outcomes)),
                (None, None) => {}
            }
        }
    }

    /// Takes note of what else another node has told.
    fn learn(&mut self, from: NodeId, news: Envelope) {
        let shop_of = |shop: Option<ShopId>| shop.and_then(|shop| self.shops.get(&shop)).map(|it| &it.dispatcher);
        match news {
            Envelope::Happened { .. } => {}
            Envelope::Signalled { conversation, by, side, signal } => {
                let signalled = Signalled { conversation, by, side, signal };
                match (signalled.conversation.shop().map(|shop| shop.id), &self.direct) {
                    (Some(shop), _) => {
                        if let Some(dispatcher) = shop_of(Some(shop)) {
                            dispatcher.do_send(signalled);
                        }
                    }
                    (None, Some(direct)) => direct.do_send(signalled),
                    (None, None) => {}
                }
            }
            Envelope::AgentsChanged { shop } => {
                if let Some(dispatcher) = shop_of(Some(shop)) {
                    dispatcher.do_send(AgentsChanged);
                }
            }
            Envelope::Revoked { user, before } => self.push(user, &Push::Revoke { before }),
            Envelope::Seen { user, online, shops } => {
                let only = if online { self.whereabouts.came(from, user) } else { self.whereabouts.went(from, user) };
                if only && !self.users.contains_key(&user) {
                    self.seen(user, online, shops);
                }
            }
            Envelope::Here { users, shops } => {
                self.whereabouts.learn(from, users, shops);
                self.look_around();
            }
            Envelope::Works { shop, on: true } => self.whereabouts.works(from, shop),
            Envelope::Works { shop, on: false } => self.whereabouts.rests(from, shop),
        }
    }

    /// Lets every dispatcher see for itself who is there.
    fn look_around(&self) {
        metrics::gauge!("shopbell_link_nodes").set(self.whereabouts.nodes().count() as f64);
        for in_use in self.shops.values() {
            in_use.dispatcher.do_send(LookAround);
        }
    }
}

/// The other nodes are to be reached through this link from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join(pub ClusterLink);

impl Handler<Join> for ChatServer {
    type Result = ();

    fn handle(&mut self, Join(link): Join, _: &mut Self::Context) {
        self.link = Some(link);
    }
}

impl Handler<Arrived> for ChatServer {
    type Result = ();

    fn handle(&mut self, arrived: Arrived, _: &mut Self::Context) {
        match arrived {
            Arrived::News { from, news, waiting: _ } => self.arrived(from, news),
            Arrived::Node { node, users, shops } => {
                if let (false, Some(link)) = (self.whereabouts.knows(node), &self.link) {
                    // It may have read who is here before the latest came, of whom it could not be told.
                    let users = self.users.keys().copied().collect();
                    let shops = self.working.keys().copied().collect();
                    link.send(&[node], &Envelope::Here { users, shops });
                }
                self.whereabouts.learn(node, users, shops);
                self.look_around();
            }
            Arrived::Gone { node } => {
                self.whereabouts.forget(node);
                self.look_around();
            }
        }
    }
}

/// Whether no other node that is there has a lower number: what only one has to do falls to that one.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsFirst(pub NodeId);

impl Handler<IsFirst> for ChatServer {
    type Result = bool;

    fn handle(&mut self, IsFirst(node): IsFirst, _: &mut Self::Context) -> bool {
        self.whereabouts.nodes().all(|other| node < other)
    }
}

/// A user's tokens issued before that second are refused: ends the sessions that came with one, on every node.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Revoke {
    pub user: UserId,
    pub before: i64,
    /// Whether other nodes have to be told.
    pub everywhere: bool,
}

impl Handler<Revoke> for ChatServer {
    type Result = ();

    fn handle(&mut self, Revoke { user, before, everywhere }: Revoke, _: &mut Self::Context) {
        self.push(user, &Push::Revoke { before });
        if let (true, Some(link)) = (everywhere, &self.link) {
            link.tell_all_nodes(&Envelope::Revoked { user, before }, &self.whereabouts);
        }
    }
}

/// A shop's agents have been changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ShopChanged(pub ShopId);

impl Handler<ShopChanged> for ChatServer {
    type Result = ();

    fn handle(&mut self, ShopChanged(shop): ShopChanged, _: &mut Self::Context) {
        if let Some(in_use) = self.shops.get(&shop) {
            in_use.dispatcher.do_send(AgentsChanged);
        }
        if let Some(link) = &self.link {
            link.tell_all_nodes(&Envelope::AgentsChanged { shop }, &self.whereabouts);
        }
    }
}
