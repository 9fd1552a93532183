//! Where a shop is asked what has become of what it has prepared.

use std::time::Duration;

use actix_web::web;
use serde::Serialize;
use serde_json::json;

use super::{
    access,
    acting::Acting,
    input::Body,
    output::{Answer, created, done, ok},
    schema,
};
use crate::{
    actors::{journal::write, node::Node, now, prepared::later, session::Identity},
    auth::webhook_signature,
    domain::{ids::Timestamp, refusal::Refusal},
    protocol::time::At,
    store::check_backs,
};

/// The longest URL, in bytes.
const URL_MAX: usize = 2_048;
/// How long a secret is good beside the one that has replaced it.
const OLD_SECRET: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the shop is asked. Its secret is not shown again.
///
/// For its admins and for operators.
#[utoipa::path(
    get,
    path = "/shops/{shop}/check-back",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop")),
    responses(
        (status = 200, description = "Where it is asked", body = schema::CheckBack),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
        (status = 404, description = "No such shop, or it is asked nowhere: `not_found`"),
    ),
)]
pub async fn one(node: web::Data<Node>, me: Identity, shop: web::Path<String>) -> Answer {
    #[derive(Serialize)]
    struct Shown {
        url: String,
        changed_at: At,
    }
    let found = node
        .read(move |db| match access::manage(db, &me, &shop)? {
            Ok(row) => check_backs::find(db, row.shop().id).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await??;
    let row = found.ok_or(Refusal::NotFound)?;
    ok(Shown { url: row.url, changed_at: At(Timestamp(row.changed_at)) })
}

/// Sets where the shop is asked, and makes a secret with which the askings are signed from now on; the one before is good for a day more.
///
/// For its admins and for operators; audited. The URL leads to a public address.
#[utoipa::path(
    post,
    path = "/shops/{shop}/check-back",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewCheckBack,
    responses(
        (status = 201, description = "Set: the secret is shown this once", body = schema::CheckBackSecret),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn set(node: web::Data<Node>, acting: Acting, body: Body) -> Answer {
    #[derive(Serialize)]
    struct Made {
        url: String,
        secret: String,
    }
    let who = acting.clone();
    node.read(move |db| access::manage(db, &who.me, &who.shop)).await??;
    let url = body.fields().text("url", 1, URL_MAX)?.to_owned();
    node.outbound.guard().check(&url).await.map_err(|_| Refusal::invalid("url"))?;
    let secret = webhook_signature::new_secret();
    let made = Made { url: url.clone(), secret: secret.clone() };
    write(&node.journal, move |db| {
        let (id, at) = (acting.manage(db)?.shop().id, now());
        let before = check_backs::find(db, id)?.map(|row| json!({ "url": row.url }));
        check_backs::set(db, id, &url, &secret, at, later(at, OLD_SECRET))?;
        acting.record(db, id, "check_back.changed", &acting.shop, [before, Some(json!({ "url": url }))])
    })
    .await?;
    created(made)
}

/// The shop is not asked any more: what nobody decides is left to its admins.
///
/// For its admins and for operators; audited.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/check-back",
    tag = "prepared",
    params(("shop" = String, Path, description = "The shop")),
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
        (status = 404, description = "No such shop, or it is asked nowhere: `not_found`"),
    ),
)]
pub async fn remove(node: web::Data<Node>, acting: Acting) -> Answer {
    write(&node.journal, move |db| {
        let id = acting.manage(db)?.shop().id;
        let row = check_backs::find(db, id)?.ok_or(Refusal::NotFound)?;
        check_backs::remove(db, id)?;
        acting.record(db, id, "check_back.removed", &acting.shop, [Some(json!({ "url": row.url })), None])
    })
    .await?;
    done()
}
