//! `waiting_acks`: how far each agent has acked a conversation that nobody has claimed yet.

use std::sync::Arc;

use diesel::prelude::*;

use super::{
    Db,
    backend::Both,
    people::People,
    schema::{agents, conversations, messages, waiting_acks as t},
};
use crate::domain::{
    cursor::Which,
    ids::{ConversationId, Seq, UserId},
    offline::Entry,
    people::{Person, Status},
};

/// 0 where there is none.
pub fn get(db: &mut Db, conversation: ConversationId, user: UserId) -> QueryResult<Seq> {
    let seq = t::table.find((conversation.0, user.0)).select(t::seq).first(db).optional()?;
    Ok(seq.unwrap_or(0))
}

pub fn set(db: &mut Db, conversation: ConversationId, user: UserId, seq: Seq) -> QueryResult<()> {
    let values = (t::conversation_id.eq(conversation.0), t::user_id.eq(user.0), t::seq.eq(seq));
    let insert = diesel::insert_into(t::table).values(values).on_conflict((t::conversation_id, t::user_id));
    Both(insert.do_update().set(t::seq.eq(seq))).execute(db).map(drop)
}

/// Somebody has claimed the conversation: its cursors say the rest.
pub fn clear(db: &mut Db, conversation: ConversationId) -> QueryResult<()> {
    diesel::delete(t::table.filter(t::conversation_id.eq(conversation.0))).execute(db).map(drop)
}

/// What each agent on duty has not acked of the conversations that wait.
pub fn due_to_agents(db: &mut Db) -> QueryResult<Vec<(Arc<Person>, Entry)>> {
    let rows: Vec<(i64, i64, i64)> = agents::table
        .inner_join(conversations::table.on(conversations::shop_id.eq(agents::shop_id.nullable())))
        .inner_join(
            messages::table.on(messages::conversation_id
                .eq(conversations::id)
                .and(messages::seq.gt(conversations::second_delivered))
                .and(messages::side.eq(Which::First.index()))),
        )
        .left_join(t::table.on(t::conversation_id.eq(conversations::id).and(t::user_id.eq(agents::user_id))))
        .filter(agents::status.eq(Status::Online.as_str()).and(conversations::state.eq("waiting")))
        .filter(t::seq.is_null().or(messages::seq.nullable().gt(t::seq.nullable())))
        .order((messages::at, messages::conversation_id, messages::seq))
        .select((agents::user_id, conversations::id, messages::seq))
        .load(db)?;
    let mut people = People::default();
    let entry = |(user, conversation, seq): (i64, i64, i64)| {
        Ok((people.person(db, UserId(user))?, Entry { conversation: ConversationId(conversation), seq }))
    };
    rows.into_iter().map(entry).collect()
}
