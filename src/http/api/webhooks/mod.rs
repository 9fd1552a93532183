//! Endpoints to which a shop has its events posted: made and changed by its admins.

pub mod deliveries;

use std::time::Duration;

use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    access,
    acting::Acting,
    input::{self, Body, Query},
    output::{Answer, Page, created, done, ok},
    schema,
};
use crate::{
    actors::{
        journal::{WriteError, write},
        node::Node,
        now,
        session::Identity,
    },
    auth::webhook_signature,
    domain::{
        event::{Kind, Types},
        ids::Timestamp,
        permission::Permission,
        refusal::Refusal,
    },
    protocol::{fields::Fields, time::At},
    store::{Db, deliveries as queue, events, shops, webhooks as store},
};

/// How many a shop has.
const WEBHOOKS_MAX: i64 = 20;
const URL_MAX: usize = 2_048;
const SECRET_MAX: usize = 128;
/// How long the secret before signs too, in seconds, unless told.
const OVERLAP: i64 = 24 * 60 * 60;
const OVERLAP_MAX: i64 = 7 * 24 * 60 * 60;

#[derive(Serialize)]
struct Shown {
    id: i64,
    url: String,
    types: Vec<&'static str>,
    state: &'static str,
    failing_since: Option<At>,
    switched_off_at: Option<At>,
    /// Events that wait, and dead letters.
    waiting: i64,
    dead: i64,
    old_secret_until: Option<At>,
    created_at: At,
    updated_at: At,
    /// Once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Shown {
    fn of(db: &mut Db, row: &store::Row) -> diesel::QueryResult<Shown> {
        let (waiting, dead) = queue::counts(db, row.id)?;
        let health = row.health();
        Ok(Shown {
            id: row.id,
            url: row.url.clone(),
            types: row.types().kinds().map(Kind::as_str).collect(),
            state: match (row.disabled, health.switched_off_at) {
                (true, _) => "off",
                (false, Some(_)) => "failed",
                (false, None) => "on",
            },
            failing_since: health.failing_since.map(At),
            switched_off_at: health.switched_off_at.map(At),
            waiting,
            dead,
            old_secret_until: row.old_until.filter(|until| *until > now().0).map(|until| At(Timestamp(until))),
            created_at: At(Timestamp(row.created_at)),
            updated_at: At(Timestamp(row.updated_at)),
            secret: None,
        })
    }

    /// What the audit keeps.
    fn record(&self) -> Value {
        json!({ "url": self.url, "types": self.types, "state": self.state })
    }
}

/// Who manages a shop's endpoints. What is said in a shop is not for operators.
struct Admin(Acting);

impl Admin {
    /// Somebody who may: an address that is named by others is not even looked at.
    async fn enter(node: &Node, acting: Acting) -> Result<Admin, Refusal> {
        let who = acting.clone();
        node.read(move |db| access::permitted(db, &who.me, &who.shop, Permission::Integrate)).await??;
        Ok(Admin(acting))
    }

    fn shop(&self, db: &mut Db) -> Result<shops::Row, WriteError> {
        self.0.permitted(db, Permission::Integrate)
    }

    fn find(&self, db: &mut Db, id: i64) -> Result<store::Row, WriteError> {
        let shop = self.shop(db)?.shop().id;
        Ok(store::find(db, shop, id)?.ok_or(Refusal::NotFound)?)
    }

    fn record(&self, db: &mut Db, what: &str, row: &store::Row, change: [Option<Value>; 2]) -> Result<(), WriteError> {
        self.0.record(db, row.shop(), what, &row.id.to_string(), change)
    }
}

/// A URL that may be posted to.
async fn url(node: &Node, fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    let Some(url) = fields.maybe_text("url", 1, URL_MAX)? else { return Ok(None) };
    match node.outbound.guard().check(url).await {
        Ok(_) => Ok(Some(url.to_owned())),
        Err(_) => Err(fields.invalid("url")),
    }
}

/// Kinds of events, or groups of them; none named: all.
fn types(fields: Fields<'_>) -> Result<Option<Types>, Refusal> {
    fields.maybe("types", |value| {
        let mut types = Types::default();
        value.as_array()?.iter().all(|name| name.as_str().is_some_and(|name| types.add(name))).then_some(types)
    })
}

fn secret(fields: Fields<'_>) -> Result<String, Refusal> {
    let given = fields.maybe("secret", |value| {
        let secret = value.as_str().filter(|secret| secret.len() <= SECRET_MAX)?;
        webhook_signature::is_secret(secret).then(|| secret.to_owned())
    })?;
    Ok(given.unwrap_or_else(webhook_signature::new_secret))
}

