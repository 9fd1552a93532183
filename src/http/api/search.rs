//! A shop's messages by their words.

use std::collections::BTreeMap;

use actix_web::web;
use serde::Serialize;

use super::{
    input,
    output::{Answer, Page, ok},
    records::{somebody, work},
    schema,
};
use crate::{
    actors::{
        node::Node,
        session::{Identity, marked},
    },
    domain::{
        refusal::Refusal,
        search::{Marks, Query},
    },
    protocol::{
        content,
        view::{Name, RecordView},
    },
    store::search::{self, Found, Sought},
};

/// The longest query, in characters.
pub const QUERY_MAX: usize = 100;

/// A message that has the words, and where.
struct Hit {
    found: Found,
    marks: BTreeMap<&'static str, Marks>,
}

impl Hit {
    /// `None` for one that has changed since it was indexed.
    fn of(found: Found, query: &Query) -> Option<Hit> {
        let parts = content::searched(&found.record.message.content);
        let texts: Vec<&str> = parts.iter().map(|(_, text)| &**text).collect();
        let marks = query.marks(&texts)?;
        let marks = parts.iter().map(|(name, _)| *name).zip(marks).filter(|(_, marks)| !marks.is_empty()).collect();
        Some(Hit { found, marks })
    }
}

impl Serialize for Hit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(flatten)]
            record: RecordView<'a>,
            buyer: Name<'a>,
            marks: &'a BTreeMap<&'static str, Marks>,
        }
        let (message, times) = marked(self.found.record.clone());
        let record = RecordView::of(&message, &times);
        Fields { record, buyer: Name::of(&self.found.buyer), marks: &self.marks }.serialize(serializer)
    }
}

/// A shop's messages that have all of the words, the newest first.
///
/// For its agents. Searched are texts, names of files, and numbers and titles of products and orders, in any language, a second after they
/// were stored at the latest; capitals, accents and full-width forms make no difference. The last word may be the beginning of one,
/// from three letters on. `"Words in quotes"` follow one another. A page may have fewer than `limit` items while `next` is not null.
#[utoipa::path(
    get,
    path = "/shops/{shop}/messages",
    params(("shop" = String, Path, description = "The shop"), ("q" = String, Query, description = "The words", max_length = 100, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"), ("from" = Option<String>, Query, description = "Said at this time or later (RFC 3339)"), ("to" = Option<String>, Query, description = "Said before this time (RFC 3339)"), ("uid" = Option<String>, Query, description = "Said by this user"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-8][0-9]{0,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Hits),
        (status = 403, description = "An operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn messages(node: web::Data<Node>, me: Identity, shop: web::Path<String>, request: input::Query) -> Answer {
    let shop = work(&node, &me, shop.into_inner()).await?;
    let typed = request.text("q", QUERY_MAX)?.ok_or(Refusal::invalid("q"))?;
    let (from, to) = (request.time("from")?, request.time("to")?);
    let (limit, below) = (request.limit()?, request.cursor_of::<1>()?.map(|[id]| id));
    let sender = somebody(&node, &request, "uid").await?.transpose();
    let (Some(query), Ok(sender)) = (Query::parse(&typed), sender) else {
        return ok(Page::<()> { items: Vec::new(), next: None });
    };
    let sought = Sought { shop, query: query.clone(), sender, from, to };
    let found = node.search(move |db| search::page(db, &sought, below, limit + 1)).await?;
    let Page { items, next } = Page::cut(found, limit, |found| found.id.to_string());
    ok(Page { items: items.into_iter().filter_map(|found| Hit::of(found, &query)).collect(), next })
}
