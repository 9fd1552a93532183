//! Groups of readers that share a shop's events: each event is given to one of them at a time, until it is acknowledged.

use std::{collections::BTreeSet, time::Duration};

use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{TYPES_MAX, WAIT_MAX, refused, types};
use crate::{
    actors::{
        journal::{WriteError, write_aside},
        node::Node,
        now,
        session::Identity,
    },
    domain::{
        event::{Position, Told},
        event_group::Pending,
        ids::{self, ShopId, Timestamp},
        permission::Permission,
        refusal::Refusal,
    },
    http::api::{
        access,
        acting::Acting,
        input::{Body, Query},
        output::{Answer, Page, created, done, ok},
        schema,
    },
    protocol::{fields::integer, time::At, told::View},
    store::{
        Db,
        events::{
            self,
            groups::{self, Row, State},
        },
    },
};

/// How many groups a shop may have.
const GROUPS: i64 = 100;
/// The most events that are taken, or acknowledged, at once.
const AT_ONCE: i64 = 100;
/// For how long events are given: unless told, and at most, in seconds.
const VISIBILITY: i64 = 30;
const VISIBILITY_MAX: i64 = 12 * 3_600;
/// What somebody else has given up is looked for so often.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Shown {
    name: String,
    types: Vec<&'static str>,
    position: Position,
    given: usize,
    held: usize,
    last: Position,
    created_at: At,
}

fn shown(db: &mut Db, row: Row) -> diesel::QueryResult<Shown> {
    let State { done, given, held, last } = groups::state(db, &row, now())?;
    let types = row.types().kinds().map(|kind| kind.as_str()).collect();
    Ok(Shown { name: row.name, types, position: done, given, held, last, created_at: At(Timestamp(row.created_at)) })
}

/// The group, for who may, until the transaction ends.
fn found(db: &mut Db, me: &Identity, shop: &str, name: &str) -> Result<(ShopId, Row), WriteError> {
    let shop = access::permitted(db, me, shop, Permission::ReadEvents)??.shop().id;
    Ok((shop, groups::take(db, shop, name)?.ok_or(Refusal::NotFound)?))
}

