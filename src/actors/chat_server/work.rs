//! Which agents work here: those of a shop who have a session on this node.

use std::collections::HashSet;

use actix::prelude::*;

use super::ChatServer;
use crate::{
    actors::attendance::{Attendance, Attends},
    domain::ids::{ShopId, UserId},
};

impl ChatServer {
    /// An agent of a shop has a session here, or has none any more.
    pub(super) fn works(&mut self, shop: ShopId, user: UserId, here: bool) {
        let working = self.working.entry(shop).or_default();
        let before = working.is_empty();
        if here {
            _ = working.insert(user)
        } else {
            _ = working.remove(&user)
        }
        let after = working.is_empty();
        if after {
            self.working.remove(&shop);
        }
        if before == after {
            return;
        }
        if let Some(link) = &self.link {
            link.works(shop, !after, &self.whereabouts);
        }
    }

    pub(super) fn stop_working(&mut self, user: UserId) {
        let shops: Vec<_> =
            self.working.iter().filter(|(_, agents)| agents.contains(&user)).map(|(shop, _)| *shop).collect();
        shops.into_iter().for_each(|shop| self.works(shop, user, false));
        self.attend(user, false);
    }

    pub(super) fn attend(&self, user: UserId, here: bool) {
        if let Some(attendance) = &self.attendance {
            attendance.do_send(Attends { user, here });
        }
    }
}

/// Where the coming and going of agents is to be written down.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attended(pub Addr<Attendance>);

impl Handler<Attended> for ChatServer {
    type Result = ();

    fn handle(&mut self, Attended(attendance): Attended, _: &mut Self::Context) {
        self.attendance = Some(attendance);
    }
}

/// A shop's dispatcher knows its agents: those of them who have a session here, work here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Roster {
    pub shop: ShopId,
    pub agents: HashSet<UserId>,
}

impl Handler<Roster> for ChatServer {
    type Result = ();

    fn handle(&mut self, Roster { shop, agents }: Roster, _: &mut Self::Context) {
        let before = self.working.get(&shop).cloned().unwrap_or_default();
        let now: HashSet<UserId> = agents.into_iter().filter(|agent| self.users.contains_key(agent)).collect();
        for left in before.difference(&now) {
            self.works(shop, *left, false);
        }
        for came in now.difference(&before) {
            self.works(shop, *came, true);
            self.attend(*came, true);
        }
    }
}
