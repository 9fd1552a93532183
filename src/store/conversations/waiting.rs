//! What waits for an agent.

use diesel::prelude::*;

use super::WAITING;
use crate::{
    domain::{
        cursor::Which,
        ids::{ConversationId, Seq, UserId},
        people::Status,
    },
    store::{
        Db,
        backend::MultiBackend,
        messages,
        schema::{agents, conversations as t},
        waiting_acks,
    },
};

/// How a conversation that waits stands for one of its shop's agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub conversation: ConversationId,
    /// What the shop has received, or this agent has acked while it waits.
    pub cursor: Seq,
    pub last: Seq,
    /// The buyer's messages above the cursor.
    pub count: i64,
}

/// Those of `among` that wait, in shops where `agent` works; or all that wait in shops where it is on duty.
pub fn waiting_for(db: &mut Db, agent: UserId, among: Option<&[ConversationId]>) -> QueryResult<Vec<Waits>> {
    let mine = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.eq(agent.0));
    let mine = mine.and(agents::disabled.eq(false));
    let mut query = t::table
        .inner_join(agents::table.on(mine))
        .filter(t::state.eq(WAITING).and(t::first_user.ne(agent.0)))
        .select((t::id, t::second_delivered, t::last_seq))
        .into_boxed::<MultiBackend>();
    query = match among {
        Some(ids) => query.filter(t::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>())),
        None => query.filter(agents::status.eq(Status::Online.as_str())),
    };
    let rows: Vec<(i64, i64, i64)> = query.load(db)?;
    let mut waits = Vec::with_capacity(rows.len());
    for (id, delivered, last) in rows {
        let conversation = ConversationId(id);
        let cursor = delivered.max(waiting_acks::get(db, conversation, agent)?);
        let count = messages::count_above(db, conversation, cursor, Which::First)?;
        waits.push(Waits { conversation, cursor, last, count });
    }
    Ok(waits)
}
