//! `waiting_acks`: how far each agent has acked a conversation that nobody has claimed yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use diesel::{prelude::*, sql_types::BigInt};

use super::{
    Db,
    backend::Both,
    people::People,
    schema::{agents, conversations, messages, waiting_acks as t},
    unnest::unnest,
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

/// How far each of these users has acked each of these conversations, where they have.
pub fn of(db: &mut Db, asked: &BTreeSet<Whose>) -> QueryResult<Vec<(Whose, Seq)>> {
    let Db::Postgres(db) = db else {
        return asked.iter().map(|&(id, user)| Ok(((id, user), get(db, id, user)?))).collect();
    };
    let rows: Vec<(i64, i64, i64)> =
        unnest::<(BigInt, BigInt, BigInt)>("SELECT a.conversation_id, a.user_id, a.seq FROM")
            .column(asked.iter().map(|(id, _)| id.0))
            .column(asked.iter().map(|(_, user)| user.0))
            .then("AS k (c, u) JOIN waiting_acks a ON a.conversation_id = k.c AND a.user_id = k.u")
            .load(db)?;
    Ok(rows.into_iter().map(|(id, user, seq)| ((ConversationId(id), UserId(user)), seq)).collect())
}

/// A conversation, and one of those to whom it is shown while it waits.
pub type Whose = (ConversationId, UserId);

pub fn set(db: &mut Db, acks: &BTreeMap<Whose, Seq>) -> QueryResult<()> {
    if acks.is_empty() {
        return Ok(());
    }
    if let Db::Postgres(db) = db {
        return unnest::<()>("INSERT INTO waiting_acks (conversation_id, user_id, seq) SELECT * FROM")
            .column(acks.keys().map(|(id, _)| id.0))
            .column(acks.keys().map(|(_, user)| user.0))
            .column(acks.values().copied())
            .then("ON CONFLICT (conversation_id, user_id) DO UPDATE SET seq = excluded.seq")
            .execute(db)
            .map(drop);
    }
    for ((id, user), seq) in acks {
        let values = (t::conversation_id.eq(id.0), t::user_id.eq(user.0), t::seq.eq(*seq));
        let insert = diesel::insert_into(t::table).values(values).on_conflict((t::conversation_id, t::user_id));
        Both(insert.do_update().set(t::seq.eq(*seq))).execute(db)?;
    }
    Ok(())
}

/// Somebody has claimed these conversations: their cursors say the rest.
pub fn clear(db: &mut Db, claimed: &BTreeSet<ConversationId>) -> QueryResult<()> {
    let ids = || claimed.iter().map(|id| id.0);
    match db {
        _ if claimed.is_empty() => Ok(()),
        Db::Postgres(db) => {
            let ids: Vec<i64> = ids().collect();
            diesel::delete(t::table.filter(t::conversation_id.eq_any(ids))).execute(db).map(drop)
        }
        Db::Sqlite(db) => {
            let one = |id: i64| diesel::delete(t::table.filter(t::conversation_id.eq(id))).execute(db).map(drop);
            ids().try_for_each(one)
        }
    }
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
        .filter(agents::status.eq(Status::Online.as_str()).and(agents::disabled.eq(false)))
        .filter(conversations::state.eq("waiting"))
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
