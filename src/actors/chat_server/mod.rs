//! The `ChatServer`: the only directory of who is here, and of who is on which other node. It routes what must reach a user to that
//! user's sessions, to the nodes where it has others, or else to the offline box, and starts dispatchers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    attendance::{Attendance, Attends},
    cluster_link::{self, Arrived, ClusterLink},
    corrections::{self, Corrections},
    direct_dispatcher::DirectDispatcher,
    fanout::Fanout,
    journal::Journal,
    mail::{Happened, Overdue, Push, Pushes, Seen, SessionAddr, SessionId, Signalled, Swept, Tell, Told},
    node::blocking,
    offline_box::{OfflineBox, Ops},
    shop_dispatcher::{AgentsChanged, LookAround, ShopDispatcher},
};
use crate::{
    domain::{
        command::Outcome,
        ids::{NodeId, ShopId, UserId},
        offline::Op,
        people::{Person, Shop},
        whereabouts::Whereabouts,
    },
    protocol::envelope::Envelope,
    store::{
        changes::{Changed, Glimpse},
        pool::Readers,
    },
};

/// Who has left so lately that another node may not know it yet, and count on this one to deliver.
const JUST_LEFT: Duration = Duration::from_secs(10);

pub struct ChatServer {
    journal: Addr<Journal>,
    offline: Addr<OfflineBox>,
    readers: Readers,
    presence_delay: Duration,
    /// How long a dispatcher stays when nobody here has to do with its shop any more.
    idle: Duration,
    users: HashMap<UserId, Present>,
    just_left: HashMap<UserId, Instant>,
    shops: HashMap<ShopId, InUse>,
    /// The agents who have a session here, by shop.
    working: HashMap<ShopId, HashSet<UserId>>,
    direct: Option<Addr<DirectDispatcher>>,
    attendance: Option<Addr<Attendance>>,
    /// The way to other nodes, where there may be any.
    link: Option<ClusterLink>,
    /// Who is there.
    whereabouts: Whereabouts,
    /// What has been told here of messages that were edited, recalled or deleted.
    corrections: Corrections,
}

struct Present {
    person: Arc<Person>,
    sessions: Vec<(SessionId, SessionAddr)>,
    /// Where the user works, or talks as a buyer: who there may want to know of its coming and going.
    shops: HashSet<ShopId>,
}

impl Present {
    /// A session that has just died has not left the directory yet.
    fn is_connected(&self) -> bool {
        self.sessions.iter().any(|(_, at)| at.connected())
    }
}

/// What another node has written: by shop, and that of direct conversations.
type Happenings = HashMap<Option<ShopId>, Vec<(Outcome, Option<SessionId>)>>;

/// What each session gets.
type Letters<'a> = HashMap<SessionId, (&'a SessionAddr, Vec<Push>)>;

struct InUse {
    dispatcher: Addr<ShopDispatcher>,
    /// When somebody here last had to do with the shop.
    needed: Instant,
}

impl ChatServer {
    pub fn new(
        journal: Addr<Journal>,
        offline: Addr<OfflineBox>,
        readers: Readers,
        presence_delay: Duration,
        idle: Duration,
    ) -> ChatServer {
        ChatServer {
            journal,
            offline,
            readers,
            presence_delay,
            idle,
            users: HashMap::new(),
            just_left: HashMap::new(),
            shops: HashMap::new(),
            working: HashMap::new(),
            direct: None,
            attendance: None,
            link: None,
            whereabouts: Whereabouts::default(),
            corrections: Corrections::default(),
        }
    }

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

    fn tell_all(&self, all: &[Told], arrived: bool) {
        let (mut pushes, mut offline) = (Letters::new(), Vec::new());
        all.iter().for_each(|told| self.tell(told, arrived, &mut pushes, &mut offline));
        pushes.into_values().for_each(|(session, pushes)| session.do_send(Pushes(pushes)));
        if !offline.is_empty() {
            self.offline.do_send(Ops(offline));
        }
    }

    fn push(&self, user: UserId, push: &Push) {
        for (_, session) in self.users.get(&user).into_iter().flat_map(|present| &present.sessions) {
            session.do_send(Pushes(vec![push.clone()]));
        }
    }

    fn is_elsewhere(&self, user: UserId) -> bool {
        self.whereabouts.is_anywhere(user)
    }

    fn is_anywhere(&self, user: UserId) -> bool {
        self.users.contains_key(&user) || self.is_elsewhere(user)
    }

    /// Tells dispatchers that somebody has come or gone.
    fn seen(&self, user: UserId, online: bool, shops: impl IntoIterator<Item = ShopId>) {
        for shop in shops {
            if let Some(in_use) = self.shops.get(&shop) {
                in_use.dispatcher.do_send(Seen { user, online });
            }
        }
    }

    fn dispatcher(&mut self, shop: Arc<Shop>, ctx: &mut Context<Self>) -> Addr<ShopDispatcher> {
        let (journal, readers, delay) = (&self.journal, &self.readers, self.presence_delay);
        let in_use = self.shops.entry(shop.id).or_insert_with(|| {
            let dispatcher =
                ShopDispatcher::new(shop, ctx.address(), journal.clone(), self.offline.clone(), readers.clone(), delay);
            InUse { dispatcher: dispatcher.start(), needed: Instant::now() }
        });
        in_use.needed = Instant::now();
        in_use.dispatcher.clone()
    }

