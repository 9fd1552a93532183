//! Retention: contents that a shop keeps for so many days only. `expired` says up to where they have been removed.

use std::collections::BTreeSet;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{
    Db, audit, conversations,
    people::People,
    schema::{conversations as c, expired as t, messages as m, shops},
};
use crate::domain::{
    content::{DELETED, RECALLED},
    ids::{ConversationId, Seq, ShopId, Timestamp},
};

/// How long a shop keeps what is said in it, in days; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub shop: ShopId,
    pub messages: Option<i32>,
    pub files: Option<i32>,
}

/// The shops that do not keep everything.
pub fn shops(db: &mut Db) -> QueryResult<Vec<Kept>> {
    let rows: Vec<(i64, Option<i32>, Option<i32>)> = shops::table
        .filter(shops::retention_messages.is_not_null().or(shops::retention_files.is_not_null()))
        .order(shops::id)
        .select((shops::id, shops::retention_messages, shops::retention_files))
        .load(db)?;
    Ok(rows.into_iter().map(|(shop, messages, files)| Kept { shop: ShopId(shop), messages, files }).collect())
}

/// Conversations of a shop, after this one, of which the first message that is left is from before `before`.
pub fn overdue(
    db: &mut Db,
    shop: ShopId,
    before: Timestamp,
    after: ConversationId,
    limit: usize,
) -> QueryResult<BTreeSet<ConversationId>> {
    let first_left = m::conversation_id.eq(c::id).and(sql::<Bool>("messages.seq = COALESCE(expired.upto, 0) + 1"));
    let rows: Vec<i64> = c::table
        .left_join(t::table.on(t::conversation_id.eq(c::id)))
        .inner_join(m::table.on(first_left))
        .filter(c::shop_id.eq(shop.0).and(c::id.gt(after.0)).and(m::at.lt(before.0)))
        .order(c::id)
        .limit(limit as i64)
        .select(c::id)
        .load(db)?;
    Ok(rows.into_iter().map(ConversationId).collect())
}

/// What has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages that were looked at, tombstones among them.
    pub seen: usize,
    /// Messages that had a content.
    pub removed: usize,
}

/// Removes the content of messages from before `before`, at most `limit` of them, and what the audit log has noted of it. Conversations
/// that another transaction has taken are passed over.
pub fn remove(db: &mut Db, among: &BTreeSet<ConversationId>, before: Timestamp, limit: usize) -> QueryResult<Removed> {
    let mut done = Removed::default();
    for conversation in conversations::take(db, &mut People::default(), among, &[])?.here {
        if done.seen >= limit {
            break;
        }
        let id = conversation.id.0;
        let upto = t::table.find(id).select(t::upto).first(db).optional()?.unwrap_or(0);
        let left = m::table.filter(m::conversation_id.eq(id).and(m::seq.gt(upto))).order(m::seq);
        let left: Vec<(Seq, i64)> = left.limit((limit - done.seen) as i64).select((m::seq, m::at)).load(db)?;
        let seqs = left.iter().take_while(|(_, at)| *at < before.0).map(|(seq, _)| *seq);
        let seqs: BTreeSet<(ConversationId, Seq)> = seqs.map(|seq| (conversation.id, seq)).collect();
        let Some((_, last)) = seqs.last().copied() else { continue };
        let overdue = m::conversation_id.eq(id).and(m::seq.gt(upto)).and(m::seq.le(last));
        let kept = overdue.and(m::content.ne_all([RECALLED, DELETED]));
        done.removed += diesel::update(m::table.filter(kept)).set(m::content.eq(DELETED)).execute(db)?;
        done.seen += seqs.len();
        audit::erase(db, &seqs)?;
        advance(db, id, last)?;
    }
    Ok(done)
}

fn advance(db: &mut Db, conversation: i64, upto: Seq) -> QueryResult<()> {
    if diesel::update(t::table.find(conversation)).set(t::upto.eq(upto)).execute(db)? == 1 {
        return Ok(());
    }
    let values = (t::conversation_id.eq(conversation), t::upto.eq(upto));
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}
