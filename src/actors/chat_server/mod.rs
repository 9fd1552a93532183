//! The `ChatServer`: the only directory of who is here, and of who is on which other node. It routes what must reach a user to that
//! user's sessions, to the nodes where it has others, or else to the offline box, and starts dispatchers.

mod delivery;
mod dispatchers;
mod healing;
mod nodes;
mod sessions;
mod work;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

pub use self::{
    delivery::{Arrival, Broadcast},
    dispatchers::{FindDirect, FindShop},
    healing::{Correct, Sweep},
    nodes::{IsFirst, Join, Revoke, ShopChanged},
    sessions::{Register, Talks, Unregister},
    work::{Attended, Roster},
};
use super::{
    attendance::Attendance,
    cluster_link::{self, ClusterLink},
    corrections::Corrections,
    direct_dispatcher::DirectDispatcher,
    journal::Journal,
    mail::{Seen, SessionAddr, SessionId},
    offline_box::OfflineBox,
    shop_dispatcher::ShopDispatcher,
};
use crate::{
    domain::{
        ids::{ShopId, UserId},
        people::Person,
        whereabouts::Whereabouts,
    },
    store::pool::Readers,
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
