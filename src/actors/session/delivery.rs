//! Messages on their way to the client: at once, or from the store when the window has room; and again, when they are not acked.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use actix::prelude::*;
use diesel::QueryResult;

use super::{Ctx, Member, Phase, Session, backlog::Coming, close, until};
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
    store::{Db, conversations, messages, people::People},
};

/// Events that are kept until `welcome`.
const EARLY_MAX: usize = 1_000;
/// How long acks are awaited that make more room, in a window that was full.
const ROOM: Duration = Duration::from_millis(10);
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
                member.backlog.push(Coming { conversation, seq, after, frame, due });
                if member.send_backlog(link, false) {
                    self.go_on(link, ctx);
                }
                self.watch_acks(ctx);
            }
            Push::Latest { key, frame } => _ = link.send_latest(key, frame),
            Push::Event(frame) => {
                // It may be about a message that waits, which must not come as it was: from the store it comes as it is.
                let is_behind = member.send_backlog(link, true);
                member.changes += 1;
                link.send(frame);
                if is_behind {
                    self.go_on(link, ctx);
                }
                self.watch_acks(ctx);
            }
            Push::Notice(notice) => _ = link.send(encode_text(event::notice(notice, language))),
            Push::Settle { conversation, upto } => {
                member.settle(conversation, upto);
                self.go_on(link, ctx);
            }
            Push::Forget { conversation } => {
                member.window.forget(conversation);
                member.backlog.settle(conversation, Seq::MAX);
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

    /// Sends what there is room for: what is to be read from the store first, since it is older; and says when the flush at login is over.
    pub(super) fn go_on(&mut self, link: &mut Link, ctx: &mut Ctx) {
        let node = self.node.clone();
        // Before it is known what is due, an empty window does not mean that nothing is.
        let Phase::Member(member) = &mut self.phase else { return };
        if member.window.is_holding() && member.window.is_level() {
            link.send(encode_text(event::flushed(member.flushed)));
            member.window.release();
        }
        if member.window.is_tight() && !std::mem::replace(&mut member.awaits_room, true) {
            ctx.run_later(ROOM, |connection, ctx| {
                let (session, link) = connection.parts();
                let Some(member) = session.member() else { return };
                member.awaits_room = false;
                member.window.loosen();
                session.go_on(link, ctx);
            });
        }
        let (fetches, changes) = (member.window.fetch(), member.changes);
        member.send_backlog(link, false);
        self.watch_acks(ctx);
        if fetches.is_empty() {
            return;
        }
        let asked = fetches.clone();
        let reading = async move { node.read(move |db| read(db, &asked)).await };
        let reading = actix::fut::wrap_future::<_, Connection<Session>>(reading);
        ctx.spawn(reading.map(move |read, connection, ctx| {
            let (session, link) = connection.parts();
            session.fetched(&fetches, changes, read, link, ctx);
        }));
    }

    fn fetched(
        &mut self,
        fetches: &[Fetch],
        changes: u64,
        read: Result<Read, Refusal>,
        link: &mut Link,
        ctx: &mut Ctx,
    ) {
        let Some(member) = self.member() else { return };
        if member.changes != changes {
            fetches.iter().for_each(|fetch| member.window.fetch_done(fetch.conversation, fetch.from));
            return self.go_on(link, ctx);
        }
        let Ok(mut read) = read else {
            fetches.iter().for_each(|fetch| member.window.fetch_done(fetch.conversation, fetch.from));
            ctx.run_later(STORE_PAUSE, |connection, ctx| {
                let (session, link) = connection.parts();
                session.go_on(link, ctx);
            });
            return;
        };
        for fetch in fetches {
            let found = read.remove(&fetch.conversation);
            let next = found.map_or(fetch.upto + 1, |found| member.deliver(fetch, &found, link));
            member.window.fetch_done(fetch.conversation, next);
        }
        member.send_backlog(link, false);
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
            self.read_again(due, ctx);
        }
        self.watch_acks(ctx);
    }

    fn read_again(&mut self, due: Vec<(ConversationId, Seq)>, ctx: &mut Ctx) {
        let node = self.node.clone();
        let Some(member) = self.member() else { return };
        let (asked, changes) = (due.clone(), member.changes);
        let reading = async move { node.read(move |db| read_each(db, &asked)).await };
        let reading = actix::fut::wrap_future::<_, Connection<Session>>(reading);
        ctx.spawn(reading.map(move |read, connection, ctx| {
            let (session, link) = connection.parts();
            session.send_again(due, changes, read.unwrap_or_default(), link, ctx);
        }));
    }

    fn send_again(
        &mut self,
        due: Vec<(ConversationId, Seq)>,
        changes: u64,
        messages: Vec<Message>,
        link: &mut Link,
        ctx: &mut Ctx,
    ) {
        let Some(member) = self.member() else { return };
        if member.changes != changes {
            return self.read_again(due, ctx);
        }
        for message in messages {
            if member.window.is_unacked(message.conversation, message.seq) {
                link.send(encode_text(event::message(&message, true)));
            }
        }
    }
}

