//! What is passed on and never stored: who types, and who only looks.

use std::sync::Arc;

use actix::prelude::*;

use super::ShopDispatcher;
use crate::{
    actors::{
        direct_dispatcher::load,
        fanout,
        mail::{Hint, HintAnswer, HintKind, Relay, Signalled, Tell},
    },
    domain::{
        conversation::{Conversation, Standing},
        ids::UserId,
        people::Person,
        refusal::Refusal,
    },
    protocol::envelope::Envelope,
};

impl ShopDispatcher {
    fn standing(&self, conversation: &Conversation, user: UserId) -> Result<Standing, Refusal> {
        let role = self.agents.iter().find(|agent| agent.person.id == user).map(|agent| agent.role);
        conversation.standing(user, role).ok_or(Refusal::NotFound)
    }

    /// Passes a hint on, if it is that person's to give.
    fn hint(&self, conversation: &Conversation, by: &Arc<Person>, what: HintKind) -> Result<(), Refusal> {
        let standing = self.standing(conversation, by.id)?;
        if let HintKind::Signal(signal) = what {
            let side = conversation.speaks_for(by.id, standing)?;
            let told = vec![fanout::signal(conversation, by, side, &signal, &self.agents)];
            let users = told.iter().flat_map(|told| &told.to).map(|person| person.id).collect();
            let conversation = Box::new(conversation.clone());
            let news = Envelope::Signalled { conversation, by: by.clone(), side, signal }.into();
            self.chat.do_send(Tell { told, relays: vec![Relay { news, users, shop: None }] });
        }
        Ok(())
    }
}

impl Handler<Signalled> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Signalled { conversation, by, side, signal }: Signalled, _: &mut Self::Context) {
        self.tell(vec![fanout::signal(&conversation, &by, side, &signal, &self.agents)]);
    }
}
impl Handler<Hint> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, hint: Hint, ctx: &mut Self::Context) {
        let Hint { by, conversation: id, what, session, id: frame } = hint;
        if let Some(known) = self.replica.open(id) {
            let reply = self.hint(&known.conversation, &by, what.clone());
            return session.do_send(HintAnswer { id: frame, conversation: id, what, reply });
        }
        let loaded = load(self.readers.clone(), id).into_actor(self).map(move |loaded, this, _| {
            let reply = loaded.and_then(|conversation| this.hint(&conversation, &by, what.clone()));
            session.do_send(HintAnswer { id: frame, conversation: id, what, reply });
        });
        ctx.spawn(loaded);
    }
}
