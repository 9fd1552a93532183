//! Frames that only ask: inbox and history. They are answered from the store, and wait for nothing else.

use std::sync::Arc;

use actix::prelude::*;

use super::{Ctx, Session};
use crate::{
    actors::node::Node,
    domain::{
        command::{Message, Snapshot},
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq, UserId},
        people::Role,
        refusal::Refusal,
    },
    protocol::{
        event,
        frame::{Frame, InboxState, Incoming},
        page,
        view::Marks,
    },
    socket::{Connection, Link, encode_text},
    store::{
        agents,
        conversations::{self, Filter, Scope},
        messages::{self, Record},
        people::People,
        shops,
    },
};

impl Session {
    pub(super) fn read(&mut self, Incoming { id, frame }: Incoming, link: &mut Link, ctx: &mut Ctx) {
        // A question without an `id` has no answer.
        let node = self.node.clone();
        let (Some(id), Some(member)) = (id, self.member()) else { return };
        if member.reading >= READING_MAX {
            return self.refuse(Some(&id), &Refusal::BUSY, link);
        }
        member.reading += 1;
        let me = member.person.id;
        match frame {
            Frame::Inbox { shop, state, cursor, limit } => {
                let answering = async move { inbox(&node, me, shop, state, cursor.as_deref(), limit).await };
                let answering = actix::fut::wrap_future::<_, Connection<Session>>(answering);
                ctx.spawn(answering.map(move |page, connection, _| {
                    let (session, link) = connection.parts();
                    session.answered();
                    match page {
                        Ok((page, next)) => _ = link.send(encode_text(event::inbox(&id, &page, next.as_deref()))),
                        Err(refusal) => session.refuse(Some(&id), &refusal, link),
                    }
                }));
            }
            Frame::History { conversation, before, after, limit } => {
                let answering = async move { history(&node, me, conversation, before, after, limit).await };
                let answering = actix::fut::wrap_future::<_, Connection<Session>>(answering);
                ctx.spawn(answering.map(move |page, connection, _| {
                    let (session, link) = connection.parts();
                    session.answered();
                    match page {
                        Ok((_, page, more)) => session.show(&id, conversation, cut(page, more, after.is_some()), link),
                        Err(refusal) => session.refuse(Some(&id), &refusal, link),
                    }
                }));
            }
            _ => {}
        }
    }

    fn answered(&mut self) {
        if let Some(member) = self.member() {
            member.reading = member.reading.saturating_sub(1);
        }
    }

    fn show(&mut self, id: &str, conversation: ConversationId, (page, more): (Vec<Record>, bool), link: &mut Link) {
        let Some(member) = self.member() else { return };
        if let (Some(first), Some(last)) = (page.first(), page.last()) {
            member.window.show(conversation, first.message.seq, last.message.seq);
        }
        let page: Vec<_> = page.into_iter().map(marked).collect();
        link.send(encode_text(event::history(id, &page, more)));
    }
}

/// Questions of one session that are answered at a time: each takes a connection to the store.
const READING_MAX: usize = 16;
/// A page of the history that goes over a socket is cut at about this size, so that it does not hold up what comes after it.
const PAGE_BYTES: usize = 128 << 10;
/// What a message takes beside its content, about.
const AROUND: usize = 400;

/// Cuts a page at its far end: the newest go where it runs forward from `after`, else the oldest.
fn cut(mut page: Vec<Record>, more: bool, forward: bool) -> (Vec<Record>, bool) {
    let size = |record: &Record| record.message.content.len() + AROUND;
    let fits = |sizes: &mut dyn Iterator<Item = usize>| {
        let mut sum = 0;
        sizes
            .take_while(|size| {
                sum += size;
                sum <= PAGE_BYTES
            })
            .count()
            .max(1)
    };
    let whole = page.len();
    if forward {
        let kept = fits(&mut page.iter().map(size));
        page.truncate(kept);
    } else {
        let kept = fits(&mut page.iter().rev().map(size)).min(whole);
        page.drain(..whole - kept);
    }
    let more = more || page.len() < whole;
    (page, more)
}

/// A record as the wire has it.
pub fn marked(record: Record) -> (Message, Marks) {
    let Record { message, delivered_at, read_at, edited_at } = record;
    (message, Marks { delivered_at, read_at, edited_at })
}

/// A page of somebody's own conversations, or of a shop's, each as this user's side sees it.
///
/// # Errors
/// `NotFound` for a shop that the user is no agent of; `Invalid("cursor")`.
pub async fn inbox(
    node: &Node,
    me: UserId,
    shop: Option<Arc<str>>,
    state: InboxState,
    cursor: Option<&str>,
    limit: usize,
) -> Result<(Vec<(Snapshot, Which)>, Option<String>), Refusal> {
    let mut filter = Filter::default();
    match state {
        InboxState::Waiting => filter.state = Some("waiting"),
        InboxState::Claimed => filter.state = Some("claimed"),
        InboxState::Resolved => filter.state = Some("resolved"),
        InboxState::Mine => filter.claimed_by = Some(me),
        InboxState::All => {}
    }
    let after = page::parse(cursor)?;
    let found = node
        .read(move |db| {
            let scope = match shop {
                None => Scope::Own,
                Some(shop) => {
                    let Some(shop) = shops::by_name(db, &shop)? else { return Ok(None) };
                    let id = shop.shop().id;
                    if agents::role(db, id, me)?.is_none() {
                        return Ok(None);
                    }
                    Scope::Shop(id)
                }
            };
            conversations::page(db, me, scope, &filter, after, limit).map(Some)
        })
        .await?;
    let (page, next) = found.ok_or(Refusal::NotFound)?;
    Ok((page.into_iter().map(|snapshot| with_side(snapshot, me)).collect(), next.map(page::encode)))
}

/// The side from which a user looks at a conversation.
pub fn with_side(snapshot: Snapshot, me: UserId) -> (Snapshot, Which) {
    let first = snapshot.conversation.first_person().id == me;
    (snapshot, if first { Which::First } else { Which::Second })
}

/// A page of the history, for members and for agents of the shop.
///
/// # Errors
/// `NotFound`.
pub async fn history(
    node: &Node,
    me: UserId,
    id: ConversationId,
    before: Option<Seq>,
    after: Option<Seq>,
    limit: usize,
) -> Result<(Conversation, Vec<Record>, bool), Refusal> {
    node.read(move |db| {
        let Some((conversation, _)) = visible(db, me, id)? else { return Ok(None) };
        let mut people = People::default();
        let (records, more) = messages::history(db, &mut people, &conversation, before, after, limit)?;
        Ok(Some((conversation, records, more)))
    })
    .await?
    .ok_or(Refusal::NotFound)
}

/// A conversation that this user may look at, with its role in the shop.
pub fn visible(
    db: &mut crate::store::Db,
    me: UserId,
    id: ConversationId,
) -> diesel::QueryResult<Option<(Conversation, Option<Role>)>> {
    let Some(conversation) = conversations::load(db, &mut People::default(), id)? else { return Ok(None) };
    let role = match conversation.shop() {
        Some(shop) => agents::role(db, shop.id, me)?,
        None => None,
    };
    Ok(conversation.standing(me, role).is_some().then_some((conversation, role)))
}
