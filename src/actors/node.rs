//! What every session and every request has at hand: the actors, the store for reading, and what the operator has set.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Addr;
use tokio::sync::Semaphore;

use super::{
    background::Background,
    chat_server::{ChatServer, FindDirect, FindShop},
    direct_dispatcher::DirectDispatcher,
    feed::Feed,
    gather::Gather,
    journal::{Admission, Journal, Permit},
    mail::{Asked, Do, Reply},
    offline_box::OfflineBox,
    prepared,
    shop_dispatcher::ShopDispatcher,
};
use crate::{
    auth::token::Tokens,
    domain::{
        command::{Act, Command, Target},
        ids::{ConversationId, NodeId, ShopId, UserId},
        people::{Person, Shop},
        refusal::Refusal,
    },
    outbound,
    protocol::event::{Heartbeat, Limits},
    socket,
    store::{self, Db, arrivals, pool::Readers, users::Newcomer},
};

/// The services of a node. One, shared by all its threads.
pub struct Node {
    pub id: NodeId,
    pub journal: Addr<Journal>,
    pub admission: Admission,
    pub chat: Addr<ChatServer>,
    pub direct: Addr<DirectDispatcher>,
    pub offline: Addr<OfflineBox>,
    pub readers: Readers,
    /// For those who come: whatever else is read, they are let in.
    pub logins: Readers,
    pub searchers: Searchers,
    /// For what takes long, and is read for nobody who waits in a chat.
    pub background: Background,
    pub feed: Feed,
    /// Who somebody is, and what awaits somebody who comes: asked by all at once when another node has died.
    pub identities: Gather<Arc<str>, arrivals::Known>,
    pub arrivals: Gather<UserId, arrivals::Arrival>,
    /// Makes users of those who come for the first time.
    pub newcomers: Gather<Newcomer, arrivals::Known>,
    /// To which shop somebody speaks, by its name or by a conversation: everybody's first word on a node asks for it.
    pub shops: Gather<Arc<str>, Arc<Shop>>,
    pub shops_of: Gather<ConversationId, Option<Arc<Shop>>>,
    pub tokens: Tokens,
    /// For requests to others' servers.
    pub outbound: outbound::Client,
    pub settings: Settings,
    /// The limits of every socket.
    pub socket: &'static socket::Limits,
}

/// Connections for searching alone: however slow a search is, it keeps nobody else from reading.
pub struct Searchers {
    readers: Readers,
    /// For those who search, and those who wait for it.
    places: Arc<Semaphore>,
}

/// How many may wait for each connection.
const WAITING: usize = 8;

impl Searchers {
    pub fn new(readers: Readers, size: u32) -> Searchers {
        Searchers { readers, places: Arc::new(Semaphore::new(size as usize * (1 + WAITING))) }
    }
}

/// What sessions keep to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub limits: Limits,
    pub messages_burst: u32,
    pub login_timeout: Duration,
    pub heartbeat: Heartbeat,
    pub trust_shop_claims: bool,
    /// What happens in shops is noted for their own systems.
    pub events: bool,
    pub prepare: prepared::Times,
}

/// Where a conversation's commands go.
#[derive(Clone, Debug)]
pub enum Route {
    Shop(ShopId, Addr<ShopDispatcher>),
    Direct(Addr<DirectDispatcher>),
}

impl Route {
    pub fn give(&self, work: Do) {
        match self {
            Route::Shop(_, dispatcher) => dispatcher.do_send(work),
            Route::Direct(dispatcher) => dispatcher.do_send(work),
        }
    }

    pub fn hint(&self, hint: super::mail::Hint) {
        match self {
            Route::Shop(_, dispatcher) => dispatcher.do_send(hint),
            Route::Direct(dispatcher) => dispatcher.do_send(hint),
        }
    }
}

impl Node {
    /// Where commands for `target` go; `user` has to do with that shop from now on.
    ///
    /// # Errors
    /// `NotFound` where there is no such shop or conversation; `Unavailable` where the store cannot be read.
    pub async fn route(&self, target: &Target, user: UserId) -> Result<Route, Refusal> {
        match self.shop_of(target).await? {
            Some(shop) => Ok(Route::Shop(shop.id, self.shop(shop, Some(user)).await?)),
            None => Ok(Route::Direct(self.direct.clone())),
        }
    }

