//! A shop's records: its conversations, for those who work there.

use actix_web::web;

use super::{
    access,
    conversations::{filter, page_of},
    input::Query,
    output::{Answer, Page, Seen, ok},
    schema, search,
};
use crate::{
    actors::{node::Node, session::Identity},
    domain::{
        ids::{ShopId, UserId},
        refusal::Refusal,
        search::Query as Words,
    },
    store::{conversations::Scope, users},
};

/// The shop, if `me` works there.
pub(super) async fn work(node: &Node, me: &Identity, shop: String) -> Result<ShopId, Refusal> {
    let me = me.clone();
    let row = node.read(move |db| access::work(db, &me, &shop)).await??;
    Ok(row.shop().id)
}

/// Somebody whom a query names: `Err` holds nobody, where there is no such user.
pub(super) async fn somebody(node: &Node, query: &Query, name: &str) -> Result<Option<Result<UserId, ()>>, Refusal> {
    let Some(uid) = query.name(name)? else { return Ok(None) };
    let user = node.read(move |db| users::by_uid(db, &uid)).await?;
    Ok(Some(user.map(|user| UserId(user.id)).ok_or(())))
}

/// A shop's conversations, the latest activity first.
///
/// For its agents.
#[utoipa::path(
    get,
    path = "/shops/{shop}/conversations",
    params(("shop" = String, Path, description = "The shop"), ("buyer" = Option<String>, Query, description = "Of this buyer"), ("agent" = Option<String>, Query, description = "Claimed by this agent"), ("state" = Option<String>, Query, description = "`waiting`, `claimed`, `mine`, `resolved` or `all`"), ("q" = Option<String>, Query, description = "Part of a name or uid of somebody in the conversation"), ("text" = Option<String>, Query, description = "With a message that has these words, as in the search for messages"), ("from" = Option<String>, Query, description = "At this time or later (RFC 3339)"), ("to" = Option<String>, Query, description = "Before this time (RFC 3339)"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Conversations),
        (status = 403, description = "An operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn conversations(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let shop = work(&node, &me, shop.into_inner()).await?;
    let mut filter = filter(&query, me.person.id)?;
    (filter.from, filter.to) = (query.time("from")?, query.time("to")?);
    if let Some(typed) = query.text("text", search::QUERY_MAX)? {
        filter.text = Words::parse(&typed);
        if filter.text.is_none() {
            return ok(Page::<Seen> { items: Vec::new(), next: None });
        }
    }
    let (buyer, agent) = (somebody(&node, &query, "buyer").await?, somebody(&node, &query, "agent").await?);
    let (Ok(buyer), Ok(agent)) = (buyer.transpose(), agent.transpose()) else {
        return ok(Page::<Seen> { items: Vec::new(), next: None });
    };
    filter.buyer = buyer;
    filter.claimed_by = match (filter.claimed_by, agent) {
        (Some(me), Some(agent)) if me != agent => return ok(Page::<Seen> { items: Vec::new(), next: None }),
        (me, agent) => agent.or(me),
    };
    ok(page_of(&node, me.person.id, Scope::Shop(shop), filter, &query).await?)
}
