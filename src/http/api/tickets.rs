//! A shop's rounds of service, sought by what happened to them.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::web;
use serde::Serialize;

use super::{
    access,
    input::Query,
    output::{Answer, Page, ok},
    records::somebody,
    schema, statistics,
};
use crate::{
    actors::{
        node::{Node, blocking},
        now,
        session::Identity,
    },
    domain::{
        ids::{Timestamp, UserId},
        people::Person,
        refusal::Refusal,
        statistics::ticket::Event,
    },
    protocol::{frame::InboxState, time::At, view::Name},
    store::{
        Db,
        people::People,
        tickets::{self, Count, Listed, Sought, State},
    },
};

/// A page of a list, and how long the list is where that is asked.
#[derive(Serialize)]
struct Tickets<'a> {
    items: Vec<Shown<'a>>,
    next: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<i64>,
}

/// A round of service, as the shop sees it.
#[derive(Serialize)]
struct Shown<'a> {
    conversation: i64,
    number: i64,
    buyer: Name<'a>,
    first_seq: i64,
    last_seq: Option<i64>,
    opened_at: At,
    offered_at: Option<At>,
    outbound: bool,
    left_message: bool,
    claimed_at: Option<At>,
    claimed_by: Option<Name<'a>>,
    last_claimed_by: Option<Name<'a>>,
    answered_at: Option<At>,
    answered_by: Option<Name<'a>>,
    resolved_at: Option<At>,
    resolved_by: Option<Name<'a>>,
    rated_at: Option<At>,
    score: Option<i16>,
    comment: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(ticket: &'a Ticket) -> Shown<'a> {
        let Ticket { listed: Listed { row, .. }, buyer, claimed_by, last_claimed_by, answered_by, resolved_by } =
            ticket;
        let at = |ms: Option<i64>| ms.map(|ms| At(Timestamp(ms)));
        let name = |person: &'a Option<Arc<Person>>| person.as_deref().map(Name::of);
        Shown {
            conversation: row.conversation_id,
            number: row.number,
            buyer: Name::of(buyer),
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            opened_at: At(Timestamp(row.opened_at)),
            offered_at: at(row.offered_at),
            outbound: row.outbound,
            left_message: row.left_message,
            claimed_at: at(row.claimed_at),
            claimed_by: name(claimed_by),
            last_claimed_by: name(last_claimed_by),
            answered_at: at(row.answered_at),
            answered_by: name(answered_by),
            resolved_at: at(row.resolved_at),
            resolved_by: name(resolved_by),
            rated_at: at(row.rated_at),
            score: row.score,
            comment: row.comment.as_deref(),
        }
    }
}

/// A ticket with its people.
struct Ticket {
    listed: Listed,
    buyer: Arc<Person>,
    claimed_by: Option<Arc<Person>>,
    last_claimed_by: Option<Arc<Person>>,
    answered_by: Option<Arc<Person>>,
    resolved_by: Option<Arc<Person>>,
}

fn with_people(db: &mut Db, found: Vec<Listed>) -> diesel::QueryResult<Vec<Ticket>> {
    let ids = |listed: &Listed| {
        let row = &listed.row;
        [Some(listed.buyer.0), row.claimed_by, row.last_claimed_by, row.answered_by, row.resolved_by]
    };
    let mut people = People::default();
    people.learn(db, found.iter().flat_map(ids).flatten().map(UserId).collect::<BTreeSet<_>>())?;
    let mut tickets = Vec::with_capacity(found.len());
    for listed in found {
        let mut person = |id: Option<i64>| id.map(|id| people.person(db, UserId(id))).transpose();
        let row = &listed.row;
        let (claimed_by, last_claimed_by) = (person(row.claimed_by)?, person(row.last_claimed_by)?);
        let (answered_by, resolved_by) = (person(row.answered_by)?, person(row.resolved_by)?);
        let buyer = people.person(db, listed.buyer)?;
        tickets.push(Ticket { listed, buyer, claimed_by, last_claimed_by, answered_by, resolved_by });
    }
    Ok(tickets)
}