/// Webhooks.
///
/// For the shop's admins. In the order of their making.
#[utoipa::path(
    get,
    path = "/shops/{shop}/webhooks",
    params(("shop" = String, Path, description = "The shop"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Webhooks),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[id]| id));
    let rows = node
        .read(move |db| {
            let shop = match access::permitted(db, &me, &shop, Permission::Integrate)? {
                Ok(shop) => shop.shop().id,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let rows = store::page(db, shop, after, limit as i64 + 1)?;
            rows.iter().map(|row| Shown::of(db, row)).collect::<diesel::QueryResult<Vec<_>>>().map(Ok)
        })
        .await??;
    ok(Page::cut(rows, limit, |webhook| webhook.id.to_string()))
}

/// Makes a webhook.
///
/// For the shop's admins. It is told what happens from now on. The answer alone has `secret`.
#[utoipa::path(
    post,
    path = "/shops/{shop}/webhooks",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewWebhook,
    responses(
        (status = 201, description = "Made", body = schema::Webhook),
        (status = 403, description = "No admin: `forbidden`"),
        (status = 409, description = "There are twenty: `conflict`"),
    ),
)]
pub async fn add(node: web::Data<Node>, acting: Acting, body: Body) -> Answer {
    let admin = Admin::enter(&node, acting).await?;
    let fields = body.fields();
    let (types, secret) = (types(fields)?.unwrap_or_default(), secret(fields)?);
    let url = url(&node, fields).await?.ok_or(Refusal::invalid("url"))?;
    let told = secret.clone();
    let mut made = write(&node.journal, move |db| {
        let shop = admin.shop(db)?.shop().id;
        if store::count(db, shop)? >= WEBHOOKS_MAX {
            return Err(Refusal::Conflict.into());
        }
        let position = events::kept(db, shop)?.last;
        let row = store::insert(db, shop, (&url, &types, &secret), position, now())?;
        let made = Shown::of(db, &row)?;
        admin.record(db, "webhook.added", &row, [None, Some(made.record())])?;
        Ok(made)
    })
    .await?;
    made.secret = Some(told);
    created(made)
}

/// Changes a webhook.
///
/// For the shop's admins. `disabled` holds back what happens, as long as events are kept; `false` also switches on what has been switched off
/// for failing.
#[utoipa::path(
    patch,
    path = "/shops/{shop}/webhooks/{id}",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The webhook")),
    request_body = schema::WebhookChange,
    responses(
        (status = 200, description = "The webhook as it is then", body = schema::Webhook),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn change(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>, body: Body) -> Answer {
    let admin = Admin::enter(&node, acting).await?;
    let id = input::number(&path.1)?;
    let fields = body.fields();
    let (types, disabled) = (types(fields)?, fields.maybe("disabled", Value::as_bool)?);
    let wanted = store::Change { url: url(&node, fields).await?, types, disabled };
    let changed = write(&node.journal, move |db| {
        let before = admin.find(db, id)?;
        store::update(db, id, &wanted, now())?;
        let after = admin.find(db, id)?;
        let (shown_before, shown) = (Shown::of(db, &before)?, Shown::of(db, &after)?);
        admin.record(db, "webhook.changed", &after, [Some(shown_before.record()), Some(shown.record())])?;
        Ok(shown)
    })
    .await?;
    ok(changed)
}

/// Removes a webhook.
///
/// For the shop's admins. What waits for it, and its dead letters, go with it.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/webhooks/{id}",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The webhook")),
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn remove(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let admin = Admin::enter(&node, acting).await?;
    let id = input::number(&path.1)?;
    write(&node.journal, move |db| {
        let row = admin.find(db, id)?;
        let before = Shown::of(db, &row)?.record();
        store::delete(db, id)?;
        admin.record(db, "webhook.removed", &row, [Some(before), None])
    })
    .await?;
    done()
}

/// Gives a webhook another secret.
///
/// For the shop's admins. The one before signs too, for a day unless told, so that whoever verifies can be changed meanwhile.
#[utoipa::path(
    post,
    path = "/shops/{shop}/webhooks/{id}/secret",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The webhook")),
    request_body = schema::NewSecret,
    responses(
        (status = 200, description = "The webhook, with its new secret", body = schema::Webhook),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn rotate(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>, body: Body) -> Answer {
    let admin = Admin::enter(&node, acting).await?;
    let id = input::number(&path.1)?;
    let fields = body.fields();
    let secret = secret(fields)?;
    let overlap = fields.maybe_integer("overlap_s", 0, OVERLAP_MAX)?.unwrap_or(OVERLAP);
    let overlap = Duration::from_secs(overlap.unsigned_abs()).as_millis() as i64;
    let told = secret.clone();
    let mut changed = write(&node.journal, move |db| {
        admin.find(db, id)?;
        store::rotate(db, id, &secret, Timestamp(now().0 + overlap), now())?;
        let row = admin.find(db, id)?;
        admin.record(db, "webhook.secret", &row, [None, None])?;
        Ok(Shown::of(db, &row)?)
    })
    .await?;
    changed.secret = Some(told);
    ok(changed)
}
