//! Conversations of which one is a member, or whose shop one works for.

use std::sync::Arc;

use actix_web::web;
use serde::Serialize;

use super::{
    input::{self, Body, Query},
    output::{Answer, Page, Seen, ok},
    schema,
};
use crate::{
    actors::{
        node::Node,
        session::{Identity, visible, with_side},
    },
    domain::{
        command::{Act, Outcome, Target},
        conversation::Standing,
        ids::{ConversationId, UserId},
        refusal::Refusal,
    },
    protocol::{frame::InboxState, page, time::At, view::Name},
    store::{
        Db,
        conversations::{self, Filter, Scope},
        people::People,
        timeline,
    },
};

/// The longest part of a name that may be looked for.
const Q_MAX: usize = 100;
const COMMENT_MAX: usize = 1_000;

/// The filter that `state` and `q` of a query ask for.
///
/// # Errors
/// `Invalid`.
pub fn filter(query: &Query, me: UserId) -> Result<Filter, Refusal> {
    let mut filter = Filter { q: query.text("q", Q_MAX)?, ..Filter::default() };
    match query.maybe("state", InboxState::parse)?.unwrap_or_default() {
        InboxState::Waiting => filter.state = Some("waiting"),
        InboxState::Claimed => filter.state = Some("claimed"),
        InboxState::Resolved => filter.state = Some("resolved"),
        InboxState::Mine => filter.claimed_by = Some(me),
        InboxState::All => {}
    }
    Ok(filter)
}

/// A page of conversations, each as `me` sees it.
///
/// # Errors
/// `Invalid("cursor")`, `Unavailable`.
pub async fn page_of(
    node: &Node,
    me: UserId,
    scope: Scope,
    filter: Filter,
    query: &Query,
) -> Result<Page<Seen>, Refusal> {
    let (after, limit) = (page::parse(query.cursor()?)?, query.limit()?);
    let searches = filter.text.is_some();
    let read = move |db: &mut Db| conversations::page(db, me, scope, &filter, after, limit);
    let (items, next) = if searches { node.search(read).await? } else { node.read(read).await? };
    let items = items.into_iter().map(|snapshot| seen(snapshot, me)).collect();
    Ok(Page { items, next: next.map(page::encode) })
}

fn seen(snapshot: crate::domain::command::Snapshot, me: UserId) -> Seen {
    let (snapshot, side) = with_side(snapshot, me);
    Seen(snapshot, side)
}

/// One's own conversations, the latest activity first.
#[utoipa::path(
    get,
    path = "/conversations",
    params(("state" = Option<String>, Query, description = "`waiting`, `claimed`, `mine`, `resolved` or `all`"), ("q" = Option<String>, Query, description = "Part of a name or uid of somebody in the conversation"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Conversations),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, query: Query) -> Answer {
    let id = me.person.id;
    ok(page_of(&node, id, Scope::Own, filter(&query, id)?, &query).await?)
}

/// A conversation's summary.
#[utoipa::path(
    get,
    path = "/conversations/{id}",
    params(("id" = i64, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The summary", body = schema::Conversation),
    ),
)]
pub async fn one(node: web::Data<Node>, me: Identity, path: web::Path<String>) -> Answer {
    let (id, me) = (input::conversation(&path)?, me.person.id);
    let snapshot = node
        .read(move |db| match visible(db, me, id)? {
            Some(_) => conversations::snapshot(db, &mut People::default(), id),
            None => Ok(None),
        })
        .await?;
    ok(seen(snapshot.ok_or(Refusal::NotFound)?, me))
}

/// Claims, transfers, resolutions: who, when.
///
/// For agents of the shop.
#[utoipa::path(
    get,
    path = "/conversations/{id}/timeline",
    params(("id" = i64, Path, description = "The conversation"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page, the oldest first", body = schema::Timeline),
        (status = 403, description = "The buyer: `forbidden`"),
    ),
)]
pub async fn timeline(node: web::Data<Node>, me: Identity, path: web::Path<String>, query: Query) -> Answer {
    #[derive(Serialize)]
    struct Change<'a> {
        at: At,
        cause: &'a str,
        by: Name<'a>,
        from: Option<Name<'a>>,
        to: Option<Name<'a>>,
        claim_version: i64,
        ticket: i64,
    }
    let (id, me) = (input::conversation(&path)?, me.person.id);
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[position]| position));
    let (standing, entries) = node
        .read(move |db| {
            let Some((conversation, role)) = visible(db, me, id)? else { return Ok(None) };
            let entries = timeline::page(db, id, after, limit as i64 + 1)?;
            Ok(conversation.standing(me, role).map(|standing| (standing, entries)))
        })
        .await?
        .ok_or(Refusal::NotFound)?;
    if !matches!(standing, Standing::Agent(_)) {
        return Err(Refusal::Forbidden.into());
    }
    let page = Page::cut(entries, limit, |entry| entry.position.to_string());
    let items = page.items.iter().map(|entry| Change {
        at: At(entry.at),
        cause: &entry.cause,
        by: Name::of(&entry.by),
        from: entry.from.as_deref().map(Name::of),
        to: entry.to.as_deref().map(Name::of),
        claim_version: entry.claim_version,
        ticket: entry.ticket,
    });
    ok(Page { items: items.collect(), next: page.next.clone() })
}

