//! Messages in two phases: what a shop's back end prepares, commits and aborts, and what its admins decide.

use std::sync::Arc;

use actix_web::web;
use serde::Serialize;
use serde_json::Value;

use super::{
    access,
    acting::Acting,
    input::{Body, Query},
    messages::sent,
    output::{Answer, Page, created, done, ok},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{
        node::Node,
        prepared::{self, Wanted},
        session::Identity,
    },
    domain::{
        ids::Timestamp,
        permission::Permission,
        prepared::{Decider, State},
        refusal::Refusal,
    },
    protocol::{
        content,
        frame::{self, ID_MAX},
        time::At,
    },
    store::prepared::{self as store, Row},
};

/// Keeps a message that nobody sees until it is committed, and that is dropped when it is aborted.
///
/// As for sending it now, but that an admin of the shop needs no claim. It goes to a shop, not to a user. Where nobody decides, the shop is asked.
#[utoipa::path(
    post,
    path = "/messages/prepare",
    tag = "prepared",
    request_body = schema::Prepare,
    responses(
        (status = 201, description = "Prepared", body = schema::PreparedTicket),
        (status = 200, description = "The same `id` and content again: prepared before, with what has become of it", body = schema::PreparedTicket),
        (status = 403, description = "An agent opening a conversation with its own shop, or a shop that is disabled: `forbidden`"),
        (status = 404, description = "No such shop or conversation: `not_found`"),
        (status = 409, description = "The same `id` with other content: `conflict`. An agent that has not claimed the conversation: `not_claimed`, `not_claimant`"),
        (status = 429, description = "More messages than a user may send: `rate_limited`"),
    ),
)]
pub async fn prepare(node: web::Data<Node>, api: web::Data<ApiSettings>, me: Identity, body: Body) -> Answer {
    #[derive(Serialize)]
    struct Ticket {
        ticket: String,
        state: String,
        at: At,
        duplicate: bool,
    }
    api.send(me.person.id)?;
    let fields = body.fields();
    let client_id = Arc::from(fields.text("id", 1, ID_MAX)?);
    let wanted = Wanted { to: frame::target(fields)?, client_id, content: content::parse(fields)? };
    access::reach(&node, &me, &wanted.to).await?;
    let (row, is_new) = prepared::prepare(&node, me.person, wanted).await?;
    let ticket = Ticket { ticket: row.ticket, state: row.state, at: At(Timestamp(row.at)), duplicate: !is_new };
    if is_new { created(ticket) } else { ok(ticket) }
}

/// Makes a message of what was prepared: it gets its `seq`, and is told to everybody.
///
/// For who has prepared it. Nothing that has changed since it was prepared stands against it.
#[utoipa::path(
    post,
    path = "/messages/commit",
    tag = "prepared",
    request_body = schema::Decision,
    responses(
        (status = 201, description = "Stored", body = schema::Sent),
        (status = 200, description = "Committed before", body = schema::Sent),
        (status = 404, description = "No such ticket, or somebody else's: `not_found`"),
        (status = 409, description = "It was aborted: `conflict`"),
    ),
)]
pub async fn commit(node: web::Data<Node>, me: Identity, body: Body) -> Answer {
    let row = mine(&node, me, &body).await?;
    sent(prepared::commit(&node, &row, Decider::Sender).await?)
}

/// Drops what was prepared.
///
/// For who has prepared it. Once more changes nothing.
#[utoipa::path(
    post,
    path = "/messages/abort",
    tag = "prepared",
    request_body = schema::Decision,
    responses(
        (status = 204, description = "Aborted"),
        (status = 404, description = "No such ticket, or somebody else's: `not_found`"),
        (status = 409, description = "It was committed: `conflict`"),
    ),
)]
pub async fn abort(node: web::Data<Node>, me: Identity, body: Body) -> Answer {
    let row = mine(&node, me, &body).await?;
    prepared::abort(&node, &row, Decider::Sender).await?;
    done()
}

/// What one has prepared.
async fn mine(node: &Node, me: Identity, body: &Body) -> Result<Row, Refusal> {
    let ticket = body.fields().text("ticket", 1, ID_MAX)?.to_owned();
    let row = node.read(move |db| store::by_ticket(db, &ticket)).await?;
    let is_mine =
        |row: &Row| row.sender_id == me.person.id.0 && me.key.as_ref().is_none_or(|key| key.shop.0 == row.shop_id);
    row.filter(is_mine).ok_or(Refusal::NotFound)
}

