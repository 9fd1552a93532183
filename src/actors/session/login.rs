//! Logging in: from a token to an identity, and from there to everything that is due.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::{sync::oneshot, time::timeout};

use super::{Ctx, Member, Phase, Session, address, close};
use crate::{
    actors::{
        chat_server::{Register, Talks},
        journal::{write, write_apart},
        node::Node,
        offline_box::{Entries, Ops},
    },
    auth::{api_key, token::Claims},
    domain::{
        ids::{ConversationId, Seq, ShopId, Timestamp},
        offline::{Entry, Op},
        people::{Agent, Person, Role, Shop},
        rate::Bucket,
        refusal::Refusal,
        scope::Scope,
        window::{Behind, Window},
    },
    protocol::{
        close::Close,
        event::{self, Welcome},
    },
    socket::{Connection, Link, encode_text},
    store::{
        agents, api_keys,
        arrivals::Arrival,
        conversations::{self, Waits},
        events, shops, users,
    },
};

/// How often it is noted that a key is used, in milliseconds.
const USED_MS: i64 = 60_000;
/// When a key expires: at the end of the year 9999, in seconds since 1970.
const NEVER: i64 = 253_402_300_799;
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
    let known = node.identities.ask(claims.uid.as_ref().into()).await?;
    let provisioned = node.settings.trust_shop_claims && !claims.shops.is_empty();
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

/// What is due to somebody who logs in.
struct Due {
    ranges: BTreeMap<ConversationId, Behind>,
    count: usize,
    /// Entries of the list that are not due any more.
    settled: Vec<Op>,
}

/// Everything above the cursors, and for an agent its list's entries of conversations that still wait.
async fn due(
    node: &Node,
    person: &Arc<Person>,
    is_agent: bool,
    from_store: &[conversations::Due],
) -> Result<Due, Refusal> {
    let (waiting, list) = oneshot::channel();
    node.offline.do_send(Entries(person.clone(), waiting));
    let user = person.id;
    let entries = match timeout(LIST_PATIENCE, list).await {
        Ok(Ok(Ok(entries))) => Some(entries),
        _ => None,
    };
    let mut due = Due { ranges: BTreeMap::new(), count: 0, settled: Vec::new() };
    for d in from_store {
        due.count += usize::try_from(d.count).unwrap_or(0);
        due.ranges.insert(d.conversation, Behind::range(d.from, d.upto));
    }
    match entries.map(group) {
        Some(listed) if listed.is_empty() => {}
        Some(listed) => {
            let among: Vec<_> = listed.keys().copied().collect();
            let waits = node.read(move |db| conversations::waiting_for(db, user, Some(&among))).await?;
            due.add_listed(person, &waits, listed);
        }
        None if is_agent => {
            let waits = node.read(move |db| conversations::waiting_for(db, user, None)).await?;
            due.add_waiting(&waits);
        }
        None => {}
    }
    Ok(due)
}

fn group(entries: Vec<Entry>) -> BTreeMap<ConversationId, BTreeSet<Seq>> {
    let mut grouped: BTreeMap<ConversationId, BTreeSet<Seq>> = BTreeMap::new();
    for entry in entries {
        grouped.entry(entry.conversation).or_default().insert(entry.seq);
    }
    grouped
}

impl Due {
    /// Adds the entries of conversations that still wait; what has been dealt with leaves the list unsent.
    fn add_listed(&mut self, of: &Arc<Person>, waits: &[Waits], listed: BTreeMap<ConversationId, BTreeSet<Seq>>) {
        for (conversation, mut seqs) in listed {
            let dealt_with =
                match (self.ranges.get(&conversation), waits.iter().find(|w| w.conversation == conversation)) {
                    (Some(range), _) => range.from - 1,
                    (None, Some(waits)) => {
                        seqs.retain(|seq| (waits.cursor + 1..=waits.last).contains(seq));
                        if let (Some(&from), Some(&upto)) = (seqs.first(), seqs.last()) {
                            self.count += seqs.len();
                            let due = Behind { only: Some(seqs), ..Behind::range(from, upto) };
                            self.ranges.insert(conversation, due);
                        }
                        waits.cursor
                    }
                    (None, None) => seqs.last().copied().unwrap_or(0),
                };
            self.settled.push(Op::Trim { of: of.clone(), entry: Entry { conversation, seq: dealt_with } });
        }
    }

