//! A shop's figures, read from tickets and messages in short pieces: no reading keeps a snapshot for long.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{prelude::*, sql_types};

use super::{
    Db, Error,
    conversations::active_since,
    nodes::{DEAD_MS, now_ms},
    pool::Readers,
    schema::{agent_sessions, agents, api_keys, conversations, messages, nodes, tickets as t},
    tickets::{PAGE, Row, Sought, page},
    unnest::unnest,
};
use crate::domain::{
    conversation::Speaker,
    cursor::Which,
    ids::{ShopId, Timestamp, UserId},
    people::{Role, Status},
    scope::Scope,
    statistics::{
        clock::Clock,
        period::{Period, Span},
        tally::{Message, Sums, Tally},
    },
};

/// A shop as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Agents, but bots, who have a session on some node, by their status.
    pub online: i64,
    pub away: i64,
    pub waiting: i64,
    pub claimed: i64,
    pub oldest: Option<Oldest>,
}

/// Who waits longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    pub since: Timestamp,
    /// How many wait since then: one, nearly always.
    pub count: i64,
}

pub fn live(db: &mut Db, shop: ShopId) -> QueryResult<Live> {
    let alive = nodes::renewed_at.gt(now_ms(db)? - DEAD_MS);
    let here = agent_sessions::table
        .inner_join(nodes::table)
        .filter(agent_sessions::gone_at.is_null().and(alive))
        .select(agent_sessions::user_id);
    let people = agents::disabled.eq(false).and(agents::role.ne(Role::Bot.as_str()));
    let statuses: Vec<String> = agents::table
        .filter(agents::shop_id.eq(shop.0).and(people).and(agents::user_id.eq_any(here)))
        .select(agents::status)
        .load(db)?;
    let online = statuses.iter().filter(|status| **status == *Status::Online.as_str()).count() as i64;
    let away = statuses.len() as i64 - online;
    let of_shop = conversations::shop_id.eq(shop.0);
    let waits = || conversations::table.filter(of_shop.and(conversations::state.eq("waiting")));
    let waiting = waits().count().get_result(db)?;
    let claimed =
        conversations::table.filter(of_shop.and(conversations::state.eq("claimed"))).count().get_result(db)?;
    let since: Option<i64> = waits().select(diesel::dsl::min(conversations::waiting_since)).first(db)?;
    let oldest = match since {
        Some(since) => {
            let count = waits().filter(conversations::waiting_since.eq(since)).count().get_result(db)?;
            Some(Oldest { since: Timestamp(since), count })
        }
        None => None,
    };
    Ok(Live { online, away, waiting, claimed, oldest })
}

/// The figures of a period. Blocks.
///
/// # Errors
/// What the store says.
pub fn sums(readers: &Readers, shop: ShopId, clock: &Clock, period: &Period) -> Result<Sums, Error> {
    let (span, mut tally) = (period.span, Tally::new(clock.clone(), period.clone()));
    let older = readers.read(|db| older(db, shop, span))?;
    for rows in older.chunks(PAGE as usize) {
        let said = readers.read(|db| said(db, rows, span))?;
        add(&mut tally, rows, &said);
    }
    let opened = Sought { from: Some(span.from), to: Some(span.to), ..Sought::default() };
    let mut after = None;
    loop {
        let (rows, said) = readers.read(|db| {
            let listed = page(db, shop, &opened, after, PAGE)?;
            after = listed.last().map(|last| last.place()).filter(|_| listed.len() as i64 == PAGE);
            let rows: Vec<Row> = listed.into_iter().map(|listed| listed.row).collect();
            let said = said(db, &rows, span)?;
            Ok((rows, said))
        })?;
        add(&mut tally, &rows, &said);
        if after.is_none() {
            break;
        }
    }
    // A bot resolves; no other account is ever a bot's.
    let bots = readers.read(|db| bots(db, shop))?;
    tally.sums.agents.retain(|agent, _| !bots.contains(agent));
    Ok(tally.sums)
}

/// The shop's bots, also those that it has no longer: each has had a key.
fn bots(db: &mut Db, shop: ShopId) -> QueryResult<BTreeSet<UserId>> {
    let keys = api_keys::table.filter(api_keys::shop_id.eq(shop.0).and(api_keys::scopes.eq(Scope::Bot.as_str())));
    let ids: Vec<i64> = keys.select(api_keys::user_id).load(db)?;
    Ok(ids.into_iter().map(UserId).collect())
}

