//! An inbox: conversations page by page, the latest activity first.

use diesel::{dsl::exists, prelude::*};

use super::{Row, active_since, load::with_last_of_all};
use crate::{
    domain::{
        command::Snapshot,
        ids::{ConversationId, ShopId, Timestamp, UserId},
        search::Query,
    },
    store::{
        Db,
        backend::{MultiBackend, lower},
        schema::{conversations as t, users},
        search,
    },
};

/// Whose conversations an inbox shows.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Those of which the user is a member.
    Own,
    Shop(ShopId),
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<&'static str>,
    pub claimed_by: Option<UserId>,
    pub buyer: Option<UserId>,
    /// Part of a name or `uid` of somebody in the conversation.
    pub q: Option<String>,
    /// Of a shop's conversations, those with a message that has these words.
    pub text: Option<Query>,
    /// Last activity at or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Where a page ends: time of the last activity, and the conversation.
pub type Cursor = (Timestamp, ConversationId);

/// How many conversations are looked through at a time.
const LOOKED_AT: usize = 200;

/// A page of conversations, the latest activity first.
pub fn page(
    db: &mut Db,
    user: UserId,
    scope: Scope,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
) -> QueryResult<(Vec<Snapshot>, Option<Cursor>)> {
    let mut rows = match (scope, &filter.text) {
        (Scope::Shop(shop), Some(text)) => with_text(db, user, shop, filter, text, after, limit + 1)?,
        _ => rows(db, user, scope, filter, None, after, limit + 1)?,
    };
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(Row::cursor);
    Ok((with_last_of_all(db, rows)?, next))
}

/// Up to `limit` of a shop's conversations with a message that has these words. Where few messages have them, these say which
/// conversations; where many have, conversations are looked through, of which many have one.
fn with_text(
    db: &mut Db,
    user: UserId,
    shop: ShopId,
    filter: &Filter,
    text: &Query,
    mut after: Option<Cursor>,
    limit: usize,
) -> QueryResult<Vec<Row>> {
    let scope = Scope::Shop(shop);
    let sought = search::Sought { shop, query: text.clone(), sender: None, from: None, to: None };
    if let Some(few) = search::conversations(db, &sought)? {
        return rows(db, user, scope, filter, Some(&few), after, limit);
    }
    let mut found = Vec::new();
    loop {
        let looked_at = rows(db, user, scope, filter, None, after, LOOKED_AT)?;
        let is_last = looked_at.len() < LOOKED_AT;
        after = looked_at.last().map(Row::cursor);
        for row in looked_at {
            if search::is_in(db, shop, text, ConversationId(row.id))? {
                found.push(row);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Up to `limit` conversations; where it is given, of `among`.
fn rows(
    db: &mut Db,
    user: UserId,
    scope: Scope,
    filter: &Filter,
    among: Option<&[ConversationId]>,
    after: Option<Cursor>,
    limit: usize,
) -> QueryResult<Vec<Row>> {
    let mut query = t::table.select(Row::as_select()).into_boxed::<MultiBackend>();
    query = match scope {
        Scope::Own => query.filter(t::first_user.eq(user.0).or(t::second_user.eq(user.0)).or(t::claimed_by.eq(user.0))),
        Scope::Shop(shop) => query.filter(t::shop_id.eq(shop.0)),
    };
    if let Some(among) = among {
        query = query.filter(t::id.eq_any(among.iter().map(|id| id.0).collect::<Vec<_>>()));
    }
    if let Some(state) = filter.state {
        query = query.filter(t::state.eq(state));
    }
    if let Some(agent) = filter.claimed_by {
        query = query.filter(t::claimed_by.eq(agent.0));
    }
    if let Some(buyer) = filter.buyer {
        query = query.filter(t::first_user.eq(buyer.0));
    }
    if let Some(from) = filter.from {
        query = query.filter(active_since(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(t::updated_second.le(to.second()).and(t::updated_at.lt(to.0)));
    }
    if let Some(q) = &filter.q {
        let q = q.to_ascii_lowercase();
        let like = format!("%{}%", q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let id = users::id.nullable();
        let party = id.eq(t::first_user.nullable()).or(id.eq(t::second_user)).or(id.eq(t::claimed_by));
        let named = lower(users::name).like(like.clone()).escape('\\').or(lower(users::uid).like(like).escape('\\'));
        query = query.filter(exists(users::table.filter(party.and(named).and(users::id.ne(user.0)))));
    }
    if let Some((at, id)) = after {
        let before = t::updated_at.lt(at.0).or(t::updated_at.eq(at.0).and(t::id.lt(id.0)));
        query = query.filter(t::updated_second.le(at.second()).and(before));
    }
    query.order((t::updated_second.desc(), t::updated_at.desc(), t::id.desc())).limit(limit as i64).load(db)
}