    /// The list is silent: all that waits.
    fn add_waiting(&mut self, waits: &[Waits]) {
        for waits in waits.iter().filter(|waits| waits.count > 0) {
            self.count += usize::try_from(waits.count).unwrap_or(0);
            self.ranges.insert(waits.conversation, Behind::range(waits.cursor + 1, waits.last));
        }
    }
}

impl Session {
    /// A `login` frame: the first one, or one that extends the session.
    pub(super) fn login(&mut self, id: Option<Arc<str>>, token: &str, ctx: &mut Ctx) {
        let phase = std::mem::replace(&mut self.phase, Phase::Anonymous(None));
        let member = match phase {
            Phase::Member(member) => Some(member),
            _ => None,
        };
        let again = member.as_ref().map(|member| member.person.uid.clone());
        self.phase = Phase::Entering { pending: VecDeque::new(), member };
        let (node, token) = (self.node.clone(), token.to_owned());
        let identified = async move {
            // Whose token it is must be known before anything is changed for that user.
            let claims = node.tokens.verify(&token, crate::actors::now().0 / 1_000);
            match (&again, claims) {
                (Some(uid), Ok(claims)) if *uid != claims.uid => return Err(Refusal::Forbidden),
                _ => {}
            }
            let identity = identify_for_socket(&node, &token).await?;
            let is_other = again.is_some_and(|uid| uid != identity.person.uid);
            if is_other { Err(Refusal::Forbidden) } else { Ok(identity) }
        };
        let entered = wrap(identified).map(move |identified, connection: &mut Connection<Session>, ctx| {
            let (session, link) = connection.parts();
            session.identified(id, identified, link, ctx);
        });
        ctx.spawn(entered);
    }

    fn identified(
        &mut self,
        id: Option<Arc<str>>,
        identified: Result<Identity, Refusal>,
        link: &mut Link,
        ctx: &mut Ctx,
    ) {
        let Phase::Entering { member, .. } = &mut self.phase else { return };
        match (identified, member.take()) {
            (Ok(identity), None) => self.enter(id, identity, ctx),
            (Ok(identity), Some(mut member)) => {
                (member.person, member.shops) = (identity.person, identity.shops);
                (member.expires_at, member.expiry_told) = (identity.expires_at, false);
                member.issued_at = identity.issued_at;
                self.welcome(id.as_deref(), &member, 0, link);
                self.settle_in(Phase::Member(member), link, ctx);
            }
            (Err(refusal), member) => {
                self.refuse(id.as_deref(), &refusal, link);
                if refusal == Refusal::Unauthenticated {
                    self.bad_tokens += 1;
                    if self.bad_tokens >= super::BAD_TOKENS_MAX {
                        close(link, Close::Unauthenticated);
                    }
                }
                self.settle_in(member.map_or(Phase::Anonymous(None), Phase::Member), link, ctx);
            }
        }
        // What was read meanwhile could not go on.
        self.go_on(link, ctx);
    }

    /// Goes on with the frames that came in the meantime.
    fn settle_in(&mut self, phase: Phase, link: &mut Link, ctx: &mut Ctx) {
        let before = std::mem::replace(&mut self.phase, phase);
        if let Phase::Entering { pending, .. } = before {
            for incoming in pending {
                self.pending_frame(incoming, link, ctx);
            }
        }
    }

    /// A frame that has been counted when it came.
    fn pending_frame(&mut self, incoming: crate::protocol::frame::Incoming, link: &mut Link, ctx: &mut Ctx) {
        use crate::protocol::frame::Frame;
        match (&mut self.phase, incoming.frame) {
            (Phase::Entering { pending, .. }, frame) => {
                pending.push_back(crate::protocol::frame::Incoming { id: incoming.id, frame });
            }
            (_, Frame::Login { token }) => self.login(incoming.id, &token, ctx),
            (Phase::Anonymous(_), _) => self.refuse(incoming.id.as_deref(), &Refusal::Unauthenticated, link),
            (Phase::Member(_), frame) => {
                self.command(crate::protocol::frame::Incoming { id: incoming.id, frame }, link, ctx);
            }
        }
    }

