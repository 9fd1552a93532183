//! What has changed lately, for the sweep that heals what a node was not told.

use diesel::prelude::*;

use super::{
    Db,
    conversations::active_since,
    schema::{conversations as t, messages as m, users},
};
use crate::domain::ids::{ConversationId, Seq, ShopId, Timestamp, UserId};

/// As much of a conversation as shows whether somebody has missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse {
    pub id: ConversationId,
    /// `None` for a direct one.
    pub shop: Option<ShopId>,
    pub revision: i64,
    pub last_seq: Seq,
    /// When it last had a message, or changed its state or claim.
    pub at: Timestamp,
    /// The buyer, or the first of the two users, with the cursor of that side.
    pub first: (UserId, Seq),
    /// The claimant or the second user, and the cursor of that side.
    pub second: (Option<UserId>, Seq),
}

type Columns = (i64, Option<i64>, i64, i64, i64, i64, i64, Option<i64>, Option<i64>, i64);

/// The conversations with a message or a change of state or claim since `since`.
pub fn conversations(db: &mut Db, since: Timestamp) -> QueryResult<Vec<Glimpse>> {
    let rows: Vec<Columns> = t::table
        .filter(active_since(since))
        .select((
            t::id,
            t::shop_id,
            t::revision,
            t::last_seq,
            t::updated_at,
            t::first_user,
            t::first_delivered,
            t::second_user,
            t::claimed_by,
            t::second_delivered,
        ))
        .load(db)?;
    let glimpse =
        |(id, shop, revision, last_seq, at, first, first_seq, second, claimant, second_seq): Columns| Glimpse {
            id: ConversationId(id),
            shop: shop.map(ShopId),
            revision,
            last_seq,
            at: Timestamp(at),
            first: (UserId(first), first_seq),
            second: (second.or(claimant).map(UserId), second_seq),
        };
    Ok(rows.into_iter().map(glimpse).collect())
}

/// A message whose content was changed, and has been told to be by the node that did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub conversation: ConversationId,
    pub seq: Seq,
    /// `None` for a direct one.
    pub shop: Option<ShopId>,
    /// The buyer, or the first of the two users.
    pub first: UserId,
    pub by: UserId,
    pub at: Timestamp,
}

/// The messages that were edited, recalled or deleted since `since`.
pub fn messages(db: &mut Db, since: Timestamp) -> QueryResult<Vec<Changed>> {
    type Columns = (i64, i64, Option<i64>, i64, Option<i64>, Option<i64>);
    let rows: Vec<Columns> = m::table
        .inner_join(t::table.on(t::id.eq(m::conversation_id)))
        .filter(m::changed_at.ge(since.0))
        .order(m::changed_at)
        .select((m::conversation_id, m::seq, t::shop_id, t::first_user, m::changed_by, m::changed_at))
        .load(db)?;
    let changed = |(conversation, seq, shop, first, by, at): Columns| {
        let (conversation, shop, first) = (ConversationId(conversation), shop.map(ShopId), UserId(first));
        Some(Changed { conversation, seq, shop, first, by: UserId(by?), at: Timestamp(at?) })
    };
    Ok(rows.into_iter().filter_map(changed).collect())
}

/// The users whose tokens of before some second, since `since`, are refused, with that second.
pub fn revocations(db: &mut Db, since: Timestamp) -> QueryResult<Vec<(UserId, i64)>> {
    let rows: Vec<(i64, i64)> = users::table
        .filter(users::tokens_after.gt(0).and(users::tokens_after.ge(since.0 / 1_000)))
        .select((users::id, users::tokens_after))
        .load(db)?;
    Ok(rows.into_iter().map(|(user, before)| (UserId(user), before)).collect())
}