fn add(tally: &mut Tally, rows: &[Row], said: &[Vec<Message>]) {
    for (row, said) in rows.iter().zip(said) {
        tally.add(&row.ticket(), said);
    }
}

/// Tickets that were opened before a time, and of which something may have happened in it.
fn older(db: &mut Db, shop: ShopId, span: Span) -> QueryResult<Vec<Row>> {
    let (from, to) = (span.from.0, span.to.0);
    let before = t::shop_id.eq(shop.0).and(t::opened_at.lt(from));
    let resolved: Vec<Row> = t::table.filter(before.and(t::resolved_at.ge(from))).select(Row::as_select()).load(db)?;
    let rated: Vec<Row> =
        t::table.filter(before.and(t::rated_at.ge(from)).and(t::rated_at.lt(to))).select(Row::as_select()).load(db)?;
    // All that happens to a ticket while it is open moves its conversation's `updated_at`.
    let active = conversations::shop_id
        .eq(shop.0)
        .and(conversations::state.eq_any(["waiting", "claimed"]))
        .and(active_since(span.from));
    let open: Vec<Row> = t::table
        .inner_join(conversations::table.on(conversations::id.eq(t::conversation_id)))
        .filter(before.and(t::resolved_at.is_null()))
        .filter(active)
        .select(Row::as_select())
        .load(db)?;
    let all = resolved.into_iter().chain(rated).chain(open);
    let by_key: BTreeMap<_, _> = all.map(|row| ((row.conversation_id, row.number), row)).collect();
    Ok(by_key.into_values().collect())
}

/// The messages of each of these tickets in a time, of those that were open then, but for what bots have said.
fn said(db: &mut Db, rows: &[Row], span: Span) -> QueryResult<Vec<Vec<Message>>> {
    let message =
        |at: i64, side: i16, by: i64| Message { at: Timestamp(at), side: Which::from_index(side), by: UserId(by) };
    let was_open = |row: &Row| row.opened_at < span.to.0 && row.resolved_at.is_none_or(|at| at >= span.from.0);
    let mut said = vec![Vec::new(); rows.len()];
    let open = || rows.iter().enumerate().filter(|(_, row)| was_open(row));
    let last = |row: &Row| row.last_seq.unwrap_or(i64::MAX);
    match db {
        Db::Postgres(db) => {
            type Said = (sql_types::BigInt, sql_types::BigInt, sql_types::SmallInt, sql_types::BigInt);
            let found: Vec<(i64, i64, i16, i64)> = unnest::<Said>("SELECT k.n, m.at, m.side, m.sender_id FROM")
                .column(open().map(|(n, _)| n as i64))
                .column(open().map(|(_, row)| row.conversation_id))
                .column(open().map(|(_, row)| row.first_seq))
                .column(open().map(|(_, row)| last(row)))
                .column(open().map(|_| span.from.0))
                .column(open().map(|_| span.to.0))
                .then(
                    "AS k (n, c, f, l, a, b) JOIN messages m ON m.conversation_id = k.c AND m.seq BETWEEN k.f AND k.l \
                     AND m.at >= k.a AND m.at < k.b AND m.speaker <> 'bot'",
                )
                .load(db)?;
            for (n, at, side, by) in found {
                said[n as usize].push(message(at, side, by));
            }
        }
        Db::Sqlite(db) => {
            for (n, row) in open() {
                let of_ticket = messages::conversation_id
                    .eq(row.conversation_id)
                    .and(messages::seq.between(row.first_seq, last(row)));
                let found: Vec<(i64, i16, i64)> = messages::table
                    .filter(of_ticket.and(messages::at.ge(span.from.0)).and(messages::at.lt(span.to.0)))
                    .filter(messages::speaker.ne(Speaker::Bot.as_str()))
                    .select((messages::at, messages::side, messages::sender_id))
                    .load(db)?;
                said[n] = found.into_iter().map(|(at, side, by)| message(at, side, by)).collect();
            }
        }
    }
    Ok(said)
}
