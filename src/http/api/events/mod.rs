//! What happens in a shop, for the shop's own systems: each reader with a position of its own, or in groups that share the work.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mod` | a page of events, at once or as soon as there are some |
//! | `stream` | the same as server-sent events, without end |
//! | `groups` | groups, and what their members take and acknowledge |

pub mod groups;
mod stream;

use std::time::Duration;

use actix_web::{HttpRequest, http::header::ACCEPT, web};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    access,
    input::Query,
    output::{Answer, ok},
    schema,
};
use crate::{
    actors::{node::Node, session::Identity},
    domain::{
        event::{Position, Told, Types},
        ids::ShopId,
        permission::Permission,
        refusal::Refusal,
    },
    protocol::told::View,
    store::events::{self, Outside, Page},
};

/// Paths whose answer may wait for events.
pub const WAITING: [&str; 2] = ["/shops/{shop}/events", "/shops/{shop}/event-groups/{name}/take"];
/// The longest that a request waits for events, in seconds.
const WAIT_MAX: i64 = 30;
/// The longest list of types, in characters.
const TYPES_MAX: usize = 500;

/// Which events somebody wants.
#[derive(Clone)]
struct Asked {
    shop: String,
    /// Where none is named: what there is from the beginning.
    after: Option<Position>,
    types: Types,
    limit: usize,
}

/// Reads events, for who may.
async fn read(node: &Node, me: Identity, asked: Asked) -> Result<(ShopId, Page<Told>), Refusal> {
    node.read(move |db| {
        let shop = match access::permitted(db, &me, &asked.shop, Permission::ReadEvents)? {
            Ok(row) => row.shop().id,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let after = match asked.after {
            Some(after) => after,
            None => events::kept(db, shop)?.removed,
        };
        let page = events::after(db, shop, after, &asked.types, asked.limit)?;
        Ok(page.map(|page| (shop, page)).map_err(|outside| refused(outside, "after")))
    })
    .await?
}

fn refused(outside: Outside, field: &'static str) -> Refusal {
    match outside {
        Outside::Removed { earliest } => Refusal::Gone { earliest },
        Outside::Ahead => Refusal::invalid(field),
    }
}

/// Reads until there are events, or `until` is over.
async fn wait_for(node: &Node, me: &Identity, mut asked: Asked, until: Instant) -> Result<Page<Told>, Refusal> {
    loop {
        let (shop, page) = read(node, me.clone(), asked.clone()).await?;
        if !page.events.is_empty() || Instant::now() >= until || node.feed.is_closed() {
            return Ok(page);
        }
        if page.position == page.last {
            node.feed.wait(shop, page.last, until).await;
        }
        asked.after = Some(page.position);
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    items: Vec<View<'a>>,
    position: Position,
    last: Position,
}

/// What has happened in a shop, in its order.
///
/// For its admins. Each event has a position: 1, 2, 3 … without gaps. `after` is where one has got to: `position` of the answer before. With
/// `wait`, the answer comes as soon as there is an event, or after so many seconds without one. With `Accept: text/event-stream` it is a
/// stream of server-sent events that does not end; `Last-Event-ID` says where it goes on. `docs/events.md` has examples.
#[utoipa::path(
    get,
    path = "/shops/{shop}/events",
    tag = "events",
    params(
        ("shop" = String, Path, description = "The shop"),
        ("after" = Option<i64>, Query, description = "Only events behind this position; where it is absent, all that are kept"),
        ("types" = Option<String>, Query, description = "Only these types, as `message.stored`, or groups of them, as `conversation`, separated by commas"),
        ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"),
        ("wait" = Option<u32>, Query, description = "How long to wait for an event, in seconds, at most 30"),
        ("Last-Event-ID" = Option<String>, Header, description = "Of a stream: instead of `after`"),
    ),
    responses(
        (status = 200, description = "Events", content((schema::Events = "application/json"), (String = "text/event-stream", example = "id: 4711\nevent: message.stored\ndata: {\"version\":1}\n\n"))),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 410, description = "What came next is not kept any more: `gone`"),
    ),
)]
pub async fn list(
    request: HttpRequest,
    node: web::Data<Node>,
    me: Identity,
    shop: web::Path<String>,
    query: Query,
) -> Answer {
    let asked = Asked {
        shop: shop.into_inner(),
        after: query.integer("after", 0, Position::MAX)?,
        types: types(query.text("types", TYPES_MAX)?.as_deref())?,
        limit: query.limit()?,
    };
    let wait = query.integer("wait", 0, WAIT_MAX)?.unwrap_or(0).unsigned_abs();
    let accepts = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains(stream::MEDIA_TYPE) {
        return stream::answer(request, node, me, asked).await;
    }
    let page = wait_for(&node, &me, asked, Instant::now() + Duration::from_secs(wait)).await?;
    let items = page.events.iter().map(View::of).collect();
    ok(Shown { items, position: page.position, last: page.last })
}

fn types(names: Option<&str>) -> Result<Types, Refusal> {
    Types::parse(names.unwrap_or_default()).ok_or(Refusal::invalid("types"))
}
