//! Erasing what a person has written in a shop.

use std::time::Duration;

use actix_web::web;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    access,
    acting::Acting,
    input::Body,
    output::{Answer, accepted, ok},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{erasure, journal::write, node::Node, now},
    domain::{permission::Permission, refusal::Refusal},
    store::{erasures, users},
};

/// The answer waits so long for the end.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is looked whether somebody else has come to it.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Serialize)]
struct Shown {
    uid: String,
    state: &'static str,
    messages: i64,
    files: i64,
    comments: i64,
}

/// Removes what a person has written in a shop: the content of messages, uploaded files that its conversations have shown, and comments
/// on its service.
///
/// For admins of the shop. Where it takes long it goes on by itself, and the same request says how far it is.
#[utoipa::path(
    post,
    path = "/shops/{shop}/erase",
    tag = "records",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::Erase,
    responses(
        (status = 200, description = "Done", body = schema::Erasure),
        (status = 202, description = "It goes on", body = schema::Erasure),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 404, description = "No such shop, or somebody who has never written in it: `not_found`"),
    ),
)]
pub async fn erase(node: web::Data<Node>, api: web::Data<ApiSettings>, acting: Acting, body: Body) -> Answer {
    let uid = body.fields().name("uid")?.to_owned();
    let (asked, who) = (uid.clone(), acting.clone());
    let person = node
        .read(move |db| {
            let shop = match access::permitted(db, &who.me, &who.shop, Permission::ErasePerson)? {
                Ok(row) => row.shop().id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let Some(user) = users::by_uid(db, &asked)? else { return Ok(Err(Refusal::NotFound)) };
            let person = user.person().id;
            Ok(if erasures::has_been(db, shop, person)? { Ok(person) } else { Err(Refusal::NotFound) })
        })
        .await??;
    let subject = uid.clone();
    let erasure = write(&node.journal, move |db| {
        let shop = acting.permitted(db, Permission::ErasePerson)?.shop().id;
        let (erasure, is_new) = erasures::ask(db, shop, person, acting.me.person.id, now())?;
        if is_new {
            acting.record(db, shop, "person.erased", &subject, [None, None])?;
        }
        Ok(erasure)
    })
    .await?;
    let id = erasure.id;
    let erasing = erasure::run(node.clone().into_inner(), api.options.files_dir.clone(), id);
    let (erasing, end) = (actix_web::rt::spawn(erasing), Instant::now() + PATIENCE);
    _ = timeout_at(end, erasing).await;
    let row = loop {
        let row = node.read(move |db| erasures::find(db, id)).await?.ok_or(Refusal::BUSY)?;
        // Some node's retention may have taken it up first.
        if row.done_at.is_some() || Instant::now() >= end {
            break row;
        }
        sleep(LOOK).await;
    };
    let erasures::Row { messages, files, comments, done_at, .. } = row;
    match done_at {
        Some(_) => ok(Shown { uid, state: "done", messages, files, comments }),
        None => accepted(Shown { uid, state: "running", messages, files, comments }),
    }
}
