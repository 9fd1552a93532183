//! `tickets`: rounds of service, from a buyer's first message to `resolve`.

mod list;

use std::{collections::BTreeMap, sync::Arc};

use diesel::prelude::*;

pub use self::list::{Count, Listed, PAGE, Sought, State, count, find, page};
use super::{Db, schema::tickets as t, unnest::unnest};
use crate::domain::{
    conversation::Conversation,
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    statistics::ticket::Ticket,
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
    pub shop_id: i64,
    pub outbound: bool,
    pub last_claimed_by: Option<i64>,
    pub rated_at: Option<i64>,
    pub offered_at: Option<i64>,
}

impl Row {
    /// What statistics ask of it.
    pub fn ticket(&self) -> Ticket {
        let deed = |at: Option<i64>, by: Option<i64>| at.zip(by).map(|(at, by)| (Timestamp(at), UserId(by)));
        Ticket {
            opened_at: Timestamp(self.opened_at),
            offered_at: self.offered_at.map(Timestamp),
            outbound: self.outbound,
            left_message: self.left_message,
            claimed: deed(self.claimed_at, self.claimed_by),
            answered: deed(self.answered_at, self.answered_by),
            resolved: deed(self.resolved_at, self.resolved_by),
            last_claimed_by: self.last_claimed_by.map(UserId),
            rated: self.rated_at.zip(self.score).map(|(at, score)| (Timestamp(at), score)),
        }
    }
}

/// A ticket that is opened, or what has changed of one.
#[derive(Clone, Debug)]
pub struct Change {
    pub is_new: bool,
    pub shop: Option<ShopId>,
    pub first_seq: Seq,
    pub opened_at: Timestamp,
    /// When it came before people, as the conversation says.
    pub offered_at: Option<Timestamp>,
    /// Nobody was on duty as it came before people; stored as it is where the ticket is new, later where it is true.
    pub left_message: bool,
    /// An agent has opened it, by a claim; looked at where the ticket is new.
    pub outbound: bool,
    /// The first claim, and the first answer: what is stored of these stays.
    pub claimed: Option<(Timestamp, UserId)>,
    pub answered: Option<(Timestamp, UserId)>,
    /// Who has been given the claim last.
    pub last_claimed_by: Option<UserId>,
    /// With the last message that belongs to it.
    pub resolved: Option<(Timestamp, UserId, Seq)>,
    /// The buyer's opinion: a later one replaces it.
    pub rated: Option<(Timestamp, i16, Option<Arc<str>>)>,
}

impl Change {
    /// Of the present ticket of a conversation; nothing, so far.
    pub fn of(conversation: &Conversation) -> Change {
        Change {
            is_new: false,
            shop: conversation.shop().map(|shop| shop.id),
            first_seq: conversation.opened_seq,
            opened_at: conversation.opened_at,
            offered_at: conversation.offered_at,
            left_message: false,
            outbound: false,
            claimed: None,
            answered: None,
            last_claimed_by: None,
            resolved: None,
            rated: None,
        }
    }

    /// Direct conversations have no tickets.
    fn shop_id(&self) -> i64 {
        self.shop.map_or(0, |shop| shop.0)
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
         answered_at, answered_by, resolved_at, resolved_by, last_seq, score, comment, shop_id, outbound, last_claimed_by, \
         rated_at, offered_at) SELECT * FROM",
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
    .column(all().map(|change| change.rated.as_ref().map(|(_, score, _)| *score)))
    .column(all().map(|change| change.rated.as_ref().and_then(|(_, _, comment)| comment.as_deref())))
    .column(all().map(Change::shop_id))
    .column(all().map(|change| change.outbound))
    .column(all().map(|change| change.last_claimed_by.map(|by| by.0)))
    .column(all().map(|change| change.rated.as_ref().map(|(at, _, _)| at.0)))
    .column(all().map(|change| change.offered_at.map(|at| at.0)))
    .then(
        "ON CONFLICT (conversation_id, number) DO UPDATE SET \
         offered_at = excluded.offered_at, \
         left_message = t.left_message OR excluded.left_message, \
         claimed_at = COALESCE(t.claimed_at, excluded.claimed_at), \
         claimed_by = CASE WHEN t.claimed_at IS NULL THEN excluded.claimed_by ELSE t.claimed_by END, \
         answered_at = COALESCE(t.answered_at, excluded.answered_at), \
         answered_by = CASE WHEN t.answered_at IS NULL THEN excluded.answered_by ELSE t.answered_by END, \
         resolved_at = COALESCE(excluded.resolved_at, t.resolved_at), \
         resolved_by = COALESCE(excluded.resolved_by, t.resolved_by), \
         last_seq = COALESCE(excluded.last_seq, t.last_seq), \
         last_claimed_by = COALESCE(excluded.last_claimed_by, t.last_claimed_by), \
         rated_at = COALESCE(excluded.rated_at, t.rated_at), \
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
            t::offered_at.eq(change.offered_at.map(|at| at.0)),
            t::left_message.eq(change.left_message),
            t::shop_id.eq(change.shop_id()),
            t::outbound.eq(change.outbound),
        );
        diesel::insert_into(t::table).values(values).execute(db)?;
    } else {
        let left_message = change.left_message.then(|| t::left_message.eq(true));
        diesel::update(t::table.find(key))
            .set((t::offered_at.eq(change.offered_at.map(|at| at.0)), left_message))
            .execute(db)?;
    }
    if let Some((at, by)) = change.claimed {
        diesel::update(t::table.find(key).filter(t::claimed_at.is_null()))
            .set((t::claimed_at.eq(at.0), t::claimed_by.eq(by.0)))
            .execute(db)?;
    }
    if let Some(by) = change.last_claimed_by {
        diesel::update(t::table.find(key)).set(t::last_claimed_by.eq(by.0)).execute(db)?;
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
    if let Some((at, score, comment)) = &change.rated {
        diesel::update(t::table.find(key))
            .set((t::score.eq(score), t::comment.eq(comment.as_deref()), t::rated_at.eq(at.0)))
            .execute(db)?;
    }
    Ok(())
}