    /// A user who is here has to do with a shop from now on; gives its dispatcher.
    fn concerns(&mut self, user: UserId, shop: Arc<Shop>, ctx: &mut Context<Self>) -> Addr<ShopDispatcher> {
        let id = shop.id;
        let dispatcher = self.dispatcher(shop, ctx);
        if let Some(present) = self.users.get_mut(&user)
            && present.shops.insert(id)
        {
            dispatcher.do_send(Seen { user, online: true });
            if let Some(link) = &self.link {
                link.seen(user, true, vec![id], &self.whereabouts);
            }
        }
        dispatcher
    }

    /// Lets go of the dispatchers of shops with which nobody here has to do any more: on a node with others, they would not hear of what
    /// happens there. Each ends when what it has under way is done.
    fn rest(&mut self) {
        let mut wanted: HashSet<ShopId> = HashSet::new();
        self.users.values().for_each(|present| wanted.extend(&present.shops));
        self.shops.retain(|shop, in_use| {
            if wanted.contains(shop) {
                in_use.needed = Instant::now();
            }
            in_use.needed.elapsed() < self.idle
        });
        self.just_left.retain(|_, since| since.elapsed() < JUST_LEFT);
    }

    /// An agent of a shop has a session here, or has none any more.
    fn works(&mut self, shop: ShopId, user: UserId, here: bool) {
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

    fn stop_working(&mut self, user: UserId) {
        let shops: Vec<_> =
            self.working.iter().filter(|(_, agents)| agents.contains(&user)).map(|(shop, _)| *shop).collect();
        shops.into_iter().for_each(|shop| self.works(shop, user, false));
        self.attend(user, false);
    }

    fn attend(&self, user: UserId, here: bool) {
        if let Some(attendance) = &self.attendance {
            attendance.do_send(Attends { user, here });
        }
    }

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

    fn happened(&mut self, all: Happenings) {
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

impl Actor for ChatServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(JUST_LEFT.min(self.idle), |this, _| this.rest());
        ctx.run_interval(cluster_link::ACTIVITY, |this, _| {
            if let Some(link) = &mut this.link {
                link.tell_activity(&this.whereabouts);
            }
        });
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
        let dispatcher = match user {
            Some(user) => self.concerns(user, shop, ctx),
            None => self.dispatcher(shop, ctx),
        };
        MessageResult(dispatcher)
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

/// Which of these users have a session, on whatever node.
#[derive(Message)]
#[rtype(result = "HashSet<UserId>")]
pub struct WhoIsThere(pub Vec<UserId>);

impl Handler<WhoIsThere> for ChatServer {
    type Result = MessageResult<WhoIsThere>;

    fn handle(&mut self, WhoIsThere(users): WhoIsThere, _: &mut Self::Context) -> Self::Result {
        MessageResult(users.into_iter().filter(|user| self.is_anywhere(*user)).collect())
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

/// These conversations have changed lately. Whoever here has missed some of it gets it now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Sweep(pub Vec<Overdue>);

impl Handler<Sweep> for ChatServer {
    type Result = ();

    fn handle(&mut self, Sweep(all): Sweep, _: &mut Self::Context) {
        let mut by_shop: HashMap<ShopId, Vec<Overdue>> = HashMap::new();
        for overdue in all {
            let Overdue { glimpse: Glimpse { id, shop, first, second, .. }, upto, .. } = overdue;
            for (user, delivered) in [(Some(first.0), first.1), second] {
                if let Some(user) = user.filter(|_| delivered < upto) {
                    self.push(user, &Push::HandOver { conversation: id, from: delivered + 1, upto });
                }
            }
            if let Some(shop) = shop.filter(|shop| self.shops.contains_key(shop)) {
                by_shop.entry(shop).or_default().push(overdue);
            }
        }
        for (shop, overdue) in by_shop {
            if let Some(in_use) = self.shops.get(&shop) {
                in_use.dispatcher.do_send(Swept(overdue));
            }
        }
    }
}

/// These messages have been edited, recalled or deleted lately. Whoever here has not been told is told now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Correct(pub Vec<Changed>);

impl Handler<Correct> for ChatServer {
    type Result = ();

    fn handle(&mut self, Correct(mut changed): Correct, ctx: &mut Self::Context) {
        self.corrections.forget(super::now());
        changed.retain(|change| {
            let somebody_here = match change.shop {
                Some(shop) => self.shops.contains_key(&shop) || self.users.contains_key(&change.first),
                None => self.direct.is_some(),
            };
            somebody_here && !self.corrections.is_told(change)
        });
        if changed.is_empty() {
            return;
        }
        metrics::counter!("shopbell_corrected_total").increment(changed.len() as u64);
        let readers = self.readers.clone();
        let reading = blocking(move || readers.read(|db| corrections::outcomes(db, &changed)));
        ctx.spawn(reading.into_actor(self).map(|found, this, _| {
            let mut all = Happenings::new();
            for (shop, outcome) in found.into_iter().flatten() {
                all.entry(shop).or_default().push((outcome, None));
            }
            this.happened(all);
        }));
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
