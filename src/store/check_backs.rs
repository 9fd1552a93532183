//! `check_backs`: where shops are asked what has become of what they have prepared.

use diesel::prelude::*;

use super::{
    Db,
    schema::check_backs::{self as t, dsl},
};
use crate::domain::ids::{ShopId, Timestamp};

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub url: String,
    secret: String,
    old_secret: Option<String>,
    old_until: Option<i64>,
    pub changed_at: i64,
}

impl Row {
    /// The secrets that are good at this time, the newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let old = self.old_secret.as_deref().filter(|_| self.old_until.is_some_and(|until| until > now.0));
        [self.secret.as_str()].into_iter().chain(old).collect()
    }
}

pub fn find(db: &mut Db, shop: ShopId) -> QueryResult<Option<Row>> {
    t::table.find(shop.0).select(Row::as_select()).first(db).optional()
}

/// Sets where a shop is asked, with a secret; the one before is good until `old_until`.
pub fn set(
    db: &mut Db,
    shop: ShopId,
    url: &str,
    secret: &str,
    now: Timestamp,
    old_until: Timestamp,
) -> QueryResult<()> {
    let changed = (t::url.eq(url), t::secret.eq(secret), t::changed_at.eq(now.0));
    let Some(Row { secret: old, .. }) = find(db, shop)? else {
        return diesel::insert_into(t::table).values((t::shop_id.eq(shop.0), changed)).execute(db).map(drop);
    };
    let before = (t::old_secret.eq(old), t::old_until.eq(old_until.0));
    diesel::update(t::table.find(shop.0)).set((changed, before)).execute(db).map(drop)
}

/// The shop is not asked any more; false where it was not.
pub fn remove(db: &mut Db, shop: ShopId) -> QueryResult<bool> {
    Ok(diesel::delete(dsl::check_backs.find(shop.0)).execute(db)? == 1)
}
