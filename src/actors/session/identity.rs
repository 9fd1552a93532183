//! Who somebody is: from a token or an API key to an identity.

use std::sync::Arc;

use actix::Addr;

use crate::{
    actors::{
        gather::Gather,
        journal::{Journal, write, write_apart},
        node::Node,
    },
    auth::{api_key, token::Claims},
    domain::{
        ids::{ShopId, Timestamp},
        people::{Agent, Person, Role, Shop},
        refusal::Refusal,
        scope::Scope,
    },
    store::{
        agents, api_keys, arrivals, events, shops,
        users::{self, Newcomer},
    },
};

/// How often it is noted that a key is used, in milliseconds.
const USED_MS: i64 = 60_000;
/// When a key expires: at the end of the year 9999, in seconds since 1970.
const NEVER: i64 = 253_402_300_799;

/// Somebody whose token is good.
#[derive(Clone, Debug)]
pub struct Identity {
    pub person: Arc<Person>,
    pub operator: bool,
    pub shops: Vec<(Arc<Shop>, Agent)>,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// Seconds since 1970; 0 where the token does not say.
    pub issued_at: i64,
    /// The token is good for changing the password, and for nothing else.
    pub must_change_password: bool,
    /// Where it is no token, but an API key.
    pub key: Option<Key>,
}

/// What an API key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub shop: ShopId,
    pub scopes: Vec<Scope>,
}

impl Identity {
    /// Whether this is a person with a token, or a key with this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.key.as_ref().is_none_or(|key| key.scopes.contains(&scope))
    }
}

/// Who logs in over a socket: with a token, or as a bot with its key.
///
/// # Errors
/// As [`identify`]; `Forbidden` for a key that is not a bot's.
pub async fn identify_for_socket(node: &Node, token: &str) -> Result<Identity, Refusal> {
    let identity = identify(node, token).await?;
    if identity.may(Scope::Bot) { Ok(identity) } else { Err(Refusal::Forbidden) }
}

/// Looks into a token, and makes or refreshes its user.
///
/// # Errors
/// `Unauthenticated`; `Forbidden` for a token that is only good for changing the password; `Unavailable` where the store does not answer.
pub async fn identify(node: &Node, token: &str) -> Result<Identity, Refusal> {
    let identity = identify_whoever(node, token).await?;
    if identity.must_change_password { Err(Refusal::Forbidden) } else { Ok(identity) }
}

/// The same for those, too, who must change their password first.
///
/// # Errors
/// `Unauthenticated`, `Unavailable`.
pub async fn identify_whoever(node: &Node, token: &str) -> Result<Identity, Refusal> {
    if api_key::is_one(token) {
        return identify_key(node, token).await;
    }
    let now = crate::actors::now();
    let claims = node.tokens.verify(token, now.0 / 1_000).map_err(|_| Refusal::Unauthenticated)?;
    let provisioned = node.settings.trust_shop_claims && !claims.shops.is_empty();
    let known = match node.identities.ask(claims.uid.as_ref().into()).await? {
        None if !provisioned => node.newcomers.ask(newcomer(&claims)).await?,
        known => known,
    };
    let (user, shops) = match known {
        Some((user, shops)) if !provisioned && is_current(&user, &claims) => (user, shops),
        _ => refresh(node, claims.clone(), provisioned, now).await?,
    };
    if claims.issued_at < user.tokens_after {
        return Err(Refusal::Unauthenticated);
    }
    Ok(Identity {
        person: user.person(),
        operator: user.operator,
        shops,
        expires_at: claims.expires_at,
        issued_at: claims.issued_at,
        must_change_password: claims.must_change_password,
        key: None,
    })
}

/// Who acts with a key: a bot of its shop, or the admin who has made it, as long as either is that.
async fn identify_key(node: &Node, key: &str) -> Result<Identity, Refusal> {
    let (now, hash) = (crate::actors::now(), api_key::hash(key));
    let found = node.read(move |db| api_keys::by_hash(db, &hash)).await?;
    let (row, uid) = found.ok_or(Refusal::Unauthenticated)?;
    let (user, mut shops) = node.identities.ask(uid.into()).await?.ok_or(Refusal::Unauthenticated)?;
    let (shop, scopes) = (ShopId(row.shop_id), row.scopes());
    shops.retain(|(works_in, _)| works_in.id == shop);
    let wanted = if scopes.contains(&Scope::Bot) { Role::Bot } else { Role::Admin };
    if shops.first().is_none_or(|(_, agent)| agent.role != wanted) {
        return Err(Refusal::Unauthenticated);
    }
    if row.used_at.is_none_or(|used| now.since(Timestamp(used)) >= USED_MS) {
        let journal = node.journal.clone();
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(move || {
            write_apart(&journal, move |db| Ok(api_keys::used(db, row.id, now)?))
        }));
    }
    Ok(Identity {
        person: user.person(),
        operator: false,
        shops,
        expires_at: NEVER,
        // A key does not say when it was issued: it has just been found good. Whatever is refused from now on ends its sessions.
        issued_at: (now.0 / 1_000).max(user.tokens_after),
        must_change_password: false,
        key: Some(Key { shop, scopes }),
    })
}

fn newcomer(claims: &Claims) -> Newcomer {
    Newcomer { uid: claims.uid.as_ref().into(), name: claims.name.clone(), avatar: claims.avatar.clone() }
}

/// Makes users of all who come for the first time at the same moment.
pub fn newcomers(journal: Addr<Journal>) -> Gather<Newcomer, arrivals::Known> {
    Gather::start(move |mut newcomers: Vec<Newcomer>| {
        let journal = journal.clone();
        // Nodes that make the same users at once make them in the same order.
        newcomers.sort_by(|a, b| a.uid.cmp(&b.uid));
        async move {
            write(&journal, move |db| {
                users::welcome(db, &newcomers, crate::actors::now())?;
                let uids: Vec<Arc<str>> = newcomers.iter().map(|newcomer| newcomer.uid.clone()).collect();
                let known = arrivals::identities(db, &uids)?;
                Ok(newcomers.iter().filter_map(|n| Some((n.clone(), known.get(&n.uid)?.clone()))).collect())
            })
            .await
        }
    })
}

fn is_current(user: &users::User, claims: &Claims) -> bool {
    claims.name.as_ref().is_none_or(|name| *name == user.name)
        && (claims.avatar.is_none() || claims.avatar == user.avatar)
}

async fn refresh(
    node: &Node,
    claims: Claims,
    provisioned: bool,
    now: Timestamp,
) -> Result<(users::User, Vec<(Arc<Shop>, Agent)>), Refusal> {
    let tells = node.settings.events;
    write(&node.journal, move |db| {
        // A revoked token must not change anything.
        if users::by_uid(db, &claims.uid)?.is_some_and(|user| claims.issued_at < user.tokens_after) {
            return Err(Refusal::Unauthenticated.into());
        }
        let user = users::refresh(db, &claims.uid, claims.name.as_deref(), claims.avatar.as_deref(), now)?;
        if provisioned {
            for (shop, role) in &claims.shops {
                let Some(shop) = shops::by_name(db, shop)? else { continue };
                let (shop, id) = (shop.shop().id, user.person().id);
                let is_new = agents::insert(db, shop, id, *role, None, now)?;
                if !is_new {
                    agents::set_role(db, shop, id, *role)?;
                } else if tells {
                    events::duty(db, shop, id, false, true, now)?;
                }
            }
        }
        let shops = agents::of_user(db, &user)?;
        Ok((user, shops))
    })
    .await
}
