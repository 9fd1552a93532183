//! `file_uses`: in which messages this server's files are, or were, shown.

use std::sync::Arc;

use diesel::{dsl::exists, prelude::*};

use super::{
    Db,
    backend::Both,
    schema::{file_uses as t, files, messages},
};
use crate::domain::ids::{ConversationId, Seq, ShopId, Timestamp, UserId};

/// A file that a message shows.
#[derive(Clone, Debug)]
pub struct New {
    pub key: Arc<str>,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub shop: Option<ShopId>,
    pub at: Timestamp,
}

pub fn insert(db: &mut Db, shown: &[New]) -> QueryResult<()> {
    for New { key, conversation, seq, shop, at } in shown {
        let values = (
            t::key.eq(&**key),
            t::conversation_id.eq(conversation.0),
            t::seq.eq(*seq),
            t::shop_id.eq(shop.map(|shop| shop.0)),
            t::at.eq(at.0),
        );
        Both(diesel::insert_into(t::table).values(values).on_conflict_do_nothing()).execute(db)?;
    }
    Ok(())
}

/// The files that a shop's messages have shown, whose uses there are all from before `before`.
pub fn before(db: &mut Db, shop: ShopId, before: Timestamp, limit: usize) -> QueryResult<Vec<String>> {
    t::table
        .filter(t::shop_id.eq(shop.0).and(t::at.lt(before.0)))
        .order(t::at)
        .limit(limit as i64)
        .select(t::key)
        .load(db)
}

/// The files of an owner that a shop's messages have shown.
pub fn of_owner(db: &mut Db, shop: ShopId, owner: UserId, limit: usize) -> QueryResult<Vec<String>> {
    t::table
        .inner_join(files::table.on(files::key.eq(t::key)))
        .filter(files::owner_id.eq(owner.0).and(t::shop_id.eq(shop.0)))
        .distinct()
        .limit(limit as i64)
        .select(t::key)
        .load(db)
}

/// Forgets that a shop's messages have shown a file; only those from before `before`, where that is given.
pub fn forget(db: &mut Db, shop: ShopId, key: &str, before: Option<Timestamp>) -> QueryResult<()> {
    let before = before.map_or(i64::MAX, |at| at.0);
    let uses = t::key.eq(key).and(t::shop_id.eq(shop.0)).and(t::at.lt(before));
    diesel::delete(t::table.filter(uses)).execute(db).map(drop)
}

/// Whether a message that is kept shows a file.
pub fn is_shown(db: &mut Db, key: &str) -> QueryResult<bool> {
    let place = messages::conversation_id.eq(t::conversation_id).and(messages::seq.eq(t::seq));
    let shown = t::table
        .inner_join(messages::table.on(place))
        .filter(t::key.eq(key).and(messages::content.like(format!("%/files/{key}/%"))));
    diesel::select(exists(shown)).get_result(db)
}
