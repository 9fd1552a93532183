//! Who has claimed what.

use diesel::{dsl::exists, prelude::*};

use crate::{
    domain::ids::{ConversationId, ShopId, UserId},
    store::{
        Db,
        schema::{agents, conversations as t},
    },
};

/// The conversations of a shop that `agent` has claimed.
pub fn claimed_in(db: &mut Db, shop: ShopId, agent: UserId) -> QueryResult<Vec<(ConversationId, i64)>> {
    let rows: Vec<(i64, i64)> = t::table
        .filter(t::shop_id.eq(shop.0).and(t::claimed_by.eq(agent.0)))
        .select((t::id, t::claim_version))
        .load(db)?;
    Ok(rows.into_iter().map(|(id, version)| (ConversationId(id), version)).collect())
}

/// Claims of those who are no agents of the conversation's shop.
pub fn orphaned_claims(db: &mut Db) -> QueryResult<Vec<(ConversationId, i64, UserId)>> {
    let its_agent = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.nullable().eq(t::claimed_by));
    let its_agent = its_agent.and(agents::disabled.eq(false));
    let rows: Vec<(i64, i64, Option<i64>)> = t::table
        .filter(t::claimed_by.is_not_null().and(diesel::dsl::not(exists(agents::table.filter(its_agent)))))
        .select((t::id, t::claim_version, t::claimed_by))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(id, version, by)| Some((ConversationId(id), version, UserId(by?)))).collect())
}