    /// Registers the session, so that what comes from now on is held, and then reads what is due.
    pub(super) fn enter(&mut self, id: Option<Arc<str>>, identity: Identity, ctx: &mut Ctx) {
        let now = Instant::now();
        let limits = &self.node.settings.limits;
        let mut window = Window::default();
        window.hold();
        let person = identity.person.clone();
        let works: Vec<_> = identity.shops.iter().map(|(shop, _)| shop.clone()).collect();
        let is_agent = !works.is_empty();
        let member = Member {
            person: identity.person,
            shops: identity.shops,
            expires_at: identity.expires_at,
            issued_at: identity.issued_at,
            expiry_told: false,
            messages: Bucket::new(limits.messages_per_second, self.node.settings.messages_burst, now),
            window,
            flushed: 0,
            routes: Default::default(),
            shop_routes: Default::default(),
            routing: Default::default(),
            routing_count: 0,
            reading: 0,
            viewing: Default::default(),
            repeat: None,
            early: Vec::new(),
        };
        let pending = match std::mem::replace(&mut self.phase, Phase::Anonymous(None)) {
            Phase::Entering { pending, .. } => pending,
            _ => VecDeque::new(),
        };
        self.phase = Phase::Entering { pending, member: Some(Box::new(member)) };
        let (node, session, at, issued_at) = (self.node.clone(), self.id, address(ctx), identity.issued_at);
        let reading = async move {
            let register = Register { person: person.clone(), session, at, works };
            node.chat.send(register).await.map_err(|_| Refusal::BUSY)?;
            // A revocation ends the sessions that are registered, so one that was not yet must look for it afterwards.
            let arrival = node.arrivals.ask(person.id).await?;
            let good = arrival.filter(|arrival| arrival.tokens_after <= issued_at);
            let Arrival { talks, due: from_store, .. } = good.ok_or(Refusal::Unauthenticated)?;
            if !talks.is_empty() {
                node.chat.do_send(Talks { user: person.id, shops: talks });
            }
            due(&node, &person, is_agent, &from_store).await
        };
        ctx.spawn(wrap(reading).map(move |due, connection: &mut Connection<Session>, ctx| {
            let (session, link) = connection.parts();
            match due {
                Ok(due) => session.entered(id.as_deref(), due, link, ctx),
                Err(refusal) => session.turned_away(id.as_deref(), &refusal, link, ctx),
            }
        }));
    }

    /// What is due is known: `welcome`, and then the messages.
    fn entered(&mut self, id: Option<&str>, due: Due, link: &mut Link, ctx: &mut Ctx) {
        let Phase::Entering { member, .. } = &mut self.phase else { return };
        let Some(mut member) = member.take() else { return };
        self.node.offline.do_send(Ops(due.settled));
        self.welcome(id, &member, due.count, link);
        for (conversation, behind) in due.ranges {
            member.window.fall_behind(conversation, behind);
        }
        let early = std::mem::take(&mut member.early);
        self.settle_in(Phase::Member(member), link, ctx);
        early.into_iter().for_each(|push| self.push(push, link, ctx));
        self.go_on(link, ctx);
    }

    /// The store could not be read: the client may try the login again.
    fn turned_away(&mut self, id: Option<&str>, refusal: &Refusal, link: &mut Link, ctx: &mut Ctx) {
        self.leave();
        self.refuse(id, refusal, link);
        self.settle_in(Phase::Anonymous(None), link, ctx);
    }

    fn welcome(&self, id: Option<&str>, member: &Member, queued: usize, link: &mut Link) {
        let welcome = Welcome {
            user: &member.person,
            shops: &member.shops,
            session: &format!("{:016x}", self.id),
            heartbeat: self.node.settings.heartbeat,
            limits: &self.node.settings.limits,
            at: crate::actors::now(),
            queued,
        };
        link.send(encode_text(event::welcome(id, &welcome)));
    }
}

/// A future that ends in the session's actor.
fn wrap<T: 'static>(
    future: impl Future<Output = T> + 'static,
) -> impl ActorFutureExt<Connection<Session>, Output = T> + 'static {
    actix::fut::wrap_future::<_, Connection<Session>>(future)
}
