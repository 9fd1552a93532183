//! Messages on their way to the client: at once, or from the store when the window has room; and again, when they are not acked.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{Ctx, Phase, Session, close, until};
use crate::{
    actors::mail::Push,
    domain::{
        command::Message,
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq},
        refusal::Refusal,
        window::{Fetch, Offer, REPEATS},
    },
    protocol::{close::Close, event},
    socket::{Connection, Link, encode_text},
    store::{conversations, messages, people::People},
};

/// Events that are kept until `welcome`.
const EARLY_MAX: usize = 1_000;
/// How long to wait before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

impl Session {
    pub(super) fn push(&mut self, push: Push, link: &mut Link, ctx: &mut Ctx) {
        let language = self.language;
        if let Phase::Entering { member: Some(member), .. } = &mut self.phase
            && matches!(push, Push::Latest { .. } | Push::Event(_) | Push::Notice(_))
        {
            // Who misses any of this reads the inbox after `welcome`, as consoles do anyway.
            if member.early.len() < EARLY_MAX {
                member.early.push(push);
            }
            return;
        }
        let Some(member) = self.member() else { return };
        match push {
            Push::Message { conversation, seq, after, frame, due } => {
                match member.window.offer(conversation, seq, after, frame.len(), due, Instant::now()) {
                    Offer::Send => {
                        link.send(frame);
                        self.watch_acks(ctx);
                    }
                    Offer::Later => self.go_on(link, ctx),
                    Offer::Skip => {}
                }
            }
            Push::Latest { key, frame } => _ = link.send_latest(key, frame),
            Push::Event(frame) => _ = link.send(frame),
            Push::Notice(notice) => _ = link.send(encode_text(event::notice(notice, language))),
            Push::Settle { conversation, upto } => {
                member.window.settle(conversation, upto);
                self.go_on(link, ctx);
            }
            Push::Forget { conversation } => {
                member.window.forget(conversation);
                self.go_on(link, ctx);
            }
            Push::HandOver { conversation, from, upto } => {
                member.window.hand_over(conversation, from, upto);
                self.go_on(link, ctx);
            }
            Push::Revoke { before } if member.issued_at < before => close(link, Close::Unauthenticated),
            Push::Revoke { .. } => {}
            Push::Close(why) => close(link, why),
        }
    }

    /// Reads what comes next from the store, if there is room for it; and says when the flush at login is over.
    pub(super) fn go_on(&mut self, link: &mut Link, ctx: &mut Ctx) {
        let node = self.node.clone();
        // Before it is known what is due, an empty window does not mean that nothing is.
        let Phase::Member(member) = &mut self.phase else { return };
        if member.window.is_holding() && member.window.is_level() {
            link.send(encode_text(event::flushed(member.flushed)));
            member.window.release();
        }
        let Some(fetch) = member.window.fetch() else { return };
        let Fetch { conversation, from, upto, limit } = fetch;
        let reading = async move { node.read(move |db| read(db, conversation, from, upto, limit)).await };
        let reading = actix::fut::wrap_future::<_, Connection<Session>>(reading);
        ctx.spawn(reading.map(move |read, connection, ctx| {
            let (session, link) = connection.parts();
            session.fetched(fetch, read, link, ctx);
        }));
    }

