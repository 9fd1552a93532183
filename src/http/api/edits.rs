//! What a shop's admins do to its records: adding, editing and deleting messages. Each act has its own permission, and is in the audit log.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{HttpRequest, web};

use super::{
    access,
    input::{self, Body, Query},
    messages::{sent, show},
    output::{Answer, done},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{node::Node, session::Identity},
    domain::{
        command::{Act, Outcome, Target},
        ids::{ConversationId, Seq},
        refusal::Refusal,
    },
    protocol::{content, frame::ID_MAX},
};

/// The most messages that are deleted at a time.
const SEQS_MAX: usize = 100;

/// Adds a message on behalf of the buyer, or of an agent of the shop.
///
/// For admins. It needs no claim and opens no ticket. The same `id` and `as` again, by any admin of the shop, is the same message.
#[utoipa::path(
    post,
    path = "/conversations/{id}/messages",
    tag = "messages",
    params(("id" = i64, Path, description = "The conversation")),
    request_body = schema::Addition,
    responses(
        (status = 201, description = "Stored", body = schema::Sent),
        (status = 200, description = "The same `id` and content again: stored before", body = schema::Sent),
        (status = 403, description = "The buyer, or an agent of the shop, but no admin: `forbidden`"),
        (status = 409, description = "The same `id` with other content or in another conversation: `conflict`"),
        (status = 429, description = "More messages than a user may send: `rate_limited`"),
    ),
)]
pub async fn add(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    me: Identity,
    path: web::Path<String>,
    body: Body,
) -> Answer {
    api.send(me.person.id)?;
    let conversation = input::conversation(&path)?;
    let fields = body.fields();
    let client_id = Arc::from(fields.text("id", 1, ID_MAX)?);
    let member = Arc::from(fields.name("as")?);
    let content = content::parse(fields)?;
    let act = Act::Add { conversation, member, client_id, content, address: whence(&api, &request) };
    sent(run(&node, me, conversation, act).await?)
}

/// Gives a message another content.
///
/// For admins of the shop.
#[utoipa::path(
    patch,
    path = "/conversations/{id}/messages/{seq}",
    tag = "messages",
    params(("id" = i64, Path, description = "The conversation"), ("seq" = i64, Path, description = "The message")),
    request_body = schema::Edit,
    responses(
        (status = 200, description = "The message as it is then", body = schema::Message),
        (status = 403, description = "The buyer, or an agent of the shop, but no admin: `forbidden`"),
        (status = 409, description = "A message that was recalled or deleted: `conflict`"),
    ),
)]
pub async fn edit(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    me: Identity,
    path: web::Path<(String, String)>,
    body: Body,
) -> Answer {
    let (conversation, seq) = (input::conversation(&path.0)?, input::seq(&path.1)?);
    let content = content::parse(body.fields())?;
    let user = me.person.id;
    let act = Act::Edit { conversation, seq, content, address: whence(&api, &request) };
    run(&node, me, conversation, act).await?;
    show(&node, user, conversation, seq).await
}

/// Deletes a message: its place stays, and shows that it is gone.
///
/// For admins of the shop. Once more changes nothing.
#[utoipa::path(
    delete,
    path = "/conversations/{id}/messages/{seq}",
    tag = "messages",
    params(("id" = i64, Path, description = "The conversation"), ("seq" = i64, Path, description = "The message")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "The buyer, or an agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn delete(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    me: Identity,
    path: web::Path<(String, String)>,
) -> Answer {
    let (conversation, seq) = (input::conversation(&path.0)?, input::seq(&path.1)?);
    let act = Act::Delete { conversation, seqs: BTreeSet::from([seq]), address: whence(&api, &request) };
    run(&node, me, conversation, act).await?;
    done()
}

/// Deletes several messages at once, or none of them.
///
/// For admins of the shop.
#[utoipa::path(
    delete,
    path = "/conversations/{id}/messages",
    tag = "messages",
    params(("id" = i64, Path, description = "The conversation"), ("seq" = String, Query, description = "Up to 100 messages: `1,2`")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "The buyer, or an agent of the shop, but no admin: `forbidden`"),
        (status = 404, description = "No such conversation, or one of the messages does not exist: `not_found`"),
    ),
)]
pub async fn delete_several(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    me: Identity,
    path: web::Path<String>,
    query: Query,
) -> Answer {
    let conversation = input::conversation(&path)?;
    let seqs = query.maybe("seq", seqs)?.ok_or(Refusal::invalid("seq"))?;
    let act = Act::Delete { conversation, seqs, address: whence(&api, &request) };
    run(&node, me, conversation, act).await?;
    done()
}

/// Numbers of messages, with commas between them.
fn seqs(list: &str) -> Option<BTreeSet<Seq>> {
    let seqs: BTreeSet<Seq> = list.split(',').map(|seq| input::seq(seq).ok()).collect::<Option<_>>()?;
    (seqs.len() <= SEQS_MAX).then_some(seqs)
}

async fn run(node: &Node, me: Identity, id: ConversationId, act: Act) -> Result<Outcome, Refusal> {
    let target = Target::Conversation(id);
    access::reach(node, &me, &target).await?;
    node.run(me.person, &target, act).await
}

/// From where a request has come, for the audit log.
fn whence(api: &ApiSettings, request: &HttpRequest) -> Arc<str> {
    api.address(request).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_messages_are_named_by_their_numbers() {
        assert_eq!(seqs("3,1,3"), Some(BTreeSet::from([1, 3])));
        let many = |n: i64| (1..=n).map(|seq| seq.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(seqs(&many(100)).map(|seqs| seqs.len()), Some(100));
        for bad in ["", ",", "1,", "0", "-1", "1, 2", "a", "9999999999999999999", &many(101)] {
            assert_eq!(seqs(bad), None, "{bad}");
        }
    }
}
