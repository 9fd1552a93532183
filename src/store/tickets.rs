//! `tickets`: rounds of service, from a buyer's first message to `resolve`.

use std::{collections::BTreeMap, sync::Arc};

use diesel::prelude::*;

use super::{
    Db,
    backend::MultiBackend,
    schema::{conversations, tickets as t},
    unnest::unnest,
};
use crate::domain::{
    conversation::Conversation,
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub conversation_id: i64,
    pub number: i64,
    pub first_seq: i64,
    pub last_seq: Option<i64>,
    pub opened_at: i64,
    pub left_message: bool,
    pub claimed_at: Option<i64>,
    pub claimed_by: Option<i64>,
    pub answered_at: Option<i64>,
    pub answered_by: Option<i64>,
    pub resolved_at: Option<i64>,
    pub resolved_by: Option<i64>,
    pub score: Option<i16>,
    pub comment: Option<String>,
}

/// A ticket that is opened, or what has changed of one.
#[derive(Clone, Debug)]
pub struct Change {
    pub is_new: bool,
    pub first_seq: Seq,
    pub opened_at: Timestamp,
    /// Nobody was on duty; looked at where the ticket is new.
    pub left_message: bool,
    /// The first claim, and the first answer: what is stored of these stays.
    pub claimed: Option<(Timestamp, UserId)>,
    pub answered: Option<(Timestamp, UserId)>,
    /// With the last message that belongs to it.
    pub resolved: Option<(Timestamp, UserId, Seq)>,
    /// The buyer's opinion: a later one replaces it.
    pub rated: Option<(i16, Option<Arc<str>>)>,
}

impl Change {
    /// Of the present ticket of a conversation; nothing, so far.
    pub fn of(conversation: &Conversation) -> Change {
        Change {
            is_new: false,
            first_seq: conversation.opened_seq,
            opened_at: conversation.opened_at,
            left_message: false,
            claimed: None,
            answered: None,
            resolved: None,
            rated: None,
        }
    }
}

/// Opens and changes tickets, named by conversation and number.
pub fn write(db: &mut Db, changes: &BTreeMap<(ConversationId, i64), Change>) -> QueryResult<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let Db::Postgres(db) = db else {
        return changes.iter().try_for_each(|((id, number), change)| write_one(db, (id.0, *number), change));
    };
    let all = || changes.values();
    unnest::<()>(
        "INSERT INTO tickets AS t (conversation_id, number, first_seq, opened_at, left_message, claimed_at, claimed_by, \
         answered_at, answered_by, resolved_at, resolved_by, last_seq, score, comment) SELECT * FROM",
    )
    .column(changes.keys().map(|(id, _)| id.0))
    .column(changes.keys().map(|(_, number)| *number))
    .column(all().map(|change| change.first_seq))
    .column(all().map(|change| change.opened_at.0))
    .column(all().map(|change| change.left_message))
    .column(all().map(|change| change.claimed.map(|(at, _)| at.0)))
    .column(all().map(|change| change.claimed.map(|(_, by)| by.0)))
    .column(all().map(|change| change.answered.map(|(at, _)| at.0)))
    .column(all().map(|change| change.answered.map(|(_, by)| by.0)))
    .column(all().map(|change| change.resolved.map(|(at, _, _)| at.0)))
    .column(all().map(|change| change.resolved.map(|(_, by, _)| by.0)))
    .column(all().map(|change| change.resolved.map(|(_, _, last)| last)))
    .column(all().map(|change| change.rated.as_ref().map(|(score, _)| *score)))
    .column(all().map(|change| change.rated.as_ref().and_then(|(_, comment)| comment.as_deref())))
    .then(
        "ON CONFLICT (conversation_id, number) DO UPDATE SET \
         claimed_at = COALESCE(t.claimed_at, excluded.claimed_at), \
         claimed_by = CASE WHEN t.claimed_at IS NULL THEN excluded.claimed_by ELSE t.claimed_by END, \
         answered_at = COALESCE(t.answered_at, excluded.answered_at), \
         answered_by = CASE WHEN t.answered_at IS NULL THEN excluded.answered_by ELSE t.answered_by END, \
         resolved_at = COALESCE(excluded.resolved_at, t.resolved_at), \
         resolved_by = COALESCE(excluded.resolved_by, t.resolved_by), \
         last_seq = COALESCE(excluded.last_seq, t.last_seq), \
         comment = CASE WHEN excluded.score IS NULL THEN t.comment ELSE excluded.comment END, \
         score = COALESCE(excluded.score, t.score)",
    )
    .execute(db)
    .map(drop)
}

fn write_one(db: &mut Db, key: (i64, i64), change: &Change) -> QueryResult<()> {
    if change.is_new {
        let values = (
            t::conversation_id.eq(key.0),
            t::number.eq(key.1),
            t::first_seq.eq(change.first_seq),
            t::opened_at.eq(change.opened_at.0),
            t::left_message.eq(change.left_message),
        );
        diesel::insert_into(t::table).values(values).execute(db)?;
    }
    if let Some((at, by)) = change.claimed {
        diesel::update(t::table.find(key).filter(t::claimed_at.is_null()))
            .set((t::claimed_at.eq(at.0), t::claimed_by.eq(by.0)))
            .execute(db)?;
    }
    if let Some((at, by)) = change.answered {
        diesel::update(t::table.find(key).filter(t::answered_at.is_null()))
            .set((t::answered_at.eq(at.0), t::answered_by.eq(by.0)))
            .execute(db)?;
    }
    if let Some((at, by, last)) = change.resolved {
        diesel::update(t::table.find(key))
            .set((t::resolved_at.eq(at.0), t::resolved_by.eq(by.0), t::last_seq.eq(last)))
            .execute(db)?;
    }
    if let Some((score, comment)) = &change.rated {
        diesel::update(t::table.find(key)).set((t::score.eq(score), t::comment.eq(comment.as_deref()))).execute(db)?;
    }
    Ok(())
}

/// Which of a shop's tickets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought {
    pub buyer: Option<UserId>,
    /// Who claimed it first.
    pub agent: Option<UserId>,
    /// Opened at or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A page of a shop's tickets with their buyers, the latest first, after the one of this time, conversation and number.
pub fn page(
    db: &mut Db,
    shop: ShopId,
    sought: &Sought,
    after: Option<[i64; 3]>,
    limit: i64,
) -> QueryResult<Vec<(Row, i64)>> {
    let mut query = t::table
        .inner_join(conversations::table.on(conversations::id.eq(t::conversation_id)))
        .filter(conversations::shop_id.eq(shop.0))
        .order((t::opened_at.desc(), t::conversation_id.desc(), t::number.desc()))
        .limit(limit)
        .select((Row::as_select(), conversations::first_user))
        .into_boxed::<MultiBackend>();
    if let Some(buyer) = sought.buyer {
        query = query.filter(conversations::first_user.eq(buyer.0));
    }
    if let Some(agent) = sought.agent {
        query = query.filter(t::claimed_by.eq(agent.0));
    }
    if let Some(from) = sought.from {
        query = query.filter(t::opened_at.ge(from.0));
    }
    if let Some(to) = sought.to {
        query = query.filter(t::opened_at.lt(to.0));
    }
    if let Some([at, conversation, number]) = after {
        let earlier =
            t::conversation_id.lt(conversation).or(t::conversation_id.eq(conversation).and(t::number.lt(number)));
        query = query.filter(t::opened_at.lt(at).or(t::opened_at.eq(at).and(earlier)));
    }
    query.load(db)
}
