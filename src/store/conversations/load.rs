//! Reading conversations as they are, alone or with their last messages.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;

use super::{CLAIMED, Row, WAITING};
use crate::{
    domain::{
        command::Snapshot,
        conversation::Conversation,
        ids::{ConversationId, Seq, ShopId, UserId},
        people::Shop,
    },
    store::{
        Db, messages,
        people::People,
        schema::{conversations as t, shops as shop_rows},
        shops,
    },
};

pub fn load(db: &mut Db, people: &mut People, id: ConversationId) -> QueryResult<Option<Conversation>> {
    let row: Option<Row> = match db {
        Db::Postgres(db) => t::table.find(id.0).select(Row::as_select()).first(db).optional()?,
        Db::Sqlite(db) => t::table.find(id.0).select(Row::as_select()).get_result(db).optional()?,
    };
    row.map(|row| row.conversation(db, people)).transpose()
}

/// These of which there are any, everything asked for at once.
pub fn load_all(
    db: &mut Db,
    people: &mut People,
    ids: BTreeSet<ConversationId>,
) -> QueryResult<HashMap<ConversationId, Conversation>> {
    let mut all = HashMap::with_capacity(ids.len());
    let Db::Postgres(postgres) = db else {
        for id in ids {
            all.extend(load(db, people, id)?.map(|conversation| (id, conversation)));
        }
        return Ok(all);
    };
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = t::table.filter(t::id.eq_any(ids)).select(Row::as_select()).load(postgres)?;
    learn(db, people, &rows)?;
    for row in rows {
        all.insert(ConversationId(row.id), row.conversation(db, people)?);
    }
    Ok(all)
}

/// Asks for everybody in these, and for their shops, at once.
pub(super) fn learn(db: &mut Db, people: &mut People, rows: &[Row]) -> QueryResult<()> {
    people.learn_shops(db, rows.iter().filter_map(|row| row.shop_id).map(ShopId).collect())?;
    let users = rows.iter().flat_map(|row| [Some(row.first_user), row.second_user, row.claimed_by]);
    people.learn(db, users.flatten().map(UserId).collect())
}

/// The shops of these conversations, `None` for a direct one; whatever is not there is no conversation.
pub fn shops_of(db: &mut Db, ids: &[ConversationId]) -> QueryResult<HashMap<ConversationId, Option<Arc<Shop>>>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<(i64, Option<shops::Row>)> = t::table
        .left_join(shop_rows::table)
        .filter(t::id.eq_any(ids))
        .select((t::id, Option::<shops::Row>::as_select()))
        .load(db)?;
    Ok(rows.into_iter().map(|(id, shop)| (ConversationId(id), shop.map(|shop| shop.shop()))).collect())
}

/// A conversation with its last message.
pub fn snapshot(db: &mut Db, people: &mut People, id: ConversationId) -> QueryResult<Option<Snapshot>> {
    let Some(conversation) = load(db, people, id)? else { return Ok(None) };
    with_last(db, people, conversation).map(Some)
}

fn with_last(db: &mut Db, people: &mut People, conversation: Conversation) -> QueryResult<Snapshot> {
    let last = messages::find(db, people, &conversation, conversation.last_seq)?.map(Arc::new);
    Ok(Snapshot { conversation, last })
}

/// Conversations with their last messages, everybody and everything asked for at once.
pub(super) fn with_last_of_all(db: &mut Db, rows: Vec<Row>) -> QueryResult<Vec<Snapshot>> {
    let mut people = People::default();
    learn(db, &mut people, &rows)?;
    let all = rows.into_iter().map(|row| row.conversation(db, &mut people)).collect::<QueryResult<Vec<_>>>()?;
    let places: Vec<(&Conversation, Seq)> =
        all.iter().map(|conversation| (conversation, conversation.last_seq)).collect();
    let mut last: HashMap<_, _> = messages::at(db, &mut people, &places)?.into_iter().collect();
    let snapshot = |conversation: Conversation| {
        let last = last.remove(&(conversation.id, conversation.last_seq)).map(Arc::new);
        Snapshot { conversation, last }
    };
    Ok(all.into_iter().map(snapshot).collect())
}

/// The conversations of a shop that are not resolved.
pub fn open(db: &mut Db, shop: ShopId) -> QueryResult<Vec<Conversation>> {
    let rows: Vec<Row> = t::table
        .filter(t::shop_id.eq(shop.0).and(t::state.eq_any([WAITING, CLAIMED])))
        .select(Row::as_select())
        .load(db)?;
    let mut people = People::default();
    rows.into_iter().map(|row| row.conversation(db, &mut people)).collect()
}
