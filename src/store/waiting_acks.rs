//! `waiting_acks`: how far each agent has acked a conversation that nobody has claimed yet.

use diesel::prelude::*;

use super::{Db, schema::waiting_acks as t};
use crate::domain::ids::{ConversationId, Seq, UserId};

/// 0 where there is none.
pub fn get(db: &mut Db, conversation: ConversationId, user: UserId) -> QueryResult<Seq> {
    let seq = t::table.find((conversation.0, user.0)).select(t::seq).first(db).optional()?;
    Ok(seq.unwrap_or(0))
}

pub fn set(db: &mut Db, conversation: ConversationId, user: UserId, seq: Seq) -> QueryResult<()> {
    let values = (t::conversation_id.eq(conversation.0), t::user_id.eq(user.0), t::seq.eq(seq));
    diesel::insert_into(t::table)
        .values(values)
        .on_conflict((t::conversation_id, t::user_id))
        .do_update()
        .set(t::seq.eq(seq))
        .execute(db)
        .map(drop)
}

/// Somebody has claimed the conversation: its cursors say the rest.
pub fn clear(db: &mut Db, conversation: ConversationId) -> QueryResult<()> {
    diesel::delete(t::table.filter(t::conversation_id.eq(conversation.0))).execute(db).map(drop)
}