    /// Takes in a message; what else there is to do makes room, or is rare.
    ///
    /// # Errors
    /// `Unavailable` while there is more to do than can be done.
    pub fn admit(&self, route: &Route, act: &Act) -> Result<Option<Permit>, Refusal> {
        match (act, route) {
            (Act::Send { .. }, Route::Shop(shop, _)) => self.admission.admit(Some(*shop)).map(Some),
            (Act::Send { .. }, Route::Direct(_)) => self.admission.admit(None).map(Some),
            _ => Ok(None),
        }
    }

    /// The shop that `target` has to do with; `None` where that is none.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn shop_of(&self, target: &Target) -> Result<Option<Arc<Shop>>, Refusal> {
        match target {
            Target::User(_) => Ok(None),
            Target::Shop(name) => {
                let found = self.shops.ask(name.clone()).await?;
                found.map(Some).ok_or(Refusal::NotFound)
            }
            Target::Conversation(id) => self.shops_of.ask(*id).await?.ok_or(Refusal::NotFound),
        }
    }

    /// A shop's dispatcher.
    ///
    /// # Errors
    /// `Unavailable` when the node is stopping.
    pub async fn shop(&self, shop: Arc<Shop>, user: Option<UserId>) -> Result<Addr<ShopDispatcher>, Refusal> {
        self.chat.send(FindShop { shop, user }).await.map_err(|_| Refusal::BUSY)
    }

    /// Has a command done, and waits for what comes of it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn run(&self, by: Arc<Person>, target: &Target, act: Act) -> Reply {
        let route = self.route(target, by.id).await?;
        let permit = self.admit(&route, &act)?;
        let (asked, reply) = tokio::sync::oneshot::channel();
        route.give(Do { command: Command { by, at: super::now(), act }, asked: Asked::Call(asked), permit });
        reply.await.unwrap_or(Err(Refusal::BUSY))
    }

    /// Reads from the store, on a thread that may block.
    ///
    /// # Errors
    /// `Unavailable`; the log has the cause.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Db) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let readers = self.readers.clone();
        blocking(move || readers.read(read)).await
    }

    /// The same for somebody who comes.
    ///
    /// # Errors
    /// As [`Node::read`].
    pub async fn read_for_login<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Db) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let readers = self.logins.clone();
        blocking(move || readers.read(read)).await
    }
}

impl Node {
    /// The same for what may take long.
    ///
    /// # Errors
    /// `Unavailable`, also where too many are searching.
    pub async fn search<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Db) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.searchers.places.clone().try_acquire_owned().map_err(|_| Refusal::BUSY)?;
        let (readers, started) = (self.searchers.readers.clone(), Instant::now());
        let found = blocking(move || {
            let found = readers.read(read);
            drop(place);
            found
        });
        let found = found.await;
        metrics::histogram!("shopbell_search_seconds").record(started.elapsed().as_secs_f64());
        found
    }
}

/// Makes the one `DirectDispatcher` known.
///
/// # Errors
/// `Unavailable` when the node is stopping.
pub async fn find_direct(chat: &Addr<ChatServer>) -> Result<Addr<DirectDispatcher>, Refusal> {
    chat.send(FindDirect).await.map_err(|_| Refusal::BUSY)
}

/// How long the store may take. Its threads have bounds of their own, but for one: a database server that stands still.
const PATIENCE: Duration = Duration::from_secs(6);

/// Runs `work` on a thread that may block.
///
/// # Errors
/// `Unavailable`, after 6 s at the latest; the log has the cause.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, Refusal> {
    in_time(tokio::task::spawn_blocking(work)).await
}

/// What comes of work on a thread that may block.
///
/// # Errors
/// As [`blocking`].
pub async fn in_time<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<Result<T, store::Error>, E>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "the store cannot be read");
            Err(Refusal::BUSY)
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a reading was broken off");
            Err(Refusal::BUSY)
        }
        Err(_) => {
            tracing::error!("the store does not answer");
            Err(Refusal::BUSY)
        }
    }
}
