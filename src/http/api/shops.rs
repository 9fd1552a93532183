//! Making shops and changing them.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    access,
    acting::Acting,
    input::{self, Body, Query},
    output::{Answer, Page, created, ok},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{
        journal::{WriteError, write},
        node::Node,
        now,
        session::Identity,
    },
    domain::{
        ids::{ShopId, Timestamp, UserId},
        people::Role,
        refusal::Refusal,
    },
    http::Origins,
    protocol::{
        fields::Fields,
        hours,
        time::{self, At},
    },
    store::{Db, agents, audit, shops, users},
};

const ORIGINS_MAX: usize = 50;
/// The longest time for which something may be kept that is not kept for ever, in days.
const RETENTION_MAX: i64 = 36_500;

#[derive(Serialize)]
struct Shown {
    shop: String,
    #[serde(flatten)]
    settings: Settings,
    created_at: At,
}

/// What may be changed of a shop.
#[derive(Serialize)]
struct Settings {
    name: String,
    origins: Value,
    time_zone: String,
    hours: Value,
    retention: Retention,
    disabled: bool,
    bot: Option<String>,
}

/// In days; `None`: for ever.
#[derive(Serialize)]
struct Retention {
    messages: Option<i32>,
    files: Option<i32>,
}

impl Shown {
    fn of(row: shops::Row) -> Shown {
        Shown { settings: Settings::of(&row), shop: row.shop, created_at: At(Timestamp(row.created_at)) }
    }
}

impl Settings {
    fn of(row: &shops::Row) -> Settings {
        let json = |stored: &str| serde_json::from_str(stored).unwrap_or_default();
        Settings {
            name: row.name.clone(),
            origins: json(&row.origins),
            time_zone: row.time_zone.clone(),
            hours: json(&row.hours),
            retention: Retention { messages: row.retention_messages, files: row.retention_files },
            disabled: row.disabled,
            bot: row.bot.clone(),
        }
    }

    /// What the audit keeps.
    fn record(row: &shops::Row) -> Option<Value> {
        serde_json::to_value(Settings::of(row)).ok()
    }
}

/// What a body wants of a shop.
fn wanted(fields: Fields<'_>) -> Result<shops::Change, Refusal> {
    let retention = match fields.get("retention") {
        Some(_) => Some(fields.object("retention")?),
        None => None,
    };
    let days = |name: &str| match retention {
        Some(retention) if retention.is_null(name) => Ok(Some(None)),
        Some(retention) => Ok(retention.maybe_integer(name, 1, RETENTION_MAX)?.map(|days| i32::try_from(days).ok())),
        None => Ok(None),
    };
    Ok(shops::Change {
        name: input::display_name(fields, "name")?,
        origins: origins(fields)?,
        time_zone: fields.maybe_word("time_zone", |name| time::zone(name).map(|zone| zone.name().to_owned()))?,
        hours: fields.maybe("hours", hours::parse)?.map(|hours| hours::to_json(&hours).to_string()),
        disabled: fields.maybe("disabled", Value::as_bool)?,
        retention_messages: days("messages")?,
        retention_files: days("files")?,
        bot: if fields.is_null("bot") { Some(None) } else { fields.maybe_name("bot")?.map(|uid| Some(uid.to_owned())) },
    })
}

/// Whether a shop may have this bot: it is one of its own.
fn check_bot(db: &mut Db, shop: ShopId, wanted: &shops::Change) -> Result<(), WriteError> {
    let Some(Some(uid)) = &wanted.bot else { return Ok(()) };
    let user = users::by_uid(db, uid)?.ok_or(Refusal::invalid("bot"))?;
    let role = agents::role(db, shop, UserId(user.id))?;
    if role == Some(Role::Bot) { Ok(()) } else { Err(Refusal::invalid("bot").into()) }
}

/// `origins` of a body, in canonical form, as the store keeps it.
fn origins(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    let canonical = fields.maybe("origins", |value| {
        let list = value.as_array().filter(|list| list.len() <= ORIGINS_MAX)?;
        list.iter().map(|origin| origin.as_str().and_then(origin_of)).collect::<Option<Vec<String>>>()
    })?;
    Ok(canonical.map(|list| json!(list).to_string()))
}

