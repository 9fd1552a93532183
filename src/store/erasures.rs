//! `erasures`: persons whose data are to be erased in a shop, how far that has come, and since when it is done.

use diesel::{dsl::exists, prelude::*};

use super::{
    Db,
    backend::columns,
    schema::{conversations, erasures as t, messages, tickets},
};
use crate::domain::ids::{ShopId, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub shop_id: i64,
    pub user_id: i64,
    pub by_user: i64,
    /// The key of the last message that has been dealt with.
    pub after: String,
    pub messages: i64,
    pub files: i64,
    pub comments: i64,
    pub done_at: Option<i64>,
}

/// Whether somebody is, or was, a buyer of a shop or has written in its conversations.
pub fn has_been(db: &mut Db, shop: ShopId, person: UserId) -> QueryResult<bool> {
    let in_shop = conversations::shop_id.eq(shop.0);
    let bought = conversations::table.filter(in_shop.and(conversations::first_user.eq(person.0)));
    if diesel::select(exists(bought)).get_result(db)? {
        return Ok(true);
    }
    let said = messages::table
        .inner_join(conversations::table.on(conversations::id.eq(messages::conversation_id)))
        .filter(messages::sender_id.eq(person.0).and(in_shop));
    diesel::select(exists(said)).get_result(db)
}

/// Notes that a person's data are to be erased. Where they are being erased already, it is that; the flag says
/// whether it is new.
pub fn ask(db: &mut Db, shop: ShopId, person: UserId, by: UserId, now: Timestamp) -> QueryResult<(Row, bool)> {
    let open = t::shop_id.eq(shop.0).and(t::user_id.eq(person.0)).and(t::done_at.is_null());
    if let Some(row) = t::table.filter(open).select(Row::as_select()).first(db).optional()? {
        return Ok((row, false));
    }
    let values = (
        t::shop_id.eq(shop.0),
        t::user_id.eq(person.0),
        t::by_user.eq(by.0),
        t::asked_at.eq(now.0),
        t::after.eq(""),
        t::messages.eq(0),
        t::files.eq(0),
        t::comments.eq(0),
    );
    let insert = diesel::insert_into(t::table).values(values).returning(columns::<Row>());
    Ok((insert.get_result(db)?, true))
}

pub fn find(db: &mut Db, id: i64) -> QueryResult<Option<Row>> {
    t::table.find(id).select(Row::as_select()).first(db).optional()
}

/// Those that are not done.
pub fn open(db: &mut Db) -> QueryResult<Vec<Row>> {
    t::table.filter(t::done_at.is_null()).order(t::id).select(Row::as_select()).load(db)
}

/// Notes how far it has come.
pub fn advance(db: &mut Db, row: &Row) -> QueryResult<()> {
    let progress = (
        t::after.eq(&row.after),
        t::messages.eq(row.messages),
        t::files.eq(row.files),
        t::comments.eq(row.comments),
        t::done_at.eq(row.done_at),
    );
    diesel::update(t::table.find(row.id)).set(progress).execute(db).map(drop)
}

/// Removes what a buyer has said of a shop's service; gives how many comments that were. The scores stay.
pub fn remove_comments(db: &mut Db, shop: ShopId, buyer: UserId) -> QueryResult<usize> {
    let own = conversations::table
        .filter(conversations::shop_id.eq(shop.0).and(conversations::first_user.eq(buyer.0)))
        .select(conversations::id);
    let commented = tickets::comment.is_not_null().and(tickets::conversation_id.eq_any(own));
    diesel::update(tickets::table.filter(commented)).set(tickets::comment.eq(None::<String>)).execute(db)
}
