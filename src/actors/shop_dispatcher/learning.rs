//! What a dispatcher has to know before it can tell anybody anything: who works here, and what is open.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{ShopDispatcher, presence::watch};
use crate::{
    actors::{
        chat_server::{Roster, WhoIsThere},
        node::blocking,
    },
    domain::{
        conversation::Conversation,
        ids::{ShopId, UserId},
        people::Agent,
        presence::{Of, Presence},
    },
    store::{Db, agents, conversations},
};

/// How long to wait before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What a dispatcher has to know when it starts.
struct Start {
    agents: Vec<Agent>,
    /// All conversations that are not resolved, where these were asked for.
    open: Vec<Conversation>,
}

impl ShopDispatcher {
    /// Reads who works here, and whatever else is asked for; nothing else is handled until it is known.
    fn learn(
        &mut self,
        ctx: &mut Context<Self>,
        read: impl Fn(&mut Db) -> diesel::QueryResult<Start> + Clone + Send + 'static,
    ) {
        let (readers, chat) = (self.readers.clone(), self.chat.clone());
        let learning = async move {
            let start = loop {
                let (readers, read) = (readers.clone(), read.clone());
                match blocking(move || readers.read(read)).await {
                    Ok(start) => break start,
                    // Nothing can be told to people who are not known: wait for the store.
                    Err(_) => actix::clock::sleep(STORE_PAUSE).await,
                }
            };
            let agents = start.agents.iter().map(|agent| agent.person.id).collect();
            let here = chat.send(WhoIsThere(agents)).await.unwrap_or_default();
            (start, here)
        };
        let learned = learning.into_actor(self).map(|(start, here), this, ctx| this.learned(start, here, ctx));
        ctx.wait(learned);
    }

    pub(super) fn learn_all(&mut self, ctx: &mut Context<Self>) {
        let shop = self.shop.id;
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: conversations::open(db, shop)? }));
    }

    /// Reads who works here while everything goes on.
    pub(super) fn read_roster(&mut self, ctx: &mut Context<Self>) {
        let (readers, shop) = (self.readers.clone(), self.shop.id);
        let read = blocking(move || readers.read(|db| roster(db, shop))).into_actor(self);
        ctx.spawn(read.map(|agents, this, ctx| {
            if agents.is_ok_and(|agents| agents != this.agents) {
                ctx.notify(AgentsChanged);
            }
        }));
    }

    fn learned(&mut self, start: Start, here: HashSet<UserId>, ctx: &mut Context<Self>) {
        self.agents = start.agents;
        let agents = self.agents.iter().map(|agent| agent.person.id).collect();
        self.chat.do_send(Roster { shop: self.shop.id, agents });
        for conversation in start.open {
            let (id, last_seq) = (conversation.id, conversation.last_seq);
            self.note(&Arc::new(conversation));
            self.replica.tell(id, 1, last_seq);
        }
        for agent in &self.agents {
            let id = agent.person.id;
            let now = Presence { online: here.contains(&id), status: Some(agent.status) };
            let noted = self.presences.learn(Of::User(id), now);
            watch(noted, self.presence_delay, ctx);
        }
        self.here = here;
        let noted = self.presences.learn(Of::Shop, self.shop_presence());
        watch(noted, self.presence_delay, ctx);
    }
}

fn roster(db: &mut Db, shop: ShopId) -> diesel::QueryResult<Vec<Agent>> {
    Ok(agents::of_shop(db, shop)?.iter().map(|(row, user)| row.agent(user)).collect())
}

/// The shop's agents have been changed: learn them anew, before anything that comes later.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AgentsChanged;

impl Handler<AgentsChanged> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: AgentsChanged, ctx: &mut Self::Context) {
        let shop = self.shop.id;
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: Vec::new() }));
    }
}
