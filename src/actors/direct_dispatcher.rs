//! The `DirectDispatcher`: conversations between two users, which take the same way as a shop's.

use actix::prelude::*;

use super::{
    chat_server::ChatServer,
    fanout::{self, Fanout},
    journal::{Append, Journal},
    mail::{Do, Hint, HintAnswer, HintKind, Tell, Written},
    offline_box::{OfflineBox, Ops},
};
use crate::{
    domain::{
        conversation::{Conversation, Standing},
        refusal::Refusal,
    },
    store::{conversations, people::People, pool::Readers},
};

pub struct DirectDispatcher {
    chat: Addr<ChatServer>,
    journal: Addr<Journal>,
    offline: Addr<OfflineBox>,
    readers: Readers,
}

impl DirectDispatcher {
    pub fn new(
        chat: Addr<ChatServer>,
        journal: Addr<Journal>,
        offline: Addr<OfflineBox>,
        readers: Readers,
    ) -> DirectDispatcher {
        DirectDispatcher { chat, journal, offline, readers }
    }
}

impl Actor for DirectDispatcher {
    type Context = Context<Self>;
}

impl Handler<Do> for DirectDispatcher {
    type Result = ();

    fn handle(&mut self, Do { command, asked }: Do, ctx: &mut Self::Context) {
        self.journal.do_send(Append { command, to: ctx.address().recipient(), asked });
    }
}

impl Handler<Written> for DirectDispatcher {
    type Result = ();

    fn handle(&mut self, Written { reply, asked }: Written, _: &mut Self::Context) {
        if let Ok(outcome) = &reply {
            let fanout = Fanout::of(outcome, &[], asked.session());
            self.chat.do_send(Tell(fanout.told));
            self.offline.do_send(Ops(fanout.offline));
        }
        asked.answer(reply);
    }
}

impl Handler<Hint> for DirectDispatcher {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, hint: Hint, _: &mut Self::Context) -> Self::Result {
        let (readers, chat) = (self.readers.clone(), self.chat.clone());
        Box::pin(async move {
            let Hint { by, conversation, what, session, id } = hint;
            let found = load(readers, conversation).await;
            let standing = found.and_then(|c| match c.standing(by.id, None) {
                Some(Standing::User(side)) => Ok((c, side)),
                _ => Err(Refusal::NotFound),
            });
            let reply = standing.map(|(conversation, side)| {
                if let HintKind::Typing(on) = what {
                    chat.do_send(Tell(vec![fanout::typing(&conversation, &by, side, on, &[])]));
                }
            });
            session.do_send(HintAnswer { id, conversation, what, reply });
        })
    }
}

/// A conversation as the store has it.
///
/// # Errors
/// `NotFound`; `Unavailable` where the store cannot be read.
pub async fn load(readers: Readers, id: crate::domain::ids::ConversationId) -> Result<Conversation, Refusal> {
    let read = move || readers.read(|db| conversations::load(db, &mut People::default(), id));
    super::node::blocking(read).await?.ok_or(Refusal::NotFound)
}
