//! The dispatchers of this node, each started when somebody here has to do with its shop, and let go of when nobody has any more.

use std::{collections::HashSet, sync::Arc, time::Instant};

use actix::prelude::*;

use super::{ChatServer, InUse, JUST_LEFT};
use crate::{
    actors::{direct_dispatcher::DirectDispatcher, mail::Seen, shop_dispatcher::ShopDispatcher},
    domain::{
        ids::{ShopId, UserId},
        people::Shop,
    },
};

impl ChatServer {
    pub(super) fn dispatcher(&mut self, shop: Arc<Shop>, ctx: &mut Context<Self>) -> Addr<ShopDispatcher> {
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
    pub(super) fn concerns(&mut self, user: UserId, shop: Arc<Shop>, ctx: &mut Context<Self>) -> Addr<ShopDispatcher> {
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
    pub(super) fn rest(&mut self) {
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
