//! Canned replies: a shop's, written by its admins, and each agent's own.

use actix_web::web;
use serde::Serialize;
use serde_json::json;

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
    domain::{
        conversation::Parties,
        ids::{ConversationId, ShopId, Timestamp, UserId},
        refusal::Refusal,
        reply::{self, Names},
    },
    protocol::{fields::Fields, time::At},
    store::{Db, conversations, people::People, replies, shops},
};

/// What a message may have.
const TEXT_MAX: usize = 4_000;
const GROUP_MAX: usize = 64;
/// So that a cursor has room for it, whatever its letters.
const SHORTCUT_MAX: usize = 24;
/// How many a shop has, and each of its agents.
const REPLIES_MAX: i64 = 1_000;
const Q_MAX: usize = 100;

#[derive(Serialize)]
struct Shown {
    id: i64,
    group: Option<String>,
    shortcut: String,
    text: String,
    /// With the names of the conversation that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rendered: Option<String>,
    own: bool,
    created_at: At,
    updated_at: At,
}

impl Shown {
    fn of(row: replies::Row, names: Option<Names<'_>>) -> Shown {
        Shown {
            id: row.id,
            rendered: names.map(|names| reply::render(&row.text, names)),
            own: row.owner_id.is_some(),
            group: Some(row.group).filter(|group| !group.is_empty()),
            shortcut: row.shortcut,
            text: row.text,
            created_at: At(Timestamp(row.created_at)),
            updated_at: At(Timestamp(row.updated_at)),
        }
    }
}

fn shortcut(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    fields.maybe("shortcut", |value| {
        let shortcut = value.as_str()?;
        let fits = (1..=SHORTCUT_MAX).contains(&shortcut.chars().take(SHORTCUT_MAX + 1).count());
        let plain = !shortcut.starts_with('/') && !shortcut.chars().any(|c| c.is_whitespace() || c.is_control());
        (fits && plain).then(|| shortcut.to_owned())
    })
}

fn text(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    fields.maybe("text", |value| {
        let text = value.as_str()?.trim();
        let fits = (1..=TEXT_MAX).contains(&text.chars().take(TEXT_MAX + 1).count()) && !text.contains('\0');
        (fits && reply::is_known(text)).then(|| text.to_owned())
    })
}

/// `Some` of an empty one where it is `null`.
fn group(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    let group = fields.maybe("group", |value| {
        let group = value.as_str()?.trim();
        let fits = group.chars().take(GROUP_MAX + 1).count() <= GROUP_MAX;
        (fits && !group.chars().any(char::is_control)).then(|| group.to_owned())
    })?;
    Ok(if fields.is_null("group") { Some(String::new()) } else { group })
}

