//! Saying something, and reading what was said.

use std::sync::Arc;

use actix_web::{HttpRequest, http::Method, web};
use serde::{Serialize, Serializer};

use super::{
    access,
    input::{self, Body, Query},
    output::{Answer, created, ok},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{
        node::Node,
        session::{Identity, history, marked},
    },
    domain::{
        command::{Act, Outcome, Target},
        ids::{ConversationId, Seq, UserId},
        refusal::Refusal,
    },
    protocol::{
        content,
        frame::{self, ID_MAX, PAGE, PAGE_MAX},
        time::At,
        view::RecordView,
    },
    store::messages::Record,
};

/// A message in the history, with what has become of it.
struct Shown(Record);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (message, marks) = marked(self.0.clone());
        RecordView::of(&message, &marks).serialize(serializer)
    }
}

/// Sends a message.
///
/// Answered when it is stored.
#[utoipa::path(
    post,
    path = "/messages",
    request_body = schema::Send,
    responses(
        (status = 201, description = "Stored", body = schema::Sent),
        (status = 200, description = "The same `id` and content again: stored before", body = schema::Sent),
        (status = 403, description = "An agent opening a conversation with its own shop, or a visitor a direct one: `forbidden`"),
        (status = 404, description = "No such shop or conversation: `not_found`"),
        (status = 409, description = "The same `id` with other content: `conflict`. An agent that has not claimed the conversation: `not_claimed`, `not_claimant`"),
        (status = 429, description = "More messages than a user may send: `rate_limited`"),
    ),
)]
pub async fn send(node: web::Data<Node>, api: web::Data<ApiSettings>, me: Identity, body: Body) -> Answer {
    api.send(me.person.id)?;
    let fields = body.fields();
    let client_id = Arc::from(fields.text("id", 1, ID_MAX)?);
    let to = frame::target(fields)?;
    let content = content::parse(fields)?;
    access::reach(&node, &me, &to).await?;
    let act = Act::Send { to: to.clone(), client_id, content };
    sent(node.run(me.person, &to, act).await?)
}

/// Where a message has been put.
pub fn sent(outcome: Outcome) -> Answer {
    #[derive(Serialize)]
    struct Sent {
        conversation: i64,
        seq: Seq,
        at: At,
        duplicate: bool,
    }
    match outcome {
        Outcome::Stored { message, .. } => {
            let (conversation, seq, at) = (message.conversation.0, message.seq, At(message.at));
            created(Sent { conversation, seq, at, duplicate: false })
        }
        Outcome::Duplicate { conversation, seq, at } => {
            ok(Sent { conversation: conversation.0, seq, at: At(at), duplicate: true })
        }
        _ => Err(Refusal::BUSY.into()),
    }
}

/// A page of the history.
///
/// Bounds are exclusive; without any it is the newest page.
#[utoipa::path(
    get,
    path = "/conversations/{id}/messages",
    params(("id" = i64, Path, description = "The conversation"), ("before" = Option<i64>, Query, description = "Below this `seq`"), ("after" = Option<i64>, Query, description = "Above this `seq`"), ("limit" = Option<u32>, Query, description = "How many, at most 200; 50 where it is absent", minimum = 1, maximum = 200), ("mark_read" = Option<bool>, Query, description = "Count what is shown as read")),
    responses(
        (status = 200, description = "Messages in the order of `seq`", body = schema::Messages),
    ),
)]
pub async fn list(
    request: HttpRequest,
    node: web::Data<Node>,
    me: Identity,
    path: web::Path<String>,
    query: Query,
) -> Answer {
    #[derive(Serialize)]
    struct Messages {
        items: Vec<Shown>,
        more: bool,
    }
    let id = input::conversation(&path)?;
    let before = query.integer("before", 0, Seq::MAX)?;
    let after = query.integer("after", 0, Seq::MAX)?;
    let limit = query.limit_of(PAGE, PAGE_MAX)?;
    let mark_read = query.flag("mark_read")? && request.method() == Method::GET;
    let (_, items, more) = history(&node, me.person.id, id, before, after, limit).await?;
    if let (true, Some(last)) = (mark_read, items.last()) {
        let act = Act::Read { conversation: id, seq: last.message.seq };
        node.run(me.person, &Target::Conversation(id), act).await?;
    }
    ok(Messages { items: items.into_iter().map(Shown).collect(), more })
}

/// One message.
#[utoipa::path(
    get,
    path = "/conversations/{id}/messages/{seq}",
    params(("id" = i64, Path, description = "The conversation"), ("seq" = i64, Path, description = "The message")),
    responses(
        (status = 200, description = "The message", body = schema::Message),
    ),
)]
pub async fn one(node: web::Data<Node>, me: Identity, path: web::Path<(String, String)>) -> Answer {
    let (id, seq) = (input::conversation(&path.0)?, input::seq(&path.1)?);
    show(&node, me.person.id, id, seq).await
}

/// A message as it is.
pub async fn show(node: &Node, me: UserId, id: ConversationId, seq: Seq) -> Answer {
    let (_, items, _) = history(node, me, id, Some(seq + 1), Some(seq - 1), 1).await?;
    ok(Shown(items.into_iter().next().ok_or(Refusal::NotFound)?))
}
