//! Who is there: which agents, and for their claimants which buyers.

use std::time::Duration;

use actix::prelude::*;

use super::ShopDispatcher;
use crate::{
    actors::{
        chat_server::WhoIsThere,
        fanout,
        mail::{Seen, Told},
        now,
    },
    domain::{
        conversation::Conversation,
        ids::UserId,
        people::Agent,
        presence::{Noted, Of, Presence},
    },
    protocol::event::{self, Whose},
};

impl ShopDispatcher {
    pub(super) fn set_agent(&mut self, agent: Agent, ctx: &mut Context<Self>) {
        let (id, status) = (agent.person.id, agent.status);
        // Who is not known has been removed since.
        let Some(known) = self.agents.iter_mut().find(|known| known.person.id == id) else { return };
        *known = agent;
        let now = Presence { online: self.here.contains(&id), status: Some(status) };
        self.set_presence(Of::User(id), now, ctx);
        self.set_presence(Of::Shop, self.shop_presence(), ctx);
    }

    fn seen(&mut self, user: UserId, online: bool, ctx: &mut Context<Self>) {
        let status = self.agents.iter().find(|agent| agent.person.id == user).map(|agent| agent.status);
        if status.is_some() {
            if online {
                self.here.insert(user);
            } else {
                self.here.remove(&user);
            }
            self.set_presence(Of::Shop, self.shop_presence(), ctx);
        }
        self.set_presence(Of::User(user), Presence { online, status }, ctx);
    }

    pub(super) fn shop_presence(&self) -> Presence {
        Presence { online: self.on_duty(), status: None }
    }

    /// Notes a presence, and looks at it again when it has been stable for a while.
    fn set_presence(&mut self, of: Of, now: Presence, ctx: &mut Context<Self>) {
        let noted = self.presences.note(of, now);
        watch(noted, self.presence_delay, ctx);
    }

    fn tell_presence(&mut self, noted: Noted) {
        let Some((of, is)) = self.presences.due(noted) else { return };
        let at = now();
        let frame = |whose| event::presence(whose, is.online, is.status, at);
        let (key, frame, to): (i64, String, Vec<_>) = match of {
            Of::Shop => {
                let buyers = self.replica.all_open().map(|it| it.first_person().clone());
                (-1, frame(Whose::Shop(&self.shop)), buyers.collect())
            }
            Of::User(user) => match self.agents.iter().find(|agent| agent.person.id == user) {
                Some(agent) => {
                    let others = self.agents.iter().map(|agent| agent.person.clone()).filter(|p| p.id != user);
                    (user.0, frame(Whose::User(&agent.person)), others.collect())
                }
                None => {
                    if !is.online {
                        self.presences.forget(of);
                    }
                    let Some(conversation) = self.replica.of_buyer(user) else { return };
                    let claimant = conversation.claimant().cloned();
                    (user.0, frame(Whose::User(conversation.first_person())), claimant.into_iter().collect())
                }
            },
        };
        self.tell(vec![fanout::presence(key, frame, to)]);
    }

    /// A new claimant learns whether its buyer is there; what is not stable yet it will be told with the others.
    pub(super) fn buyers_presence(&self, conversation: &Conversation) -> Option<Told> {
        let (claimant, buyer) = (conversation.claimant()?, conversation.first_person());
        let told = self.presences.told(Of::User(buyer.id))?;
        let frame = event::presence(Whose::User(buyer), told.online, None, now());
        Some(fanout::presence(buyer.id.0, frame, vec![claimant.clone()]))
    }
}

/// Looks at a noted presence again after the delay.
pub(super) fn watch(noted: Option<Noted>, delay: Duration, ctx: &mut Context<ShopDispatcher>) {
    if let Some(noted) = noted {
        ctx.run_later(delay, move |this, _| this.tell_presence(noted));
    }
}

/// See anew who is there: nodes have come or gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LookAround;

impl Handler<LookAround> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: LookAround, ctx: &mut Self::Context) {
        let agents = self.agents.iter().map(|agent| agent.person.id);
        let concerned: Vec<UserId> = agents.chain(self.replica.buyers()).collect();
        let asking = self.chat.send(WhoIsThere(concerned.clone())).into_actor(self);
        ctx.spawn(asking.map(move |there, this, ctx| {
            let Ok(there) = there else { return };
            for user in concerned {
                let is_agent = this.agents.iter().any(|agent| agent.person.id == user);
                // Of a buyer who is not there nothing needs to be noted unless it was there before.
                if is_agent
                    || there.contains(&user)
                    || this.presences.told(Of::User(user)).is_none_or(|told| told.online)
                {
                    this.seen(user, there.contains(&user), ctx);
                }
            }
        }));
    }
}

impl Handler<Seen> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Seen { user, online }: Seen, ctx: &mut Self::Context) {
        self.seen(user, online, ctx);
    }
}