/// A shop's groups of readers.
///
/// For its admins.
#[utoipa::path(
    get,
    path = "/shops/{shop}/event-groups",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[A-Za-z0-9_.:@-]{1,128}$")),
    responses(
        (status = 200, description = "A page, by name", body = schema::EventGroups),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let (limit, after) = (query.limit()?, query.cursor()?.unwrap_or_default().to_owned());
    if !after.is_empty() && !ids::is_name(&after) {
        return Err(Refusal::invalid("cursor").into());
    }
    let rows = node
        .read(move |db| {
            let shop = match access::permitted(db, &me, &shop, Permission::ReadEvents)? {
                Ok(row) => row.shop().id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let rows = groups::page(db, shop, &after, limit + 1)?;
            rows.into_iter().map(|row| shown(db, row)).collect::<diesel::QueryResult<Vec<_>>>().map(Ok)
        })
        .await??;
    ok(Page::cut(rows, limit, |group| group.name.clone()))
}

/// A group of readers, and how far it is.
///
/// For the shop's admins.
#[utoipa::path(
    get,
    path = "/shops/{shop}/event-groups/{name}",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("name" = String, Path, description = "The group")),
    responses(
        (status = 200, description = "The group", body = schema::EventGroup),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
    ),
)]
pub async fn one(node: web::Data<Node>, me: Identity, path: web::Path<(String, String)>) -> Answer {
    let (shop, name) = path.into_inner();
    let group = node
        .read(move |db| {
            let shop = match access::permitted(db, &me, &shop, Permission::ReadEvents)? {
                Ok(row) => row.shop().id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            match groups::find(db, shop, &name)? {
                Some(row) => shown(db, row).map(Ok),
                None => Ok(Err(Refusal::NotFound)),
            }
        })
        .await??;
    ok(group)
}

/// Makes a group of readers, or changes it.
///
/// For the shop's admins. A new group begins after the position `after`, or with all that is kept. An existing one goes on there where
/// `after` is given, and whatever its members have not acknowledged is forgotten.
#[utoipa::path(
    post,
    path = "/shops/{shop}/event-groups/{name}",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("name" = String, Path, description = "The group")),
    request_body = schema::EventGroupChange,
    responses(
        (status = 200, description = "As it is then", body = schema::EventGroup),
        (status = 201, description = "Made", body = schema::EventGroup),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 409, description = "Too many groups, or another request under the same key: `conflict`"),
        (status = 410, description = "What came next is not kept any more: `gone`"),
    ),
)]
pub async fn set(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>, body: Body) -> Answer {
    let (_, name) = path.into_inner();
    let fields = body.fields();
    let after = fields.maybe_integer("after", 0, Position::MAX)?;
    let wanted = fields.maybe_text("types", 0, TYPES_MAX)?.map(|names| types(Some(names))).transpose()?;
    let (is_new, group) = write_aside(&node.journal, move |db| {
        let id = acting.permitted(db, Permission::ReadEvents)?.shop().id;
        if !ids::is_name(&name) {
            return Err(Refusal::NotFound.into());
        }
        let kept = events::kept(db, id)?;
        match after {
            Some(after) if after > kept.last => return Err(Refusal::invalid("after").into()),
            Some(after) if after < kept.removed => return Err(Refusal::Gone { earliest: kept.removed + 1 }.into()),
            _ => {}
        }
        let before = groups::take(db, id, &name)?;
        match &before {
            Some(group) => {
                if let Some(types) = &wanted {
                    groups::set_types(db, group, types)?;
                }
                if let Some(after) = after {
                    groups::set_position(db, group, after)?;
                }
            }
            None => {
                if groups::count(db, id)? >= GROUPS {
                    return Err(Refusal::Conflict.into());
                }
                let types = wanted.clone().unwrap_or_default();
                groups::insert(db, id, &name, &types, after.unwrap_or(kept.removed), now())?;
            }
        }
        let row = groups::take(db, id, &name)?.ok_or(Refusal::BUSY)?;
        let group = shown(db, row)?;
        let what = if before.is_some() { "event_group.changed" } else { "event_group.added" };
        let then = json!({ "types": group.types, "position": group.position });
        acting.record(db, id, what, &name, [None, Some(then)])?;
        Ok((before.is_none(), group))
    })
    .await?;
    if is_new { created(group) } else { ok(group) }
}

/// Ends a group of readers.
///
/// For the shop's admins.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/event-groups/{name}",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("name" = String, Path, description = "The group")),
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
    ),
)]
pub async fn delete(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let (_, name) = path.into_inner();
    write_aside(&node.journal, move |db| {
        let (id, group) = found(db, &acting.me, &acting.shop, &name)?;
        groups::delete(db, &group)?;
        acting.record(db, id, "event_group.removed", &name, [None, None])
    })
    .await?;
    done()
}

#[derive(Serialize)]
struct Taken<'a> {
    items: Vec<Item<'a>>,
    until: At,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(flatten)]
    event: View<'a>,
    attempts: i32,
}

