//! Getting a token, giving it back, and who one is.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use diesel::QueryResult;
use serde::Serialize;

use super::{
    input::{self, Body},
    output::{Answer, done, ok},
    schema,
    settings::{ApiSettings, Door},
};
use crate::{
    actors::{chat_server::Revoke, journal::write, node::Node, now, session::Identity},
    auth::password,
    domain::{
        ids::{Timestamp, UserId, VISITOR},
        people::{Person, Role},
        refusal::Refusal,
    },
    http::identity::{Anyone, Whoever, claims},
    protocol::{
        time::At,
        view::{Card, Membership},
    },
    store::{Db, shops, users},
};

/// A token, and whose it is.
#[derive(Serialize)]
struct Granted<'a> {
    token: String,
    expires_at: At,
    user: Card<'a>,
    /// Only where it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    must_change_password: bool,
}

/// Signs a token that is not refused by an earlier revocation, however short ago that was; where the password must be changed, one that
/// is good for nothing else.
fn grant(node: &Node, person: &Person, tokens_after: i64, ttl: Duration, must_change_password: bool) -> Answer {
    let issued_at = (now().0 / 1_000).max(tokens_after);
    let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let token = match must_change_password {
        true => node.tokens.mint_for_password(&person.uid, issued_at, ttl),
        false => node.tokens.mint(&person.uid, None, issued_at, ttl),
    };
    let token = token.map_err(|_| Refusal::BUSY)?;
    let expires_at = At(Timestamp(issued_at.saturating_add(ttl).saturating_mul(1_000)));
    ok(Granted { token, expires_at, user: Card::of(person), must_change_password })
}

/// Logs in with a local password.
///
/// Where the answer has `must_change_password`, the token is good for `GET /me`, `POST /me/password` and `POST /logout` only.
#[utoipa::path(
    post,
    path = "/login",
    security(()),
    request_body = schema::Login,
    responses(
        (status = 200, description = "A token for 12 hours", body = schema::Granted),
        (status = 401, description = "Wrong uid or password: `unauthenticated`"),
        (status = 429, description = "Too many from this address: `rate_limited`"),
    ),
)]
pub async fn login(request: HttpRequest, node: web::Data<Node>, api: web::Data<ApiSettings>, body: Body) -> Answer {
    api.enter(&request, Door::Login)?;
    let fields = body.fields();
    let uid = fields.name("uid")?.to_owned();
    let given = fields.text("password", 1, *password::LENGTH.end())?.to_owned();
    let user = node.read(move |db| users::by_uid(db, &uid)).await?;
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = api.hashing(move || password::verify(&given, hash.as_deref())).await?;
    let user = user.filter(|_| right).ok_or(Refusal::Unauthenticated)?;
    grant(&node, &user.person(), user.tokens_after, api.options.login_ttl, user.must_change_password)
}

/// Makes an anonymous visitor; with a visitor's token, renews that one.
#[utoipa::path(
    post,
    path = "/visitors",
    security((), ("token" = [])),
    request_body = schema::Visit,
    responses(
        (status = 200, description = "A token for 30 days", body = schema::Granted),
        (status = 401, description = "A bad token: `unauthenticated`"),
        (status = 403, description = "The token of somebody who is no visitor, or a disabled shop: `forbidden`"),
        (status = 404, description = "No such shop: `not_found`"),
        (status = 429, description = "Too many from this address: `rate_limited`"),
    ),
)]
pub async fn visitors(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    known: Anyone,
    body: Body,
) -> Answer {
    api.enter(&request, Door::Visitors)?;
    let fields = body.fields();
    let shop = fields.name("shop")?.to_owned();
    let name = input::display_name(fields, "name")?;
    let uid = match known.0 {
        Some(identity) if identity.person.is_visitor() => identity.person.uid.to_string(),
        Some(_) => return Err(Refusal::Forbidden.into()),
        None => format!("{VISITOR}{:032x}", rand::random::<u128>()),
    };
    let user = write(&node.journal, move |db| {
        if shops::by_name(db, &shop)?.ok_or(Refusal::NotFound)?.disabled {
            return Err(Refusal::Forbidden.into());
        }
        let known = users::by_uid(db, &uid)?.is_some();
        let default =
            (!known).then(|| format!("Visitor {}", uid.chars().skip(VISITOR.len()).take(4).collect::<String>()));
        Ok(users::refresh(db, &uid, name.as_deref().or(default.as_deref()), None, now())?)
    })
    .await?;
    grant(&node, &user.person(), user.tokens_after, api.options.visitor_ttl, false)
}

/// Refuses all tokens that a user has got so far, the one issued at `issued_at` included; gives the second from which on they are
/// good. A token says in which second it was issued, so those of the present one go too, and [`grant`] goes on with the next.
pub fn revoke(db: &mut Db, id: UserId, issued_at: i64) -> QueryResult<i64> {
    let before = users::by_id(db, id)?.map_or(0, |user| user.tokens_after);
    let until = (now().0 / 1_000).max(issued_at).max(before).saturating_add(1);
    users::revoke_tokens(db, id, until)?;
    Ok(until)
}

