//! A shop's records: its conversations and its tickets, for those who work there.

use actix_web::web;
use serde::Serialize;

use super::{
    access,
    conversations::{filter, page_of},
    input::Query,
    output::{Answer, Page, Seen, ok},
    schema,
};
use crate::{
    actors::{node::Node, session::Identity},
    domain::{
        ids::{ShopId, Timestamp, UserId},
        people::Person,
        refusal::Refusal,
    },
    protocol::{time::At, view::Name},
    store::{
        conversations::Scope,
        people::People,
        tickets::{self, Sought},
        users,
    },
};

/// The shop, if `me` works there.
async fn work(node: &Node, me: &Identity, shop: String) -> Result<ShopId, Refusal> {
    let me = me.clone();
    let row = node.read(move |db| access::work(db, &me, &shop)).await??;
    Ok(row.shop().id)
}

/// Somebody whom a query names: `Err` holds nobody, where there is no such user.
async fn somebody(node: &Node, query: &Query, name: &str) -> Result<Option<Result<UserId, ()>>, Refusal> {
    let Some(uid) = query.name(name)? else { return Ok(None) };
    let user = node.read(move |db| users::by_uid(db, &uid)).await?;
    Ok(Some(user.map(|user| UserId(user.id)).ok_or(())))
}

/// A shop's conversations, the latest activity first.
///
/// For its agents.
#[utoipa::path(
    get,
    path = "/shops/{shop}/conversations",
    params(("shop" = String, Path, description = "The shop"), ("buyer" = Option<String>, Query, description = "Of this buyer"), ("agent" = Option<String>, Query, description = "Claimed by this agent"), ("state" = Option<String>, Query, description = "`waiting`, `claimed`, `mine`, `resolved` or `all`"), ("q" = Option<String>, Query, description = "Part of a name or uid of somebody in the conversation"), ("from" = Option<String>, Query, description = "At this time or later (RFC 3339)"), ("to" = Option<String>, Query, description = "Before this time (RFC 3339)"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Conversations),
        (status = 403, description = "An operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn conversations(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let shop = work(&node, &me, shop.into_inner()).await?;
    let mut filter = filter(&query, me.person.id)?;
    (filter.from, filter.to) = (query.time("from")?, query.time("to")?);
    let (buyer, agent) = (somebody(&node, &query, "buyer").await?, somebody(&node, &query, "agent").await?);
    let (Ok(buyer), Ok(agent)) = (buyer.transpose(), agent.transpose()) else {
        return ok(Page::<Seen> { items: Vec::new(), next: None });
    };
    filter.buyer = buyer;
    filter.claimed_by = match (filter.claimed_by, agent) {
        (Some(me), Some(agent)) if me != agent => return ok(Page::<Seen> { items: Vec::new(), next: None }),
        (me, agent) => agent.or(me),
    };
    ok(page_of(&node, me.person.id, Scope::Shop(shop), filter, &query).await?)
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
    left_message: bool,
    claimed_at: Option<At>,
    claimed_by: Option<Name<'a>>,
    answered_at: Option<At>,
    answered_by: Option<Name<'a>>,
    resolved_at: Option<At>,
    resolved_by: Option<Name<'a>>,
    score: Option<i16>,
    comment: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(ticket: &'a Ticket) -> Shown<'a> {
        let Ticket { row, buyer, claimed_by, answered_by, resolved_by } = ticket;
        let at = |ms: Option<i64>| ms.map(|ms| At(Timestamp(ms)));
        let name = |person: &'a Option<std::sync::Arc<Person>>| person.as_deref().map(Name::of);
        Shown {
            conversation: row.conversation_id,
            number: row.number,
            buyer: Name::of(buyer),
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            opened_at: At(Timestamp(row.opened_at)),
            left_message: row.left_message,
            claimed_at: at(row.claimed_at),
            claimed_by: name(claimed_by),
            answered_at: at(row.answered_at),
            answered_by: name(answered_by),
            resolved_at: at(row.resolved_at),
            resolved_by: name(resolved_by),
            score: row.score,
            comment: row.comment.as_deref(),
        }
    }
}

/// A ticket with its people.
struct Ticket {
    row: tickets::Row,
    buyer: std::sync::Arc<Person>,
    claimed_by: Option<std::sync::Arc<Person>>,
    answered_by: Option<std::sync::Arc<Person>>,
    resolved_by: Option<std::sync::Arc<Person>>,
}

/// A shop's rounds of service, the latest first.
///
/// For its agents.
#[utoipa::path(
    get,
    path = "/shops/{shop}/tickets",
    params(("shop" = String, Path, description = "The shop"), ("buyer" = Option<String>, Query, description = "Of this buyer"), ("agent" = Option<String>, Query, description = "First claimed by this agent"), ("from" = Option<String>, Query, description = "At this time or later (RFC 3339)"), ("to" = Option<String>, Query, description = "Before this time (RFC 3339)"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][0-9]{1,18}[.][0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Tickets),
        (status = 403, description = "An operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn tickets(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let shop = work(&node, &me, shop.into_inner()).await?;
    let (buyer, agent) = (somebody(&node, &query, "buyer").await?, somebody(&node, &query, "agent").await?);
    let (from, to) = (query.time("from")?, query.time("to")?);
    let (limit, after) = (query.limit()?, query.cursor_of::<3>()?);
    let (Ok(buyer), Ok(agent)) = (buyer.transpose(), agent.transpose()) else {
        return ok(Page::<()> { items: Vec::new(), next: None });
    };
    let sought = Sought { buyer, agent, from, to };
    let found = node
        .read(move |db| {
            let mut people = People::default();
            let rows = tickets::page(db, shop, &sought, after, limit as i64 + 1)?;
            let mut found = Vec::with_capacity(rows.len());
            for (row, buyer) in rows {
                let mut person = |id: Option<i64>| id.map(|id| people.person(db, UserId(id))).transpose();
                let (claimed_by, answered_by) = (person(row.claimed_by)?, person(row.answered_by)?);
                let resolved_by = person(row.resolved_by)?;
                let buyer = people.person(db, UserId(buyer))?;
                found.push(Ticket { row, buyer, claimed_by, answered_by, resolved_by });
            }
            Ok(found)
        })
        .await?;
    let place = |ticket: &Ticket| {
        let row = &ticket.row;
        format!("{}.{}.{}", row.opened_at, row.conversation_id, row.number)
    };
    let page = Page::cut(found, limit, place);
    ok(Page { items: page.items.iter().map(Shown::of).collect(), next: page.next.clone() })
}
