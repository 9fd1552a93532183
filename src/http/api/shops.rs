//! Making shops and changing them.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    access,
    input::{self, Body, Query},
    output::{Answer, Page, created, ok},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{journal::write, node::Node, now, session::Identity},
    domain::{ids::Timestamp, refusal::Refusal},
    http::Origins,
    protocol::{fields::Fields, time::At},
    store::{audit, shops},
};

const ORIGINS_MAX: usize = 50;

#[derive(Serialize)]
struct Shown {
    shop: String,
    name: String,
    origins: Vec<String>,
    created_at: At,
}

impl Shown {
    fn of(row: shops::Row) -> Shown {
        let origins = serde_json::from_str(&row.origins).unwrap_or_default();
        Shown { shop: row.shop, name: row.name, origins, created_at: At(Timestamp(row.created_at)) }
    }
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
    params(("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
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
    let name = input::display_name(fields, "name")?.ok_or(Refusal::invalid("name"))?;
    let origins = origins(fields)?.unwrap_or_else(|| "[]".to_owned());
    let (by, address) = (me.person.id, api.address(&request).to_string());
    let made = write(&node.journal, move |db| {
        let row = shops::insert(db, &shop, &name, &origins, now())?.ok_or(Refusal::Conflict)?;
        let act = audit::Act {
            shop: Some(row.shop().id),
            by,
            address: Some(&address),
            what: "shop.created",
            subject: &shop,
            before: None,
            after: Some(record(&row)),
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
/// For its admins and for operators.
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
pub async fn change(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    known: web::Data<Origins>,
    me: Identity,
    shop: web::Path<String>,
    body: Body,
) -> Answer {
    let may = {
        let (me, shop) = (me.clone(), shop.clone());
        node.read(move |db| access::manage(db, &me, &shop)).await?
    };
    may?;
    let fields = body.fields();
    let (name, origins) = (input::display_name(fields, "name")?, origins(fields)?);
    let address = api.address(&request).to_string();
    let changed = write(&node.journal, move |db| {
        let before = access::manage(db, &me, &shop)??;
        let id = before.shop().id;
        shops::update(db, id, name.as_deref(), origins.as_deref())?;
        let after = shops::by_id(db, id)?.ok_or(Refusal::NotFound)?;
        let act = audit::Act {
            shop: Some(id),
            by: me.person.id,
            address: Some(&address),
            what: "shop.changed",
            subject: &shop,
            before: Some(record(&before)),
            after: Some(record(&after)),
        };
        audit::insert(db, &act, now())?;
        Ok(after)
    })
    .await?;
    known.refresh(&node).await;
    ok(Shown::of(changed))
}

/// What the audit keeps of a shop.
fn record(row: &shops::Row) -> String {
    let origins: Value = serde_json::from_str(&row.origins).unwrap_or_default();
    json!({ "name": row.name, "origins": origins }).to_string()
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