/// Takes events, to work on them.
///
/// For the shop's admins. Nobody else of the group is given them until `until`, nor any later event of the same conversations; what is
/// not acknowledged by then is given to whoever asks next, and `attempts` counts that.
#[utoipa::path(
    post,
    path = "/shops/{shop}/event-groups/{name}/take",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("name" = String, Path, description = "The group")),
    request_body = schema::EventsWanted,
    responses(
        (status = 200, description = "Events, in their order; none where there are none in time", body = schema::EventsTaken),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 410, description = "What came next is not kept any more: set the group's position; `gone`"),
    ),
)]
pub async fn take(node: web::Data<Node>, me: Identity, path: web::Path<(String, String)>, body: Body) -> Answer {
    let (shop, name) = path.into_inner();
    let fields = body.fields();
    let limit = fields.maybe_integer("limit", 1, AT_ONCE)?.unwrap_or(20).unsigned_abs() as usize;
    let visibility = fields.maybe_integer("visibility", 1, VISIBILITY_MAX)?.unwrap_or(VISIBILITY) * 1_000;
    let wait = fields.maybe_integer("wait", 0, WAIT_MAX)?.unwrap_or(0).unsigned_abs();
    let end = Instant::now() + Duration::from_secs(wait);
    loop {
        let (me, shop, name) = (me.clone(), shop.clone(), name.clone());
        let (shop, last, until, given) = write_aside(&node.journal, move |db| {
            let (shop, group) = found(db, &me, &shop, &name)?;
            let (now, last) = (now(), events::kept(db, shop)?.last);
            let until = Timestamp(now.0 + visibility);
            let given = give(db, shop, &group, now, until, limit)?;
            Ok((shop, last, until, given))
        })
        .await?;
        if given.is_empty() && Instant::now() < end && !node.feed.is_closed() {
            node.feed.wait(shop, last, end.min(Instant::now() + LOOK)).await;
            continue;
        }
        let items = given.iter().map(|(told, attempts)| Item { event: View::of(told), attempts: *attempts });
        return ok(Taken { items: items.collect(), until: At(until) });
    }
}

/// Events with how often they have been given. What is not kept any more is given up.
fn give(
    db: &mut Db,
    shop: ShopId,
    group: &Row,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<(Told, i32)>, WriteError> {
    let given = groups::give(db, group, now, until, limit)?.map_err(|outside| refused(outside, "after"))?;
    let positions: BTreeSet<Position> = given.iter().map(|event| event.position).collect();
    let told = events::at(db, shop, &positions)?;
    let there: BTreeSet<Position> = told.iter().map(|told| told.position).collect();
    let gone: Vec<Position> = positions.difference(&there).copied().collect();
    if !gone.is_empty() {
        tracing::warn!(group = group.name, events = gone.len(), "events were not worked on before they were removed");
        groups::acknowledge(db, group, &gone)?;
    }
    let attempts = |told: &Told| {
        given.iter().find(|event: &&Pending| event.position == told.position).map_or(1, |event| event.attempts)
    };
    Ok(told.into_iter().map(|told| (attempts(&told), told)).map(|(attempts, told)| (told, attempts)).collect())
}

#[derive(Serialize)]
struct Acked {
    acked: usize,
}

/// Acknowledges events that one has taken: they are done.
///
/// For the shop's admins. What had been acknowledged before, or was never given, is not counted.
#[utoipa::path(
    post,
    path = "/shops/{shop}/event-groups/{name}/ack",
    tag = "event_groups",
    params(("shop" = String, Path, description = "The shop"), ("name" = String, Path, description = "The group")),
    request_body = schema::EventsDone,
    responses(
        (status = 200, description = "How many were not done yet", body = schema::EventsAcked),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
    ),
)]
pub async fn ack(node: web::Data<Node>, me: Identity, path: web::Path<(String, String)>, body: Body) -> Answer {
    let (shop, name) = path.into_inner();
    let positions = body.fields().maybe("positions", positions)?.ok_or(Refusal::invalid("positions"))?;
    let acked = write_aside(&node.journal, move |db| {
        let (_, group) = found(db, &me, &shop, &name)?;
        Ok(groups::acknowledge(db, &group, &positions)?)
    })
    .await?;
    ok(Acked { acked })
}

fn positions(value: &Value) -> Option<Vec<Position>> {
    let positions = value.as_array().filter(|list| (1..=AT_ONCE as usize).contains(&list.len()))?;
    positions.iter().map(|position| integer(position).filter(|position| *position > 0)).collect()
}