/// What a query seeks; false where it names somebody who does not exist, so that nothing can be found.
async fn sought(node: &Node, me: UserId, query: &Query) -> Result<(Sought, bool), Refusal> {
    let yes = |name: &str| {
        query.maybe(name, |value| match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    };
    let (state, held_by) = match query.maybe("state", InboxState::parse)?.unwrap_or_default() {
        InboxState::Waiting => (Some(State::Waiting), None),
        InboxState::Claimed => (Some(State::Claimed), None),
        InboxState::Mine => (Some(State::Claimed), Some(me)),
        InboxState::Resolved => (Some(State::Resolved), None),
        InboxState::All => (None, None),
    };
    let mut sought = Sought {
        event: query.maybe("event", Event::parse)?.unwrap_or_default(),
        from: query.time("from")?,
        to: query.time("to")?,
        state,
        held_by,
        left_message: yes("left_message")?,
        outbound: yes("outbound")?,
        by_bot: yes("by_bot")?,
        within_30s: yes("within_30s")?,
        score: query.integer("score", 1, 5)?.map(|score| score as i16),
        ..Sought::default()
    };
    let (buyer, agent) = (somebody(node, query, "buyer").await?, somebody(node, query, "agent").await?);
    let (Ok(buyer), Ok(agent)) = (buyer.transpose(), agent.transpose()) else { return Ok((sought, false)) };
    (sought.buyer, sought.agent) = (buyer, agent);
    Ok((sought, true))
}

/// A shop's rounds of service to which something happened, the latest of it first.
///
/// For its agents. `docs/statistics.md` defines what happens to a ticket, and when it is on an agent's account.
#[utoipa::path(
    get,
    path = "/shops/{shop}/tickets",
    params(
        ("shop" = String, Path, description = "The shop"),
        ("event" = Option<String>, Query, description = "What happened: `opened` (where it is absent), `claimed` or `answered` for the first time, `resolved`, `rated`, `message_in` or `message_out`: a message of the buyer's, or of the shop's"),
        ("from" = Option<String>, Query, description = "It happened at this time or later (RFC 3339)"),
        ("to" = Option<String>, Query, description = "It happened before this time (RFC 3339)"),
        ("agent" = Option<String>, Query, description = "On whose account it is: who claimed first (`opened`, `claimed`, `message_in`), answered first, resolved, had the claim last (`rated`), or wrote (`message_out`)"),
        ("buyer" = Option<String>, Query, description = "Of this buyer"),
        ("state" = Option<String>, Query, description = "How it stands now: `waiting`, `claimed`, `mine` (claimed by who asks), `resolved` or `all`"),
        ("left_message" = Option<bool>, Query, description = "It came before people while nobody was on duty, or somebody was"),
        ("outbound" = Option<bool>, Query, description = "Opened by an agent, or by the buyer"),
        ("by_bot" = Option<bool>, Query, description = "Only a bot has had it, or people as well"),
        ("within_30s" = Option<bool>, Query, description = "Answered within 30 s, or not, of those that should have been"),
        ("score" = Option<i64>, Query, description = "Rated so, 1 to 5"),
        ("count" = Option<bool>, Query, description = "`true`: say as well how many there are"),
        ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][0-9]{1,18}[.][0-9]{1,18}$"),
    ),
    responses(
        (status = 200, description = "A page", body = schema::Tickets),
        (status = 403, description = "An operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let user = me.person.id;
    let row = node.read(move |db| access::work(db, &me, &shop)).await??;
    let (limit, after, counted) = (query.limit()?, query.cursor_of::<3>()?, query.flag("count")?);
    let (sought, possible) = sought(&node, user, &query).await?;
    let (shop, readers) = (row.shop().id, node.readers.clone());
    let (tickets, count) = blocking(move || {
        if !possible {
            return Ok((Vec::new(), Count::default()));
        }
        // Nothing else is asked of it.
        let clock = sought.within_30s.map(|_| statistics::clock(&row, now())).unwrap_or_default();
        let found = tickets::find(&readers, shop, &sought, &clock, after, limit + 1)?;
        let count = if counted { tickets::count(&readers, shop, &sought, &clock)? } else { Count::default() };
        Ok((readers.read(|db| with_people(db, found))?, count))
    })
    .await?;
    let messages = matches!(sought.event, Event::MessageIn | Event::MessageOut);
    let page = Page::cut(tickets, limit, |ticket| ticket.listed.place().map(|number| number.to_string()).join("."));
    ok(Tickets {
        items: page.items.iter().map(Shown::of).collect(),
        next: page.next.as_deref(),
        count: counted.then_some(count.tickets),
        messages: (counted && messages).then_some(count.messages),
    })
}
