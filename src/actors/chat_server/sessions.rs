//! The sessions of this node: who comes, and who goes.

use std::{collections::HashSet, sync::Arc, time::Instant};

use actix::prelude::*;

use super::{ChatServer, Present};
use crate::{
    actors::{
        mail::{SessionAddr, SessionId},
        offline_box::Ops,
    },
    domain::{
        ids::UserId,
        offline::Op,
        people::{Person, Shop},
    },
};

/// A session has logged in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Register {
    pub person: Arc<Person>,
    pub session: SessionId,
    pub at: SessionAddr,
    /// The shops of which the user is an agent.
    pub works: Vec<Arc<Shop>>,
}

impl Handler<Register> for ChatServer {
    type Result = ();

    fn handle(&mut self, register: Register, ctx: &mut Self::Context) {
        let Register { person, session, at, works } = register;
        metrics::gauge!("shopbell_sessions").increment(1.0);
        self.just_left.remove(&person.id);
        let user = person.id;
        let present = self.users.entry(user).or_insert_with(|| Present {
            person: person.clone(),
            sessions: Vec::new(),
            shops: HashSet::new(),
        });
        present.person = person;
        present.shops.extend(works.iter().map(|shop| shop.id));
        present.sessions.push((session, at));
        let (first, shops) = (present.sessions.len() == 1, present.shops.clone());
        for shop in &works {
            self.works(shop.id, user, true);
        }
        if !works.is_empty() {
            self.attend(user, true);
        }
        for shop in works {
            self.dispatcher(shop, ctx);
        }
        if first {
            if let Some(link) = &self.link {
                link.seen(user, true, shops.iter().copied().collect(), &self.whereabouts);
            }
            if !self.is_elsewhere(user) {
                self.seen(user, true, shops);
            }
        }
    }
}

/// A session is over.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unregister {
    pub user: UserId,
    pub session: SessionId,
    /// What was sent to it and not acked; whoever has no other session finds it in its list.
    pub unacked: Vec<Op>,
}

impl Handler<Unregister> for ChatServer {
    type Result = ();

    fn handle(&mut self, Unregister { user, session, unacked }: Unregister, _: &mut Self::Context) {
        let Some(present) = self.users.get_mut(&user) else { return };
        let before = present.sessions.len();
        present.sessions.retain(|(id, _)| *id != session);
        metrics::gauge!("shopbell_sessions").decrement((before - present.sessions.len()) as f64);
        if present.sessions.is_empty()
            && let Some(present) = self.users.remove(&user)
        {
            self.just_left.insert(user, Instant::now());
            self.stop_working(user);
            if let Some(link) = &self.link {
                link.seen(user, false, present.shops.iter().copied().collect(), &self.whereabouts);
            }
            if !self.is_elsewhere(user) {
                self.seen(user, false, present.shops);
                self.offline.do_send(Ops(unacked));
            }
        }
    }
}

/// A user who has come has conversations with these shops that are not resolved.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Talks {
    pub user: UserId,
    pub shops: Vec<Arc<Shop>>,
}

impl Handler<Talks> for ChatServer {
    type Result = ();

    fn handle(&mut self, Talks { user, shops }: Talks, ctx: &mut Self::Context) {
        shops.into_iter().for_each(|shop| _ = self.concerns(user, shop, ctx));
    }
}