impl Member {
    /// All up to `seq` has been dealt with, here or by another session of the user.
    pub(super) fn settle(&mut self, conversation: ConversationId, seq: Seq) {
        self.window.settle(conversation, seq);
        self.backlog.settle(conversation, seq);
    }

    /// Sends messages in the order in which they have come, as far as there is room, and leaves those to the store that are too many, or `all`.
    /// Gives whether there are such.
    fn send_backlog(&mut self, link: &mut Link, all: bool) -> bool {
        let (now, mut is_behind) = (Instant::now(), false);
        while let Some(first) = self.backlog.first() {
            let leaves = all || self.backlog.is_over() || !first.due;
            if !leaves && !self.window.admits(first.frame.len(), now) {
                break;
            }
            let Some(Coming { conversation, seq, after, frame, due }) = self.backlog.pop() else { break };
            match self.window.offer(conversation, seq, after, frame.len(), due, now) {
                Offer::Send => _ = link.send(frame),
                Offer::Later => is_behind = true,
                Offer::Skip => {}
            }
        }
        is_behind
    }

    /// Sends what has been read of a conversation, as far as there is room; gives the `seq` with which to go on.
    fn deliver(&mut self, fetch: &Fetch, (conversation, messages): &Found, link: &mut Link) -> Seq {
        let me = self.person.id;
        let mine = if conversation.first_person().id == me { Which::First } else { Which::Second };
        for message in messages {
            let due = message.side != mine;
            if !due && message.from.id != me {
                continue;
            }
            // Both forms have nearly the same length, so one measures for both.
            let frame = event::message(message, true);
            let (id, seq) = (message.conversation, message.seq);
            match self.window.fetched(id, seq, frame.len(), due, Instant::now()) {
                Ok(Some(fresh)) => {
                    let frame = if fresh { event::message(message, false) } else { frame };
                    if self.window.is_holding() {
                        self.flushed += usize::from(due);
                    } else {
                        metrics::counter!("shopbell_caught_up_total").increment(1);
                    }
                    link.send(encode_text(frame));
                }
                Ok(None) => {}
                Err(_) => return seq,
            }
        }
        let last = messages.last().filter(|_| messages.len() == fetch.limit);
        last.map_or(fetch.upto, |last| last.seq) + 1
    }
}

type Found = (Conversation, Vec<Message>);
type Read = HashMap<ConversationId, Found>;

fn read(db: &mut Db, asked: &[Fetch]) -> QueryResult<Read> {
    let mut people = People::default();
    let known = conversations::load_all(db, &mut people, asked.iter().map(|fetch| fetch.conversation).collect())?;
    let range = |fetch: &Fetch| {
        let Fetch { from, upto, limit, .. } = *fetch;
        Some(messages::Range { conversation: known.get(&fetch.conversation)?, from, upto, limit })
    };
    let ranges: Vec<messages::Range> = asked.iter().filter_map(range).collect();
    let found = messages::ranges(db, &mut people, &ranges)?;
    let each = ranges.iter().zip(found);
    Ok(each.map(|(range, found)| (range.conversation.id, (range.conversation.clone(), found))).collect())
}

/// These messages as they are now, in their conversations' order.
fn read_each(db: &mut Db, keys: &[(ConversationId, Seq)]) -> QueryResult<Vec<Message>> {
    let mut people = People::default();
    let known = conversations::load_all(db, &mut people, keys.iter().map(|(id, _)| *id).collect())?;
    let places: Vec<_> = keys.iter().filter_map(|(id, seq)| Some((known.get(id)?, *seq))).collect();
    let found: BTreeMap<_, _> = messages::at(db, &mut people, &places)?.into_iter().collect();
    Ok(found.into_values().collect())
}
