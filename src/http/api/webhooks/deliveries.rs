//! What waits for an endpoint, and what are dead letters there: looked at, and sent again.

use actix_web::web;
use serde::Serialize;
use serde_json::json;

use super::{
    super::{
        access,
        acting::Acting,
        input::{self, Body, Query},
        output::{Answer, Page, ok},
        schema,
    },
    Admin,
};
use crate::{
    actors::{journal::write, node::Node, now, session::Identity},
    domain::{event::Kind, ids::Timestamp, permission::Permission, refusal::Refusal},
    protocol::time::At,
    store::{deliveries as store, webhooks},
};

#[derive(Serialize)]
struct Shown {
    position: i64,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    conversation: Option<i64>,
    /// When it happened.
    at: Option<At>,
    state: &'static str,
    due_at: Option<At>,
    dead_at: Option<At>,
    attempts: Vec<Attempt>,
}

#[derive(Serialize)]
struct Attempt {
    at: At,
    took_ms: i64,
    status: Option<i32>,
    answer: String,
}

impl Shown {
    fn of(row: &store::Row, attempts: Vec<store::Attempt>) -> Shown {
        let event = row.event();
        let attempt = |attempt: store::Attempt| {
            let store::Attempt { at, took_ms, status, answer, .. } = attempt;
            Attempt { at: At(Timestamp(at)), took_ms, status, answer }
        };
        Shown {
            position: row.position,
            kind: event.map(|event| Kind::as_str(event.kind)),
            conversation: event.and_then(|event| event.conversation()).map(|id| id.0),
            at: event.map(|event| At(event.at)),
            state: if row.dead_at.is_some() { "dead" } else { "waiting" },
            due_at: row.dead_at.is_none().then_some(At(Timestamp(row.due_at))),
            dead_at: row.dead_at.map(|at| At(Timestamp(at))),
            attempts: attempts.into_iter().map(attempt).collect(),
        }
    }
}

/// What has not arrived at a webhook.
///
/// For the shop's admins. Dead letters, or with `state` what waits, in the order in which it happened, each with its attempts and what was
/// answered.
#[utoipa::path(
    get,
    path = "/shops/{shop}/webhooks/{id}/deliveries",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The webhook"), ("state" = Option<schema::DeliveryState>, Query, description = "`dead` where it is absent"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Deliveries),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, path: web::Path<(String, String)>, query: Query) -> Answer {
    let (shop, id) = path.into_inner();
    let state = |state: &str| match state {
        "dead" => Some(true),
        "waiting" => Some(false),
        _ => None,
    };
    let dead = query.maybe("state", state)?.unwrap_or(true);
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[position]| position));
    let rows = node
        .read(move |db| {
            let shop = match access::permitted(db, &me, &shop, Permission::Integrate)? {
                Ok(shop) => shop.shop().id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let id = match input::number(&id) {
                Ok(id) => id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if webhooks::find(db, shop, id)?.is_none() {
                return Ok(Err(Refusal::NotFound));
            }
            let rows = store::page(db, id, dead, after, limit as i64 + 1)?;
            let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
            let mut attempts = store::attempts(db, id, &positions)?;
            let with_attempts = |row: store::Row| {
                let attempts = attempts.remove(&row.position).unwrap_or_default();
                (row, attempts)
            };
            Ok(Ok(rows.into_iter().map(with_attempts).collect()))
        })
        .await??;
    let page = Page::cut(rows, limit, |(row, _): &(store::Row, _)| row.position.to_string());
    ok(page.map(|(row, attempts)| Shown::of(&row, attempts)))
}

/// Sends dead letters of a webhook again.
///
/// For the shop's admins. All, or the one at `position`, from the first attempt on; later events of its conversation wait for it.
#[utoipa::path(
    post,
    path = "/shops/{shop}/webhooks/{id}/retry",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The webhook")),
    request_body = schema::Retry,
    responses(
        (status = 200, description = "How many are being sent", body = schema::Retried),
        (status = 403, description = "No admin: `forbidden`"),
        (status = 404, description = "No such webhook, or no dead letter of it at `position`: `not_found`"),
    ),
)]
pub async fn retry(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>, body: Body) -> Answer {
    #[derive(Serialize)]
    struct Retried {
        events: usize,
    }
    let admin = Admin::enter(&node, acting).await?;
    let id = input::number(&path.1)?;
    let only = body.fields().maybe_integer("position", 1, i64::MAX)?;
    let events = write(&node.journal, move |db| {
        let row = admin.find(db, id)?;
        webhooks::lock(db, id)?;
        let events = store::drive_again(db, id, only, now())?;
        if events == 0 && only.is_some() {
            return Err(Refusal::NotFound.into());
        }
        let after = json!({ "events": events, "position": only });
        admin.record(db, "webhook.retried", &row, [None, Some(after)])?;
        Ok(events)
    })
    .await?;
    ok(Retried { events })
}
