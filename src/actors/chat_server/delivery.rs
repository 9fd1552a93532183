//! Telling the sessions of this node; what is for those who have none anywhere goes to their offline lists.

use std::collections::HashMap;

use actix::prelude::*;

use super::ChatServer;
use crate::{
    actors::{
        mail::{Push, Pushes, SessionAddr, SessionId, Tell, Told},
        offline_box::Ops,
    },
    domain::{ids::UserId, offline::Op},
    protocol::envelope::Envelope,
};

/// What each session gets.
type Letters<'a> = HashMap<SessionId, (&'a SessionAddr, Vec<Push>)>;

impl ChatServer {
    /// What is to be pushed to those who are here. `arrived`: another node has written it, and has seen to the lists of those who are
    /// nowhere.
    fn tell<'a>(&'a self, told: &Told, arrived: bool, pushes: &mut Letters<'a>, offline: &mut Vec<Op>) {
        for person in &told.to {
            match self.users.get(&person.id).filter(|present| present.is_connected()) {
                Some(present) => {
                    for (id, session) in &present.sessions {
                        if told.except != Some(*id) {
                            pushes.entry(*id).or_insert_with(|| (session, Vec::new())).1.push(told.push.clone());
                        }
                    }
                }
                None => {
                    let counted_on = !arrived || self.just_left.contains_key(&person.id);
                    if let Some(entry) = told.offline
                        && counted_on
                        && !self.is_elsewhere(person.id)
                    {
                        offline.push(Op::Push { to: person.clone(), entry });
                    }
                }
            }
        }
    }

    pub(super) fn tell_all(&self, all: &[Told], arrived: bool) {
        let (mut pushes, mut offline) = (Letters::new(), Vec::new());
        all.iter().for_each(|told| self.tell(told, arrived, &mut pushes, &mut offline));
        pushes.into_values().for_each(|(session, pushes)| session.do_send(Pushes(pushes)));
        if !offline.is_empty() {
            self.offline.do_send(Ops(offline));
        }
    }

    pub(super) fn push(&self, user: UserId, push: &Push) {
        for (_, session) in self.users.get(&user).into_iter().flat_map(|present| &present.sessions) {
            session.do_send(Pushes(vec![push.clone()]));
        }
    }
}

impl Handler<Tell> for ChatServer {
    type Result = ();

    fn handle(&mut self, Tell { told, relays }: Tell, _: &mut Self::Context) {
        self.tell_all(&told, false);
        for relay in &relays {
            if let Envelope::Happened { outcome, .. } = &*relay.news {
                self.corrections.note(outcome);
            }
        }
        if let Some(link) = &mut self.link {
            link.relay(relays, &self.whereabouts);
        }
    }
}

/// From a dispatcher: something that another node has written, for those who are here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Arrival(pub Vec<Told>);

impl Handler<Arrival> for ChatServer {
    type Result = ();

    fn handle(&mut self, Arrival(told): Arrival, _: &mut Self::Context) {
        self.tell_all(&told, true);
    }
}

/// Something for every session on this node.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Broadcast(pub Push);

impl Handler<Broadcast> for ChatServer {
    type Result = ();

    fn handle(&mut self, Broadcast(push): Broadcast, _: &mut Self::Context) {
        for (_, session) in self.users.values().flat_map(|present| &present.sessions) {
            session.do_send(Pushes(vec![push.clone()]));
        }
    }
}