/// Ends the sessions of a user whose tokens issued before that second are refused, on every node.
pub fn end_sessions(node: &Node, user: UserId, before: i64) {
    node.chat.do_send(Revoke { user, before, everywhere: true });
}

/// Refuses all tokens that this user has got so far, and ends the user's sessions.
#[utoipa::path(
    post,
    path = "/logout",
    responses(
        (status = 204, description = "Done"),
    ),
)]
pub async fn logout(request: HttpRequest, node: web::Data<Node>, Whoever(me): Whoever) -> Answer {
    let (id, issued_at) = (me.person.id, claims(&request, &node)?.issued_at);
    let before = write(&node.journal, move |db| Ok(revoke(db, id, issued_at)?)).await?;
    end_sessions(&node, id, before);
    done()
}

/// Sets one's password.
///
/// Refuses all earlier tokens of this user, and ends the user's sessions.
#[utoipa::path(
    post,
    path = "/me/password",
    request_body = schema::NewPassword,
    responses(
        (status = 200, description = "A new token", body = schema::Granted),
        (status = 403, description = "Neither agent nor operator: `forbidden`"),
        (status = 429, description = "Too many from this address: `rate_limited`"),
    ),
)]
pub async fn password(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    Whoever(me): Whoever,
    body: Body,
) -> Answer {
    api.enter(&request, Door::Login)?;
    let fields = body.fields();
    let new = fields.text("new", *password::LENGTH.start(), *password::LENGTH.end())?.to_owned();
    let old = fields.maybe_text("old", 1, *password::LENGTH.end())?.map(str::to_owned);
    let id = me.person.id;
    let stored = stored_hash(&node, id).await?;
    // Setting the same again is no change.
    if me.must_change_password && old.as_ref() == Some(&new) {
        return Err(Refusal::invalid("new").into());
    }
    match (stored, old) {
        (Some(hash), Some(old)) => {
            let right = api.hashing(move || password::verify(&old, Some(&hash))).await?;
            if !right {
                return Err(Refusal::invalid("old").into());
            }
        }
        (Some(_), None) => return Err(Refusal::invalid("old").into()),
        // Passwords are for those who work here: a buyer's page that leaks a token must not give it away for good.
        (None, _) if is_no_person(&me) => return Err(Refusal::Forbidden.into()),
        (None, _) => {}
    }
    let hash = hash(&api, new).await?;
    let issued_at = claims(&request, &node)?.issued_at;
    let until = write(&node.journal, move |db| {
        users::set_password(db, id, &hash)?;
        Ok(revoke(db, id, issued_at)?)
    })
    .await?;
    end_sessions(&node, id, until);
    grant(&node, &me.person, until, api.options.login_ttl, false)
}

/// Neither an operator nor a person who works for a shop.
fn is_no_person(me: &Identity) -> bool {
    !me.operator && me.shops.iter().all(|(_, agent)| agent.role == Role::Bot)
}

async fn stored_hash(node: &Node, id: UserId) -> Result<Option<String>, Refusal> {
    let user = node.read(move |db| users::by_id(db, id)).await?;
    Ok(user.ok_or(Refusal::Unauthenticated)?.password_hash)
}

/// What is stored of a password.
pub async fn hash(api: &ApiSettings, password: String) -> Result<String, Refusal> {
    api.hashing(move || password::hash(&password)).await?.map_err(|_| Refusal::BUSY)
}

/// Who one is.
#[utoipa::path(
    get,
    path = "/me",
    responses(
        (status = 200, description = "The user of the token", body = schema::Me),
    ),
)]
pub async fn me(Whoever(me): Whoever) -> Answer {
    #[derive(Serialize)]
    struct Me<'a> {
        user: Card<'a>,
        shops: Vec<Membership<'a>>,
        operator: bool,
        must_change_password: bool,
        expires_at: At,
    }
    ok(Me {
        user: Card::of(&me.person),
        shops: me.shops.iter().map(|(shop, agent)| Membership::of(shop, agent)).collect(),
        operator: me.operator,
        must_change_password: me.must_change_password,
        expires_at: At(Timestamp(me.expires_at.saturating_mul(1_000))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{location::Location, migrate::migrate};

    #[test]
    fn what_is_refused_once_stays_refused_however_fast_logins_follow() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", directory.path().display());
        let mut db = Location::parse(&url).unwrap().writer().unwrap();
        migrate(&mut db).unwrap();
        let bob = UserId(users::refresh(&mut db, "bob", None, None, now()).unwrap().id);
        let first = now().0 / 1_000;
        // Each round is a login, whose token is issued at `good`, and a logout with it, all within a second.
        let mut good = first;
        for _ in 0..3 {
            let refused_before = revoke(&mut db, bob, good).unwrap();
            assert!(good < refused_before, "the token at hand is refused");
            good = (now().0 / 1_000).max(refused_before);
            assert!(good >= refused_before, "the next one is not");
        }
        assert!(revoke(&mut db, bob, 0).unwrap() > good, "a removal knows no token, and refuses them all");
    }
}