/// An origin as browsers write it (RFC 6454, section 6.2): `https://host` or `https://host:port`; `http` on one's own machine.
fn origin_of(origin: &str) -> Option<String> {
    let origin = origin.trim().to_ascii_lowercase();
    let origin = origin.strip_suffix('/').unwrap_or(&origin);
    let (scheme, authority) = origin.split_once("://")?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            (host, Some(port.parse::<u16>().ok().filter(|port| digits && *port > 0)?))
        }
        _ => (authority, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let label = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(label),
    };
    let own = ["localhost", "127.0.0.1", "[::1]"].contains(&host) || host.ends_with(".localhost");
    let (allowed, default) = match scheme {
        "https" => (true, 443),
        "http" => (own, 80),
        _ => (false, 0),
    };
    let port = port.filter(|port| *port != default).map(|port| format!(":{port}")).unwrap_or_default();
    (fits && allowed).then(|| format!("{scheme}://{host}{port}"))
}

/// All shops.
///
/// For operators.
#[utoipa::path(
    get,
    path = "/shops",
    params(("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Shops),
        (status = 403, description = "No operator: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, query: Query) -> Answer {
    access::operate(&me)?;
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[id]| id));
    let rows = node.read(move |db| shops::page(db, after, limit as i64 + 1)).await?;
    ok(Page::cut(rows, limit, |row| row.id.to_string()).map(Shown::of))
}

/// Makes a shop.
///
/// For operators.
#[utoipa::path(
    post,
    path = "/shops",
    request_body = schema::NewShop,
    responses(
        (status = 201, description = "Made", body = schema::Shop),
        (status = 403, description = "No operator: `forbidden`"),
        (status = 409, description = "There is one of this name: `conflict`"),
    ),
)]
pub async fn make(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    known: web::Data<Origins>,
    me: Identity,
    body: Body,
) -> Answer {
    access::operate(&me)?;
    let fields = body.fields();
    let shop = fields.name("shop")?.to_owned();
    let wanted = wanted(fields)?;
    let name = wanted.name.clone().ok_or(Refusal::invalid("name"))?;
    let (by, address) = (me.person.id, api.address(&request).to_string());
    let made = write(&node.journal, move |db| {
        let id = shops::insert(db, &shop, &name, "[]", now())?.ok_or(Refusal::Conflict)?.shop().id;
        check_bot(db, id, &wanted)?;
        shops::update(db, id, &wanted)?;
        let row = shops::by_id(db, id)?.ok_or(Refusal::NotFound)?;
        let act = audit::Act {
            shop: Some(id),
            by,
            address: Some(&address),
            what: "shop.created",
            subject: &shop,
            before: None,
            after: Settings::record(&row).map(|after| after.to_string()),
        };
        audit::insert(db, &act, now())?;
        Ok(row)
    })
    .await?;
    known.refresh(&node).await;
    created(Shown::of(made))
}

/// A shop.
///
/// For its admins and for operators.
#[utoipa::path(
    get,
    path = "/shops/{shop}",
    params(("shop" = String, Path, description = "The shop")),
    responses(
        (status = 200, description = "The shop", body = schema::Shop),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn one(node: web::Data<Node>, me: Identity, shop: web::Path<String>) -> Answer {
    let row = node.read(move |db| access::manage(db, &me, &shop)).await??;
    ok(Shown::of(row))
}

/// Changes a shop.
///
/// For its admins and for operators; `disabled` for operators alone.
#[utoipa::path(
    patch,
    path = "/shops/{shop}",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::ShopChange,
    responses(
        (status = 200, description = "The shop as it is then", body = schema::Shop),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn change(node: web::Data<Node>, known: web::Data<Origins>, acting: Acting, body: Body) -> Answer {
    let who = acting.clone();
    node.read(move |db| access::manage(db, &who.me, &who.shop)).await??;
    let wanted = wanted(body.fields())?;
    if wanted.disabled.is_some() {
        access::operate(&acting.me)?;
    }
    let changed = write(&node.journal, move |db| {
        let before = acting.manage(db)?;
        let id = before.shop().id;
        check_bot(db, id, &wanted)?;
        shops::update(db, id, &wanted)?;
        let after = shops::by_id(db, id)?.ok_or(Refusal::NotFound)?;
        let change = [&before, &after].map(Settings::record);
        acting.record(db, id, "shop.changed", &acting.shop, change)?;
        Ok(after)
    })
    .await?;
    known.refresh(&node).await;
    ok(Shown::of(changed))
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (given, canonical) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443/", "https://shop.example"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(origin_of(given).as_deref(), Some(canonical), "{given}");
        }
        for bad in [
            "",
            "*",
            "null",
            "shop.example",
            "http://shop.example",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:0",
            "https://a:99999",
            "https://a:+1",
            "https://a:",
            "https://*.example",
            "https://a b",
            "javascript://a",
            "https://[::1",
        ] {
            assert_eq!(origin_of(bad), None, "{bad}");
        }
    }
}