    fn fetched(
        &mut self,
        fetch: Fetch,
        read: Result<Option<(Conversation, Vec<Message>)>, Refusal>,
        link: &mut Link,
        ctx: &mut Ctx,
    ) {
        let Some(member) = self.member() else { return };
        let Ok(read) = read else {
            member.window.fetch_done(fetch.conversation, fetch.from);
            ctx.run_later(STORE_PAUSE, |connection, ctx| {
                let (session, link) = connection.parts();
                session.go_on(link, ctx);
            });
            return;
        };
        let mut next = fetch.upto + 1;
        if let Some((conversation, messages)) = read {
            let me = &member.person;
            let mine = if conversation.first_person().id == me.id { Which::First } else { Which::Second };
            if messages.len() == fetch.limit {
                next = messages.last().map_or(next, |last| last.seq + 1);
            }
            for message in &messages {
                let due = message.side != mine;
                if !due && message.from.id != me.id {
                    continue;
                }
                // Both forms have nearly the same length, so one measures for both.
                let frame = event::message(message, true);
                let (id, seq) = (message.conversation, message.seq);
                match member.window.fetched(id, seq, frame.len(), due, Instant::now()) {
                    Ok(Some(fresh)) => {
                        let frame = if fresh { event::message(message, false) } else { frame };
                        member.flushed += usize::from(member.window.is_holding() && due);
                        link.send(encode_text(frame));
                    }
                    Ok(None) => {}
                    Err(_) => {
                        next = seq;
                        break;
                    }
                }
            }
        }
        member.window.fetch_done(fetch.conversation, next);
        self.watch_acks(ctx);
        self.go_on(link, ctx);
    }

    /// Makes sure that what is not acked is sent again in time.
    fn watch_acks(&mut self, ctx: &mut Ctx) {
        let Some(member) = self.member() else { return };
        if member.repeat.is_some() {
            return;
        }
        if let Some(at) = member.window.next_repeat() {
            member.repeat = Some(ctx.run_later(until(at), |connection, ctx| {
                let (session, link) = connection.parts();
                session.repeat(link, ctx);
            }));
        }
    }

    fn repeat(&mut self, link: &mut Link, ctx: &mut Ctx) {
        let node = self.node.clone();
        let Some(member) = self.member() else { return };
        member.repeat = None;
        if link.is_ending() {
            return;
        }
        // What the socket has not yet taken has not been sent a first time.
        if link.flushed() < link.pushed() {
            member.repeat = Some(ctx.run_later(REPEATS[0], |connection, ctx| {
                let (session, link) = connection.parts();
                session.repeat(link, ctx);
            }));
            return;
        }
        let due = member.window.repeats(Instant::now());
        if !due.is_empty() {
            metrics::counter!("shopbell_repeated_total").increment(due.len() as u64);
            let reading = async move { node.read(move |db| read_each(db, &due)).await };
            let reading = actix::fut::wrap_future::<_, Connection<Session>>(reading);
            ctx.spawn(reading.map(|read, connection, _| {
                let (session, link) = connection.parts();
                session.send_again(read.unwrap_or_default(), link);
            }));
        }
        self.watch_acks(ctx);
    }

    fn send_again(&mut self, messages: Vec<Message>, link: &mut Link) {
        let Some(member) = self.member() else { return };
        for message in messages {
            if member.window.is_unacked(message.conversation, message.seq) {
                link.send(encode_text(event::message(&message, true)));
            }
        }
    }
}

type Read = Option<(Conversation, Vec<Message>)>;

fn read(
    db: &mut crate::store::Db,
    id: ConversationId,
    from: Seq,
    upto: Seq,
    limit: usize,
) -> diesel::QueryResult<Read> {
    let mut people = People::default();
    let Some(conversation) = conversations::load(db, &mut people, id)? else { return Ok(None) };
    let messages = messages::range(db, &mut people, &conversation, from, upto, limit)?;
    Ok(Some((conversation, messages)))
}

/// These messages as they are now, in their conversations' order.
fn read_each(db: &mut crate::store::Db, keys: &[(ConversationId, Seq)]) -> diesel::QueryResult<Vec<Message>> {
    let mut people = People::default();
    let mut known: BTreeMap<ConversationId, Option<Conversation>> = BTreeMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for (id, seq) in keys {
        if !known.contains_key(id) {
            known.insert(*id, conversations::load(db, &mut people, *id)?);
        }
        if let Some(Some(conversation)) = known.get(id) {
            found.extend(messages::find(db, &mut people, conversation, *seq)?);
        }
    }
    Ok(found)
}
