//! `nodes` and `agent_sessions`: which processes serve, and which agents are there. All times are the database's own, so that nodes
//! with different clocks agree on who has gone for how long.

use std::collections::HashSet;

use diesel::{
    dsl::{exists, not, sql},
    prelude::*,
    sql_types::BigInt,
};

use super::{
    Db,
    schema::{agent_sessions as sessions, agents, conversations, nodes as t},
};
use crate::domain::ids::{ConversationId, NodeId, Timestamp, UserId};

/// A node that has not renewed its row for so long is dead, in milliseconds.
pub const DEAD_MS: i64 = 10_000;
/// Rows of dead nodes, and of agents who have gone, are kept at least so long.
const KEPT_MS: i64 = 3_600_000;

/// Milliseconds since 1970, by the database's clock.
pub(super) fn now_ms(db: &mut Db) -> QueryResult<i64> {
    let clock = match db {
        Db::Postgres(_) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        Db::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    };
    diesel::select(sql::<BigInt>(clock)).get_result(db)
}

/// Says that a node lives, and which agents have come to it and gone from it; with `all`, those who have come are all there are.
///
/// False, and nothing done, where the node's row is not there: then it has to be called with `all`.
pub fn renew(db: &mut Db, node: NodeId, name: &str, came: &[UserId], went: &[UserId], all: bool) -> QueryResult<bool> {
    let now = now_ms(db)?;
    let renewed = diesel::update(t::table.find(node.0)).set(t::renewed_at.eq(now)).execute(db)? == 1;
    if !renewed {
        if !all {
            return Ok(false);
        }
        let values = (t::id.eq(node.0), t::name.eq(name), t::started_at.eq(now), t::renewed_at.eq(now));
        diesel::insert_into(t::table).values(values).execute(db)?;
    }
    if all {
        let others = sessions::node_id.eq(node.0).and(sessions::gone_at.is_null());
        diesel::update(sessions::table.filter(others)).set(sessions::gone_at.eq(now)).execute(db)?;
    }
    for user in went {
        diesel::update(sessions::table.find((node.0, user.0))).set(sessions::gone_at.eq(now)).execute(db)?;
    }
    for user in came {
        let there = diesel::update(sessions::table.find((node.0, user.0)))
            .set(sessions::gone_at.eq(None::<i64>))
            .execute(db)?;
        if there == 0 {
            let values = (sessions::node_id.eq(node.0), sessions::user_id.eq(user.0));
            diesel::insert_into(sessions::table).values(values).execute(db)?;
        }
    }
    Ok(true)
}

/// Writes this node's row again: whether the database takes writes is seen by writing.
pub fn touch(db: &mut Db, node: NodeId) -> QueryResult<()> {
    let now = now_ms(db)?;
    diesel::update(t::table.find(node.0)).set(t::renewed_at.eq(now)).execute(db).map(drop)
}

/// The claims of agents who have been on no live node for `grace_ms`, with their versions. None before the oldest live node has
/// lived for so long: after all have been away, agents get that time to come back. Bots need no session.
pub fn abandoned_claims(db: &mut Db, grace_ms: i64) -> QueryResult<Vec<(ConversationId, i64, UserId)>> {
    let now = now_ms(db)?;
    let alive = t::renewed_at.gt(now - DEAD_MS);
    let old_enough = diesel::select(exists(t::table.filter(alive.and(t::started_at.le(now - grace_ms)))));
    if !old_enough.get_result::<bool>(db)? {
        return Ok(Vec::new());
    }
    let claims: Vec<(i64, i64, Option<i64>)> = conversations::table
        .filter(conversations::claimed_by.is_not_null().and(not(exists(its_bot()))))
        .select((conversations::id, conversations::claim_version, conversations::claimed_by))
        .load(db)?;
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let there = sessions::gone_at.is_null().and(alive);
    let gone_lately = sessions::gone_at.gt(now - grace_ms).assume_not_null();
    let died_lately = sessions::gone_at.is_null().and(t::renewed_at.gt(now - grace_ms));
    let here: Vec<i64> = sessions::table
        .inner_join(t::table)
        .filter(there.or(gone_lately).or(died_lately))
        .select(sessions::user_id)
        .load(db)?;
    let here: HashSet<i64> = here.into_iter().collect();
    let claim = |(id, version, by): (i64, i64, Option<i64>)| {
        let by = by.filter(|by| !here.contains(by))?;
        Some((ConversationId(id), version, UserId(by)))
    };
    Ok(claims.into_iter().filter_map(claim).collect())
}

/// The agent of a conversation's shop that has claimed it, where that is a bot.
#[diesel::dsl::auto_type(no_type_alias)]
fn its_bot() -> _ {
    let claimant = agents::shop_id.nullable().eq(conversations::shop_id);
    let claimant = claimant.and(agents::user_id.nullable().eq(conversations::claimed_by));
    agents::table.filter(claimant.and(agents::role.eq("bot")))
}

/// The claims of bots that owe the buyer an answer since `before`, with their versions: since it wrote, or since the bot got the claim.
pub fn unanswered_claims(db: &mut Db, before: Timestamp) -> QueryResult<Vec<(ConversationId, i64, UserId)>> {
    let asked = "(SELECT min(m.at) FROM messages m WHERE m.conversation_id = conversations.id \
                 AND m.seq > conversations.second_said AND m.seq >= conversations.opened_seq AND m.side = 0)";
    let claimed = "(SELECT max(t.at) FROM timeline t WHERE t.conversation_id = conversations.id \
                   AND t.claim_version = conversations.claim_version)";
    let claims: Vec<(i64, i64, Option<i64>)> = conversations::table
        .filter(conversations::claimed_by.is_not_null().and(conversations::first_said.gt(conversations::second_said)))
        .filter(exists(its_bot()))
        .filter(sql::<BigInt>(asked).lt(before.0).and(sql::<BigInt>(claimed).lt(before.0)))
        .select((conversations::id, conversations::claim_version, conversations::claimed_by))
        .load(db)?;
    let claim = |(id, version, by): (i64, i64, Option<i64>)| Some((ConversationId(id), version, UserId(by?)));
    Ok(claims.into_iter().filter_map(claim).collect())
}

/// Removes what nobody asks for any more.
pub fn clean(db: &mut Db, grace_ms: i64) -> QueryResult<()> {
    let long_ago = now_ms(db)? - KEPT_MS.max(2 * grace_ms);
    let dead = t::table.filter(t::renewed_at.lt(long_ago)).select(t::id);
    diesel::delete(sessions::table.filter(sessions::gone_at.lt(long_ago))).execute(db)?;
    diesel::delete(sessions::table.filter(sessions::node_id.eq_any(dead))).execute(db)?;
    diesel::delete(t::table.filter(t::renewed_at.lt(long_ago))).execute(db).map(drop)
}
