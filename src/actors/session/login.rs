//! Logging in: from a token to an identity, and from there to everything that is due.

use std::{collections::{BTreeMap, BTreeSet, VecDeque}, sync::Arc, time::{Duration, Instant}};

use actix::prelude::*;
use tokio::{sync::oneshot, time::timeout};

use super::{Ctx, Member, Phase, Session, address, close};
use crate::{
    actors::{
        chat_server::Register,
        journal::write,
        node::Node,
        offline_box::{Entries, Ops},
    },
    auth::token::Claims,
    domain::{
        ids::{ConversationId, Seq, Timestamp},
        offline::{Entry, Op},
        people::{Agent, Person, Shop},
        rate::Bucket,
        refusal::Refusal,
        window::{Behind, Window},
    },
    protocol::{
        close::Close,
        event::{self, Welcome},
    },
    socket::{Connection, Link, encode_text},
    store::{agents, conversations, shops, users},
};

/// How long a list may be silent before the store serves alone.
const LIST_PATIENCE: Duration = Duration::from_millis(500);

/// Somebody whose token is good.
#[derive(Clone, Debug)]
pub struct Identity {
    pub person: Arc<Person>,
    pub operator: bool,
    pub shops: Vec<(Arc<Shop>, Agent)>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// Looks into a token, and makes or refreshes its user.
///
/// # Errors
/// `Unauthenticated`; `Unavailable` where the store does not answer.
pub async fn identify(node: &Node, token: &str) -> Result<Identity, Refusal> {
    let now = crate::actors::now();
    let claims = node.tokens.verify(token, now.0 / 1_000).map_err(|_| Refusal::Unauthenticated)?;
    let uid = claims.uid.clone();
    let known = node
        .read(move |db| {
            let Some(user) = users::by_uid(db, &uid)? else { return Ok(None) };
            let shops = agents::of_user(db, &user)?;
            Ok(Some((user, shops)))
        })
        .await?;
    let provisioned = node.settings.trust_shop_claims && !claims.shops.is_empty();
    let (user, shops) = match known {
        Some((user, shops)) if !provisioned && is_current(&user, &claims) => (user, shops),
        _ => refresh(node, claims.clone(), provisioned, now).await?,
    };
    if claims.issued_at < user.tokens_after {
        return Err(Refusal::Unauthenticated);
    }
    Ok(Identity { person: user.person(), operator: user.operator, shops, expires_at: claims.expires_at })
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
                if !agents::insert(db, shop, id, *role, None, now)? {
                    agents::set_role(db, shop, id, *role)?;
                }
            }
        }
        let shops = agents::of_user(db, &user)?;
        Ok((user, shops))
    })
    .await
}

/// What is due to somebody who logs in.
struct Due {
    ranges: BTreeMap<ConversationId, Behind>,
    count: usize,
    /// Entries of the list that are not due any more.
    settled: Vec<Op>,
}

/// Everything above the cursors, and for an agent its list's entries of conversations that still wait.
async fn due(node: &Node, person: &Arc<Person>, is_agent: bool) -> Result<Due, Refusal> {
    let (waiting, list) = oneshot::channel();
    node.offline.do_send(Entries(person.clone(), waiting));
    let user = person.id;
    let from_store = node.read(move |db| conversations::due(db, user)).await?;
    let entries = match timeout(LIST_PATIENCE, list).await {
        Ok(Ok(Ok(entries))) => Some(entries),
        _ => None,
    };
    let mut due = Due { ranges: BTreeMap::new(), count: 0, settled: Vec::new() };
    for d in &from_store {
        due.count += usize::try_from(d.count).unwrap_or(0);
        due.ranges.insert(d.conversation, Behind::range(d.from, d.upto));
    }
    let listed = match entries {
        Some(entries) => group(entries),
        None if is_agent => BTreeMap::new(),
        None => return Ok(due),
    };
    let silent = listed.is_empty();
    let agent = person.clone();
    let waiting = node
        .read(move |db| conversations::waiting_due(db, agent.id, (!silent).then(|| listed.keys().copied().collect())).map(|w| (w, listed)))
        .await?;
    let (waits, listed) = waiting;
    merge(&mut due, person, waits, listed);
    Ok(due)
}

fn group(entries: Vec<Entry>) -> BTreeMap<ConversationId, BTreeSet<Seq>> {
    let mut grouped: BTreeMap<ConversationId, BTreeSet<Seq>> = BTreeMap::new();
    for entry in entries {
        grouped.entry(entry.conversation).or_default().insert(entry.seq);
    }
    grouped
}
