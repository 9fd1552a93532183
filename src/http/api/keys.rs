//! API keys of a shop's programs: made by its admins, shown once, and good until they are revoked.

use actix_web::web;
use serde::Serialize;
use serde_json::json;

use super::{
    access,
    acting::Acting,
    input::{self, Body, Query},
    output::{Answer, Page, created, done, ok},
    schema,
    session::end_sessions,
};
use crate::{
    actors::{
        journal::{WriteError, write},
        node::Node,
        now,
        session::Identity,
    },
    auth::api_key,
    domain::{
        ids::{ShopId, Timestamp, UserId},
        people::Role,
        permission::Permission,
        refusal::Refusal,
        scope::Scope,
    },
    protocol::{fields::Fields, time::At},
    store::{Db, agents, api_keys, users},
};

/// How many good ones a shop has.
const KEYS_MAX: i64 = 100;

#[derive(Serialize)]
struct Shown {
    id: i64,
    name: String,
    scopes: Vec<&'static str>,
    /// Who acts with it.
    uid: String,
    hint: String,
    created_at: At,
    used_at: Option<At>,
    revoked_at: Option<At>,
    /// Once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Shown {
    fn of((row, user): (api_keys::Row, users::User)) -> Shown {
        let at = |at: i64| At(Timestamp(at));
        Shown {
            id: row.id,
            scopes: row.scopes().into_iter().map(Scope::as_str).collect(),
            name: row.name,
            uid: user.uid,
            hint: row.hint,
            created_at: at(row.created_at),
            used_at: row.used_at.map(at),
            revoked_at: row.revoked_at.map(at),
            key: None,
        }
    }
}

fn scopes(fields: Fields<'_>) -> Result<Vec<Scope>, Refusal> {
    let scopes = fields.maybe("scopes", |value| {
        let mut scopes =
            value.as_array()?.iter().map(|scope| Scope::parse(scope.as_str()?)).collect::<Option<Vec<_>>>()?;
        scopes.sort_unstable();
        scopes.dedup();
        (!scopes.is_empty()).then_some(scopes)
    })?;
    scopes.ok_or(Refusal::invalid("scopes"))
}

/// Keys are told apart by their names and last letters; the key itself is nowhere.
fn record(acting: &Acting, db: &mut Db, what: &str, shop: ShopId, key: &Shown) -> Result<(), WriteError> {
    let shown = json!({ "name": key.name, "scopes": key.scopes, "uid": key.uid, "hint": key.hint });
    let change = if key.revoked_at.is_some() { [Some(shown), None] } else { [None, Some(shown)] };
    acting.record(db, shop, what, &key.id.to_string(), change)
}

/// API keys.
///
/// For the shop's admins. In the order of their making; revoked ones too.
#[utoipa::path(
    get,
    path = "/shops/{shop}/keys",
    params(("shop" = String, Path, description = "The shop"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}$")),
    responses(
        (status = 200, description = "A page", body = schema::Keys),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let (limit, after) = (query.limit()?, query.cursor_of::<1>()?.map_or(0, |[id]| id));
    let rows = node
        .read(move |db| match access::permitted(db, &me, &shop, Permission::Integrate)? {
            Ok(shop) => api_keys::page(db, shop.shop().id, after, limit as i64 + 1).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await??;
    ok(Page::cut(rows, limit, |(row, _)| row.id.to_string()).map(Shown::of))
}

/// Makes an API key.
///
/// For the shop's admins. The answer alone has `key`, which goes into `Authorization: Bearer`. With scope `bot`, `uid` names the bot that
/// acts with it; else it acts as the admin who has made it, as long as that is one.
#[utoipa::path(
    post,
    path = "/shops/{shop}/keys",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewKey,
    responses(
        (status = 201, description = "Made", body = schema::Key),
        (status = 403, description = "No admin: `forbidden`"),
        (status = 409, description = "There are a hundred good ones: `conflict`"),
    ),
)]
pub async fn add(node: web::Data<Node>, acting: Acting, body: Body) -> Answer {
    let fields = body.fields();
    let name = input::display_name(fields, "name")?.ok_or(Refusal::invalid("name"))?;
    let scopes = scopes(fields)?;
    let bot = match scopes.contains(&Scope::Bot) {
        true => Some(fields.name("uid")?.to_owned()),
        false if fields.get("uid").is_some() => return Err(Refusal::invalid("uid").into()),
        false => None,
    };
    let key = api_key::new();
    let (hash, hint) = (api_key::hash(&key), api_key::hint(&key).to_owned());
    let mut made = write(&node.journal, move |db| {
        let id = acting.permitted(db, Permission::Integrate)?.shop().id;
        if api_keys::count(db, id)? >= KEYS_MAX {
            return Err(Refusal::Conflict.into());
        }
        let user = match &bot {
            Some(uid) => users::by_uid(db, uid)?.map(|user| UserId(user.id)).ok_or(Refusal::invalid("uid"))?,
            None => acting.me.person.id,
        };
        if bot.is_some() && agents::role(db, id, user)? != Some(Role::Bot) {
            return Err(Refusal::invalid("uid").into());
        }
        let made_by = acting.me.person.id;
        let new = api_keys::New { user, made_by, name: &name, hash: &hash, hint: &hint, scopes: &scopes };
        let row = api_keys::insert(db, id, new, now())?;
        let user = users::by_id(db, user)?.ok_or(Refusal::NotFound)?;
        let made = Shown::of((row, user));
        record(&acting, db, "key.added", id, &made)?;
        Ok(made)
    })
    .await?;
    made.key = Some(key);
    created(made)
}

/// Revokes an API key.
///
/// For the shop's admins. It is refused at once, and a bot's sessions end; where the bot has another key, it may log in with that.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/keys/{id}",
    params(("shop" = String, Path, description = "The shop"), ("id" = i64, Path, description = "The key")),
    responses(
        (status = 204, description = "Done, or done before"),
        (status = 403, description = "No admin: `forbidden`"),
    ),
)]
pub async fn revoke(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let id = input::number(&path.1)?;
    let ended = write(&node.journal, move |db| {
        let shop = acting.permitted(db, Permission::Integrate)?.shop().id;
        let (row, user) = api_keys::find(db, shop, id)?.ok_or(Refusal::NotFound)?;
        let user_id = UserId(user.id);
        if !api_keys::revoke(db, id, now())? {
            return Ok(None);
        }
        let revoked = Shown::of(api_keys::find(db, shop, id)?.ok_or(Refusal::NotFound)?);
        record(&acting, db, "key.revoked", shop, &revoked)?;
        // An admin's own tokens have nothing to do with the key.
        let is_bot = row.scopes().contains(&Scope::Bot);
        Ok(if is_bot { Some((user_id, super::session::revoke(db, user_id, 0)?)) } else { None })
    })
    .await?;
    if let Some((user, good_from)) = ended {
        end_sessions(&node, user, good_from);
    }
    done()
}