/// Canned replies: the shop's, and one's own.
///
/// For the shop's agents, and for operators. By shortcut.
#[utoipa::path(
    get,
    path = "/shops/{shop}/replies",
    params(("shop" = String, Path, description = "The shop"), ("q" = Option<String>, Query, description = "Part of the shortcut, the group or the text"), ("conversation" = Option<i64>, Query, description = "Fill in the names of this conversation of the shop: `rendered`; for agents"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}[.][^\\s/]{1,24}$")),
    responses(
        (status = 200, description = "A page", body = schema::Replies),
        (status = 403, description = "`conversation` by an operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let limit = query.limit()?;
    let pattern = |q: String| format!("%{}%", escaped(&q.to_ascii_lowercase()));
    let like = query.text("q", Q_MAX)?.map(pattern);
    let after = query.cursor()?.map(cursor).transpose()?;
    let conversation = query.integer("conversation", 1, i64::MAX)?.map(ConversationId);
    let agent = me.person.name.clone();
    let (shop, buyer, rows) = node
        .read(move |db| {
            let shop = match access::read_settings(db, &me, &shop, conversation.is_some())? {
                Ok(shop) => shop,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let id = shop.shop().id;
            let buyer = match conversation {
                Some(conversation) => match buyer_of(db, id, conversation)? {
                    Some(buyer) => Some(buyer),
                    None => return Ok(Err(Refusal::NotFound)),
                },
                None => None,
            };
            let rows = replies::page(db, id, me.person.id, like.as_deref(), after.as_ref(), limit as i64 + 1)?;
            Ok(Ok((shop, buyer, rows)))
        })
        .await??;
    let names = buyer.as_deref().map(|buyer| Names { buyer, agent: &agent, shop: &shop.name });
    let page = Page::cut(rows, limit, |row| format!("{}.{}", row.id, row.shortcut));
    ok(page.map(|row| Shown::of(row, names)))
}

/// The name of the buyer of a conversation of this shop.
fn buyer_of(db: &mut Db, shop: ShopId, id: ConversationId) -> diesel::QueryResult<Option<String>> {
    let conversation = conversations::load(db, &mut People::default(), id)?;
    Ok(conversation.and_then(|conversation| match &conversation.parties {
        Parties::Support { shop: its, buyer } if its.id == shop => Some(buyer.name.to_string()),
        _ => None,
    }))
}

/// For a pattern, with `\` before what means something there.
fn escaped(q: &str) -> String {
    q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn cursor(cursor: &str) -> Result<replies::Cursor, Refusal> {
    let (id, shortcut) = cursor.split_once('.').ok_or(Refusal::invalid("cursor"))?;
    let id = id.parse().map_err(|_| Refusal::invalid("cursor"))?;
    if shortcut.contains('\0') {
        return Err(Refusal::invalid("cursor"));
    }
    Ok((shortcut.to_owned(), id))
}

/// Who writes.
struct Writer(Acting);

impl Writer {
    /// The shop, if this user may write its replies, or with `own` those of its own there.
    fn enter(&self, db: &mut Db, own: bool) -> Result<shops::Row, WriteError> {
        if own { Ok(access::work(db, &self.0.me, &self.0.shop)??) } else { self.0.manage(db) }
    }

    /// A reply that this user may write. That somebody else has one of its own, nobody learns.
    fn find(&self, db: &mut Db, id: i64) -> Result<(shops::Row, replies::Row), WriteError> {
        let shop = access::read_settings(db, &self.0.me, &self.0.shop, false)??;
        let row = replies::find(db, shop.shop().id, id)?.ok_or(Refusal::NotFound)?;
        match row.owner_id {
            Some(owner) if owner != self.0.me.person.id.0 => Err(Refusal::NotFound.into()),
            owner => Ok((self.enter(db, owner.is_some())?, row)),
        }
    }

    /// What is done to a shop's replies is audited; one's own are one's own affair.
    fn record(
        &self,
        db: &mut Db,
        what: &str,
        before: Option<&replies::Row>,
        after: Option<&replies::Row>,
    ) -> Result<(), WriteError> {
        let Some(row) = after.or(before).filter(|row| row.owner_id.is_none()) else { return Ok(()) };
        let shown = |row: &replies::Row| json!({ "group": row.group, "shortcut": row.shortcut, "text": row.text });
        self.0.record(db, ShopId(row.shop_id), what, &row.shortcut, [before.map(shown), after.map(shown)])
    }
}

/// Makes a canned reply.
///
/// For the shop's admins and for operators; with `own`, for its agents, each for itself.
#[utoipa::path(
    post,
    path = "/shops/{shop}/replies",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewReply,
    responses(
        (status = 201, description = "Made", body = schema::Reply),
        (status = 403, description = "An agent of the shop, but no admin; or `own` by an operator: `forbidden`"),
        (status = 409, description = "There is one with this shortcut, or there are a thousand: `conflict`"),
    ),
)]
pub async fn add(node: web::Data<Node>, acting: Acting, body: Body) -> Answer {
    let writer = Writer(acting);
    let fields = body.fields();
    let own = fields.maybe("own", serde_json::Value::as_bool)?.unwrap_or(false);
    let shortcut = shortcut(fields)?.ok_or(Refusal::invalid("shortcut"))?;
    let text = text(fields)?.ok_or(Refusal::invalid("text"))?;
    let group = group(fields)?.unwrap_or_default();
    let made = write(&node.journal, move |db| {
        let shop = writer.enter(db, own)?.shop().id;
        let owner = own.then_some(writer.0.me.person.id);
        if replies::count(db, shop, owner)? >= REPLIES_MAX {
            return Err(Refusal::Conflict.into());
        }
        let new = replies::New { group: &group, shortcut: &shortcut, text: &text };
        let made = replies::insert(db, shop, owner, new, now())?.ok_or(Refusal::Conflict)?;
        writer.record(db, "reply.added", None, Some(&made))?;
        Ok(made)
    })
    .await?;
    created(Shown::of(made, None))
}

/// Changes a canned reply.
///
/// For the shop's admins and for operators; one's own, for its agents.
#[utoipa::path(
    patch,
    path = "/shops/{shop}/replies/{id}",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The reply")),
    request_body = schema::ReplyChange,
    responses(
        (status = 200, description = "The reply as it is then", body = schema::Reply),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
        (status = 409, description = "There is another one with this shortcut: `conflict`"),
    ),
)]
pub async fn change(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>, body: Body) -> Answer {
    let (writer, id) = (Writer(acting), input::number(&path.1)?);
    let fields = body.fields();
    let wanted = replies::Change { group: group(fields)?, shortcut: shortcut(fields)?, text: text(fields)? };
    let changed = write(&node.journal, move |db| {
        let (shop, before) = writer.find(db, id)?;
        let (shop, owner) = (shop.shop().id, before.owner_id.map(UserId));
        if let Some(shortcut) = &wanted.shortcut
            && replies::is_taken(db, shop, owner, shortcut, id)?
        {
            return Err(Refusal::Conflict.into());
        }
        replies::update(db, id, &wanted, now())?;
        let after = replies::find(db, shop, id)?.ok_or(Refusal::NotFound)?;
        writer.record(db, "reply.changed", Some(&before), Some(&after))?;
        Ok(after)
    })
    .await?;
    ok(Shown::of(changed, None))
}

/// Removes a canned reply.
///
/// For the shop's admins and for operators; one's own, for its agents.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/replies/{id}",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The reply")),
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn remove(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let (writer, id) = (Writer(acting), input::number(&path.1)?);
    write(&node.journal, move |db| {
        let (_, before) = writer.find(db, id)?;
        replies::delete(db, id)?;
        writer.record(db, "reply.removed", Some(&before), None)
    })
    .await?;
    done()
}