#[derive(Serialize)]
struct Shown {
    ticket: String,
    id: String,
    from: From,
    state: String,
    content: Option<Value>,
    conversation: Option<i64>,
    seq: Option<i64>,
    at: At,
    asked: i32,
    heard: Option<String>,
    due_at: Option<At>,
    decided_at: Option<At>,
    decided_by: Option<String>,
}

#[derive(Serialize)]
struct From {
    uid: String,
    name: String,
}

impl Shown {
    fn of((row, uid, name): store::Found) -> Shown {
        let at = |at: i64| At(Timestamp(at));
        Shown {
            ticket: row.ticket,
            id: row.client_id,
            from: From { uid, name },
            state: row.state,
            content: row.content.and_then(|stored| serde_json::from_str(&stored).ok()),
            conversation: row.conversation_id,
            seq: row.seq,
            at: at(row.at),
            asked: row.asked,
            heard: row.heard,
            due_at: row.due_at.map(at),
            decided_at: row.decided_at.map(at),
            decided_by: row.decided_by,
        }
    }
}

/// What has been prepared in a shop, in that order.
///
/// For its admins. What was decided is kept for 7 days.
#[utoipa::path(
    get,
    path = "/shops/{shop}/prepared",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop"), ("state" = Option<schema::Phase>, Query, description = "In this state; `parked` are those that wait for an admin"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::PreparedMessages),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[id]| id));
    let state = query.maybe("state", State::parse)?;
    let rows = node
        .read(move |db| match access::permitted(db, &me, &shop, Permission::DecidePrepared)? {
            Ok(row) => store::page(db, row.shop().id, state, after, limit as i64 + 1).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await??;
    ok(Page::cut(rows, limit, |(row, _, _)| row.id.to_string()).map(Shown::of))
}

/// Makes a message of what somebody has prepared in the shop.
///
/// For its admins; audited.
#[utoipa::path(
    post,
    path = "/shops/{shop}/prepared/{ticket}/commit",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop"), ("ticket" = String, Path, description = "The ticket")),
    responses(
        (status = 201, description = "Stored", body = schema::Sent),
        (status = 200, description = "Committed before", body = schema::Sent),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 409, description = "It was aborted: `conflict`"),
    ),
)]
pub async fn commit_parked(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let (row, decider) = of_shop(&node, acting, path.into_inner().1).await?;
    sent(prepared::commit(&node, &row, decider).await?)
}

/// Drops what somebody has prepared in the shop.
///
/// For its admins; audited. Once more changes nothing.
#[utoipa::path(
    post,
    path = "/shops/{shop}/prepared/{ticket}/abort",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop"), ("ticket" = String, Path, description = "The ticket")),
    responses(
        (status = 204, description = "Aborted"),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 409, description = "It was committed: `conflict`"),
    ),
)]
pub async fn abort_parked(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let (row, decider) = of_shop(&node, acting, path.into_inner().1).await?;
    prepared::abort(&node, &row, decider).await?;
    done()
}

/// What was prepared in a shop, for its admins.
async fn of_shop(node: &Node, acting: Acting, ticket: String) -> Result<(Row, Decider), Refusal> {
    let Acting { me, shop, address } = acting;
    let decider = Decider::Admin { by: me.person.id, address: address.into() };
    let found = node.read(move |db| match access::permitted(db, &me, &shop, Permission::DecidePrepared)? {
        Ok(shop) if is_ticket(&ticket) => Ok(Ok(store::by_ticket(db, &ticket)?.filter(|row| row.shop_id == shop.id))),
        Ok(_) => Ok(Ok(None)),
        Err(refusal) => Ok(Err(refusal)),
    });
    Ok((found.await??.ok_or(Refusal::NotFound)?, decider))
}

/// PostgreSQL takes no U+0000: what can be no ticket is not asked for.
fn is_ticket(ticket: &str) -> bool {
    ticket.len() == 32 && ticket.bytes().all(|b| b.is_ascii_hexdigit())
}