async fn run(node: &Node, me: Identity, id: ConversationId, act: Act) -> Result<Outcome, Refusal> {
    node.run(me.person, &Target::Conversation(id), act).await
}

/// Counts all up to `seq` as seen.
#[utoipa::path(
    post,
    path = "/conversations/{id}/read",
    params(("id" = i64, Path, description = "The conversation")),
    request_body = schema::ReadUpTo,
    responses(
        (status = 200, description = "How many remain", body = schema::Unread),
    ),
)]
pub async fn read(node: web::Data<Node>, me: Identity, path: web::Path<String>, body: Body) -> Answer {
    #[derive(Serialize)]
    struct Unread {
        unread: i64,
    }
    let conversation = input::conversation(&path)?;
    let seq = body.fields().seq()?;
    match run(&node, me, conversation, Act::Read { conversation, seq }).await? {
        Outcome::Moved { now, side, .. } => ok(Unread { unread: now.side(side).unread }),
        _ => Err(Refusal::BUSY.into()),
    }
}

/// Does something to a claim, and shows the conversation as it is then.
async fn act(node: &Node, me: Identity, id: ConversationId, act: Act) -> Answer {
    let user = me.person.id;
    match run(node, me, id, act).await? {
        Outcome::Changed { now, .. } | Outcome::Unchanged(now) => ok(seen(Arc::unwrap_or_clone(now), user)),
        _ => Err(Refusal::BUSY.into()),
    }
}

/// Claims the conversation.
#[utoipa::path(
    post,
    path = "/conversations/{id}/claim",
    params(("id" = i64, Path, description = "The conversation")),
    responses(
        (status = 200, description = "Claimed", body = schema::Conversation),
        (status = 403, description = "The buyer: `forbidden`"),
        (status = 409, description = "Somebody else was faster: `already_claimed`"),
    ),
)]
pub async fn claim(node: web::Data<Node>, me: Identity, path: web::Path<String>) -> Answer {
    let id = input::conversation(&path)?;
    act(&node, me, id, Act::Claim(id)).await
}

/// Gives the claim back: the conversation waits again.
#[utoipa::path(
    post,
    path = "/conversations/{id}/release",
    params(("id" = i64, Path, description = "The conversation")),
    responses(
        (status = 200, description = "Waiting", body = schema::Conversation),
        (status = 403, description = "The buyer: `forbidden`"),
        (status = 409, description = "Not claimed by whoever asks: `not_claimed`, `not_claimant`"),
    ),
)]
pub async fn release(node: web::Data<Node>, me: Identity, path: web::Path<String>) -> Answer {
    let id = input::conversation(&path)?;
    act(&node, me, id, Act::Release(id)).await
}

/// Ends this round of service.
#[utoipa::path(
    post,
    path = "/conversations/{id}/resolve",
    params(("id" = i64, Path, description = "The conversation")),
    responses(
        (status = 200, description = "Resolved", body = schema::Conversation),
        (status = 403, description = "The buyer: `forbidden`"),
        (status = 409, description = "Not claimed by whoever asks: `not_claimed`, `not_claimant`"),
    ),
)]
pub async fn resolve(node: web::Data<Node>, me: Identity, path: web::Path<String>) -> Answer {
    let id = input::conversation(&path)?;
    act(&node, me, id, Act::Resolve(id)).await
}

/// Hands the claim to another agent of the shop.
#[utoipa::path(
    post,
    path = "/conversations/{id}/transfer",
    params(("id" = i64, Path, description = "The conversation")),
    request_body = schema::Transfer,
    responses(
        (status = 200, description = "Transferred", body = schema::Conversation),
        (status = 403, description = "The buyer: `forbidden`"),
        (status = 409, description = "Not claimed by whoever asks: `not_claimed`, `not_claimant`"),
    ),
)]
pub async fn transfer(node: web::Data<Node>, me: Identity, path: web::Path<String>, body: Body) -> Answer {
    let conversation = input::conversation(&path)?;
    let to = body.fields().name("to")?.into();
    act(&node, me, conversation, Act::Transfer { conversation, to }).await
}

/// What the buyer thinks of the last round of service.
#[utoipa::path(
    post,
    path = "/conversations/{id}/rating",
    params(("id" = i64, Path, description = "The conversation")),
    request_body = schema::Rating,
    responses(
        (status = 200, description = "Noted", body = schema::Rating),
        (status = 403, description = "Not the buyer: `forbidden`"),
    ),
)]
pub async fn rating(node: web::Data<Node>, me: Identity, path: web::Path<String>, body: Body) -> Answer {
    #[derive(Serialize)]
    struct Rating {
        score: i64,
        comment: Option<Arc<str>>,
    }
    let conversation = input::conversation(&path)?;
    let fields = body.fields();
    let score = fields.integer("score", 1, 5)?;
    let comment: Option<Arc<str>> = fields.maybe_text("comment", 1, COMMENT_MAX)?.map(Arc::from);
    let given = Act::Rate { conversation, score: score as i16, comment: comment.clone() };
    match run(&node, me, conversation, given).await? {
        Outcome::Rated => ok(Rating { score, comment }),
        _ => Err(Refusal::BUSY.into()),
    }
}
