//! The `DirectDispatcher`: conversations between two users, which take the same way as a shop's.

use actix::prelude::*;

use super::{
    chat_server::{Arrival, ChatServer},
    fanout::{self, Fanout},
    journal::{Append, Journal},
    mail::{Do, Happened, Hint, HintAnswer, HintKind, Relay, Signalled, Tell, Written, answer},
    offline_box::{OfflineBox, Ops},
};
use crate::{
    domain::{
        command::Outcome,
        conversation::{Conversation, Moved, Parties, Standing},
        ids::UserId,
        refusal::Refusal,
    },
    protocol::envelope::Envelope,
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

    fn handle(&mut self, Do { command, asked, permit }: Do, ctx: &mut Self::Context) {
        self.journal.do_send(Append { command, shop: None, to: ctx.address().recipient(), asked, permit });
    }
}

impl Handler<Written> for DirectDispatcher {
    type Result = ();

    fn handle(&mut self, Written(all): Written, _: &mut Self::Context) {
        let (mut tell, mut lists) = (Tell::default(), Vec::new());
        for (reply, asked) in &all {
            let Ok(outcome) = reply else { continue };
            let except = asked.session();
            let Fanout { told, offline } = Fanout::of(outcome, &[], except, None);
            tell.told.extend(told);
            tell.relays.extend(concerned(outcome).map(|users| {
                let news = Envelope::Happened { outcome: outcome.clone(), except }.into();
                Relay { news, users, shop: None }
            }));
            lists.extend(offline);
        }
        self.chat.do_send(tell);
        self.offline.do_send(Ops(lists));
        answer(all);
    }
}

/// Those to whom an outcome means something.
fn concerned(outcome: &Outcome) -> Option<Vec<UserId>> {
    let members = |conversation: &Conversation| match &conversation.parties {
        Parties::Direct { first, second } => Some(vec![first.id, second.id]),
        Parties::Support { .. } => None,
    };
    match outcome {
        Outcome::Stored { now, .. } | Outcome::Recalled { now, first_time: true, .. } => members(&now.conversation),
        Outcome::Moved { now, moved, .. } if *moved != Moved::default() => members(now),
        Outcome::Settled { by, .. } => Some(vec![by.id]),
        _ => None,
    }
}

impl Handler<Happened> for DirectDispatcher {
    type Result = ();

    fn handle(&mut self, Happened(all): Happened, _: &mut Self::Context) {
        let told = all.iter().flat_map(|(outcome, except)| Fanout::of(outcome, &[], *except, None).told);
        self.chat.do_send(Arrival(told.collect()));
    }
}

impl Handler<Signalled> for DirectDispatcher {
    type Result = ();

    fn handle(&mut self, Signalled { conversation, by, side, signal }: Signalled, _: &mut Self::Context) {
        self.chat.do_send(Tell::here(vec![fanout::signal(&conversation, &by, side, &signal, &[])]));
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
                if let HintKind::Signal(signal) = what.clone() {
                    let told = vec![fanout::signal(&conversation, &by, side, &signal, &[])];
                    let users = told.iter().flat_map(|told| &told.to).map(|person| person.id).collect();
                    let conversation = Box::new(conversation);
                    let news = Envelope::Signalled { conversation, by: by.clone(), side, signal }.into();
                    chat.do_send(Tell { told, relays: vec![Relay { news, users, shop: None }] });
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
