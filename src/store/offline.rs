//! `offline`: the offline lists where there is no Redis.

use diesel::prelude::*;

use super::{Db, backend::Both, schema::offline as t};
use crate::domain::{
    ids::{ConversationId, Timestamp, UserId},
    offline::{Bounds, Entry, Op},
};

/// Applies the operations in order.
pub fn apply(db: &mut Db, ops: &[Op], now: Timestamp) -> QueryResult<()> {
    for op in ops {
        match op {
            Op::Push { to, entry } => {
                let values = (
                    t::user_id.eq(to.id.0),
                    t::conversation_id.eq(entry.conversation.0),
                    t::seq.eq(entry.seq),
                    t::at.eq(now.0),
                );
                Both(diesel::insert_into(t::table).values(values).on_conflict_do_nothing()).execute(db)?;
            }
            Op::Trim { of, entry } => {
                let settled =
                    t::user_id.eq(of.id.0).and(t::conversation_id.eq(entry.conversation.0)).and(t::seq.le(entry.seq));
                diesel::delete(t::table.filter(settled)).execute(db)?;
            }
        }
    }
    Ok(())
}

/// Removes what is too old or too much. Until then it takes room, but [`entries`] does not show it.
pub fn bound(db: &mut Db, user: UserId, bounds: Bounds, now: Timestamp) -> QueryResult<()> {
    let oldest = oldest(bounds, now);
    diesel::delete(t::table.filter(t::user_id.eq(user.0).and(t::at.lt(oldest)))).execute(db)?;
    let count: i64 = t::table.filter(t::user_id.eq(user.0)).count().get_result(db)?;
    let excess = count - bounds.max_messages as i64;
    if excess <= 0 {
        return Ok(());
    }
    let rows: Vec<(i64, i64)> = t::table
        .filter(t::user_id.eq(user.0))
        .order((t::at, t::conversation_id, t::seq))
        .limit(excess)
        .select((t::conversation_id, t::seq))
        .load(db)?;
    for (conversation, seq) in rows {
        diesel::delete(t::table.find((user.0, conversation, seq))).execute(db)?;
    }
    Ok(())
}

/// A user's entries, those pushed first before the others.
pub fn entries(db: &mut Db, user: UserId, now: Timestamp, bounds: Bounds) -> QueryResult<Vec<Entry>> {
    let mut rows: Vec<(i64, i64)> = t::table
        .filter(t::user_id.eq(user.0).and(t::at.ge(oldest(bounds, now))))
        .order((t::at.desc(), t::conversation_id.desc(), t::seq.desc()))
        .limit(bounds.max_messages as i64)
        .select((t::conversation_id, t::seq))
        .load(db)?;
    rows.reverse();
    Ok(rows.into_iter().map(|(conversation, seq)| Entry { conversation: ConversationId(conversation), seq }).collect())
}

fn oldest(bounds: Bounds, now: Timestamp) -> i64 {
    now.0 - i64::try_from(bounds.ttl.as_millis()).unwrap_or(i64::MAX)
}
