//! The `ChatServer`: the only directory of who is here. It routes what must reach a user to that user's sessions, or else to the offline
//! box, and starts dispatchers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    direct_dispatcher::DirectDispatcher,
    journal::Journal,
    mail::{Push, Seen, SessionAddr, SessionId, Tell, Told},
    offline_box::{OfflineBox, Ops},
    shop_dispatcher::ShopDispatcher,
};
use crate::{
    domain::{
        ids::{ShopId, UserId},
        offline::Op,
        people::{Person, Shop},
    },
    store::pool::Readers,
};

pub struct ChatServer {
    journal: Addr<Journal>,
    offline: Addr<OfflineBox>,
    readers: Readers,
    presence_delay: Duration,
    users: HashMap<UserId, Present>,
    /// When the last session of a user went.
    gone: HashMap<UserId, Instant>,
    shops: HashMap<ShopId, Addr<ShopDispatcher>>,
    direct: Option<Addr<DirectDispatcher>>,
    started: Instant,
}

struct Present {
    person: Arc<Person>,
    sessions: Vec<(SessionId, SessionAddr)>,
    /// Where the user works, or talks as a buyer: who there may want to know of its coming and going.
    shops: HashSet<ShopId>,
}

impl ChatServer {
    pub fn new(
        journal: Addr<Journal>,
        offline: Addr<OfflineBox>,
        readers: Readers,
        presence_delay: Duration,
    ) -> ChatServer {
        ChatServer {
            journal,
            offline,
            readers,
            presence_delay,
            users: HashMap::new(),
            gone: HashMap::new(),
            shops: HashMap::new(),
            direct: None,
            started: Instant::now(),
        }
    }

    fn tell(&self, told: &Told, offline: &mut Vec<Op>) {
        for person in &told.to {
            // A session that has just died has not left the directory yet.
            let present = self.users.get(&person.id).filter(|p| p.sessions.iter().any(|(_, at)| at.connected()));
            match present {
                Some(present) => {
                    for (id, session) in &present.sessions {
                        if told.except != Some(*id) {
                            session.do_send(told.push.clone());
                        }
                    }
                }
                None => {
                    if let Some(entry) = told.offline {
                        offline.push(Op::Push { to: person.clone(), entry });
                    }
                }
            }
        }
    }

    fn seen(&self, present: &Present, online: bool) {
        for shop in &present.shops {
            if let Some(dispatcher) = self.shops.get(shop) {
                dispatcher.do_send(Seen { person: present.person.clone(), online });
            }
        }
    }
}

impl Actor for ChatServer {
    type Context = Context<Self>;
}

impl Handler<Tell> for ChatServer {
    type Result = ();

    fn handle(&mut self, Tell(all): Tell, _: &mut Self::Context) {
        let mut offline = Vec::new();
        all.iter().for_each(|told| self.tell(told, &mut offline));
        if !offline.is_empty() {
            self.offline.do_send(Ops(offline));
        }
    }
}

/// A session has logged in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Register {
    pub person: Arc<Person>,
    pub session: SessionId,
    pub at: SessionAddr,
    pub shops: Vec<ShopId>,
}

impl Handler<Register> for ChatServer {
    type Result = ();

    fn handle(&mut self, Register { person, session, at, shops }: Register, _: &mut Self::Context) {
        metrics::gauge!("shopbell_sessions").increment(1.0);
        self.gone.remove(&person.id);
        let present = self.users.entry(person.id).or_insert_with(|| Present {
            person: person.clone(),
            sessions: Vec::new(),
            shops: HashSet::new(),
        });
        present.person = person.clone();
        present.shops.extend(shops);
        present.sessions.push((session, at));
        if present.sessions.len() == 1 {
            let present = &self.users[&person.id];
            self.seen(present, true);
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
            self.gone.insert(user, Instant::now());
            self.seen(&present, false);
            self.offline.do_send(Ops(unacked));
        }
    }
}

/// The dispatcher of a shop, started where there is none, for a user who has to do with that shop from now on.
#[derive(Message)]
#[rtype(result = "Addr<ShopDispatcher>")]
pub struct FindShop {
    pub shop: Arc<Shop>,
    pub user: Option<UserId>,
}

impl Handler<FindShop> for ChatServer {
    type Result = MessageResult<FindShop>;

    fn handle(&mut self, FindShop { shop, user }: FindShop, ctx: &mut Self::Context) -> Self::Result {
        let (id, journal, readers, delay) = (shop.id, &self.journal, &self.readers, self.presence_delay);
        let dispatcher = self.shops.entry(shop.id).or_insert_with(|| {
            ShopDispatcher::new(shop, ctx.address(), journal.clone(), self.offline.clone(), readers.clone(), delay)
                .start()
        });
        if let Some(present) = user.and_then(|user| self.users.get_mut(&user))
            && present.shops.insert(id)
        {
            dispatcher.do_send(Seen { person: present.person.clone(), online: true });
        }
        MessageResult(dispatcher.clone())
    }
}

/// The dispatcher of direct conversations.
#[derive(Message)]
#[rtype(result = "Addr<DirectDispatcher>")]
pub struct FindDirect;

impl Handler<FindDirect> for ChatServer {
    type Result = MessageResult<FindDirect>;

    fn handle(&mut self, _: FindDirect, ctx: &mut Self::Context) -> Self::Result {
        let direct = self.direct.get_or_insert_with(|| {
            DirectDispatcher::new(ctx.address(), self.journal.clone(), self.offline.clone(), self.readers.clone())
                .start()
        });
        MessageResult(direct.clone())
    }
}

/// Which of these users have a session.
#[derive(Message)]
#[rtype(result = "HashSet<UserId>")]
pub struct WhoIsHere(pub Vec<UserId>);

impl Handler<WhoIsHere> for ChatServer {
    type Result = MessageResult<WhoIsHere>;

    fn handle(&mut self, WhoIsHere(users): WhoIsHere, _: &mut Self::Context) -> Self::Result {
        MessageResult(users.into_iter().filter(|user| self.users.contains_key(user)).collect())
    }
}

/// Which of these users have had no session for so long. Before this node has run for that time, nobody.
#[derive(Message)]
#[rtype(result = "HashSet<UserId>")]
pub struct WhoIsGone {
    pub users: HashSet<UserId>,
    pub longer_than: Duration,
}

impl Handler<WhoIsGone> for ChatServer {
    type Result = MessageResult<WhoIsGone>;

    fn handle(&mut self, WhoIsGone { users, longer_than }: WhoIsGone, _: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        let long_ago = |since: Instant| now.saturating_duration_since(since) >= longer_than;
        // Who went longer ago than that is gone as surely as one who never came.
        self.gone.retain(|_, since| !long_ago(*since));
        let gone = |user: &UserId| !self.users.contains_key(user) && !self.gone.contains_key(user);
        let gone = if long_ago(self.started) { users.into_iter().filter(gone).collect() } else { HashSet::new() };
        MessageResult(gone)
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
            session.do_send(push.clone());
        }
    }
}

/// How many sessions there are.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Count;

impl Handler<Count> for ChatServer {
    type Result = usize;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> usize {
        self.users.values().map(|present| present.sessions.len()).sum()
    }
}
