//! Taking conversations for a transaction that writes: nobody else changes them until it ends.

use std::collections::BTreeSet;

use diesel::{PgConnection, dsl::exists, prelude::*};

use super::{Row, load, load::learn};
use crate::{
    domain::{
        conversation::Conversation,
        ids::{ConversationId, ShopId, UserId},
        people::Role,
    },
    store::{
        Db,
        people::People,
        schema::{agents, conversations as t, shops as shop_rows},
        shops,
    },
};

/// What has become of an attempt to take conversations.
#[derive(Debug, Default)]
pub struct Taken {
    /// As they are, and as they stay until the transaction ends.
    pub here: Vec<Conversation>,
    /// Those that another transaction has taken.
    pub elsewhere: Vec<ConversationId>,
    /// The shops of these that are disabled.
    pub disabled: BTreeSet<ShopId>,
    /// The roles of those who have claimed them, where these were to be had with them; `None` for who is no agent any more.
    pub roles: Vec<((ShopId, UserId), Option<Role>)>,
}

/// Takes those of `ids` that there are, for a transaction that writes. It does not wait for any that another has taken, but for those
/// that are `awaited`, and for these no longer than `lock_timeout`.
pub fn take(
    db: &mut Db,
    people: &mut People,
    ids: &BTreeSet<ConversationId>,
    awaited: &[ConversationId],
) -> QueryResult<Taken> {
    let mut taken = Taken::default();
    let Db::Postgres(postgres) = db else {
        for id in ids {
            taken.here.extend(load(db, people, *id)?);
        }
        let shops: BTreeSet<ShopId> = taken.here.iter().filter_map(Conversation::shop).map(|shop| shop.id).collect();
        for shop in shops {
            taken.disabled.extend(shops::is_disabled(db, shop)?.then_some(shop));
        }
        return Ok(taken);
    };
    if !awaited.is_empty() {
        wait_for(postgres, awaited);
    }
    let of = t::table.filter(t::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>())).order(t::id);
    let disabled = exists(shop_rows::table.filter(shop_rows::id.nullable().eq(t::shop_id).and(shop_rows::disabled)));
    let claimant = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.nullable().eq(t::claimed_by));
    let role = agents::table.filter(claimant.and(agents::disabled.eq(false))).select(agents::role).single_value();
    let found: Vec<(Row, bool, Option<String>)> =
        of.select((Row::as_select(), disabled, role)).for_no_key_update().skip_locked().load(postgres)?;
    let mut rows = Vec::with_capacity(found.len());
    for (row, disabled, role) in found {
        if let Some(shop) = row.shop_id.map(ShopId) {
            taken.disabled.extend(disabled.then_some(shop));
            let role = role.map(|role| Role::parse(&role).unwrap_or(Role::Agent));
            taken.roles.extend(row.claimed_by.map(|claimant| ((shop, UserId(claimant)), role)));
        }
        rows.push(row);
    }
    if rows.len() < ids.len() {
        let missing = ids.iter().map(|id| id.0).filter(|id| rows.binary_search_by_key(id, |row| row.id).is_err());
        let missing = t::table.filter(t::id.eq_any(missing.collect::<Vec<_>>())).select(t::id);
        taken.elsewhere = missing.load(postgres)?.into_iter().map(ConversationId).collect();
    }
    learn(db, people, &rows)?;
    for row in rows {
        taken.here.push(row.conversation(db, people)?);
    }
    Ok(taken)
}

/// Waits until nobody has these any more, or too long; in a savepoint, which is all that is lost then.
fn wait_for(db: &mut PgConnection, ids: &[ConversationId]) {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let waited = db.transaction(|db| {
        t::table.filter(t::id.eq_any(ids)).order(t::id).select(t::id).for_no_key_update().load::<i64>(db)
    });
    if let Err(error) = waited {
        tracing::debug!(%error, "another transaction keeps conversations");
    }
}
