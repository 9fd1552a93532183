//! The list of administrative acts: who did what, when and whence.

use actix_web::web;
use serde::Serialize;
use serde_json::Value;

use super::{
    access,
    input::Query,
    output::{Answer, Page, ok},
    schema,
};
use crate::{
    actors::{node::Node, session::Identity},
    domain::ids::Timestamp,
    protocol::time::At,
    store::audit::{self, Filter},
};

/// The longest name of an act to look for.
const WHAT_MAX: usize = 64;

#[derive(Serialize)]
struct By {
    uid: String,
    name: String,
}

#[derive(Serialize)]
struct Shown {
    id: i64,
    at: At,
    by: By,
    address: Option<String>,
    what: String,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Shown {
    fn of((row, uid, name): audit::Found) -> Shown {
        let json = |stored: Option<String>| stored.and_then(|stored| serde_json::from_str(&stored).ok());
        Shown {
            id: row.id,
            at: At(Timestamp(row.at)),
            by: By { uid, name },
            address: row.address,
            what: row.what,
            subject: row.subject,
            before: json(row.before),
            after: json(row.after),
        }
    }
}

/// Every administrative act in a shop, the latest first.
///
/// For its admins and for operators. Nothing in it is ever changed or removed.
#[utoipa::path(
    get,
    path = "/shops/{shop}/audit",
    params(("shop" = String, Path, description = "The shop"), ("by" = Option<String>, Query, description = "Done by this user"), ("what" = Option<String>, Query, description = "This kind of act, as `agent.changed`; or a whole group, as `agent`"), ("from" = Option<String>, Query, description = "At this time or later (RFC 3339)"), ("to" = Option<String>, Query, description = "Before this time (RFC 3339)"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Acts),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let (limit, before) = (query.limit()?, query.cursor_of::<1>()?.map(|[id]| id));
    let filter = Filter {
        by: query.name("by")?,
        what: query.text("what", WHAT_MAX)?,
        from: query.time("from")?,
        to: query.time("to")?,
    };
    let rows = node
        .read(move |db| match access::manage(db, &me, &shop)? {
            Ok(row) => audit::page(db, row.shop().id, &filter, before, limit as i64 + 1).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await??;
    ok(Page::cut(rows, limit, |(row, _, _)| row.id.to_string()).map(Shown::of))
}
