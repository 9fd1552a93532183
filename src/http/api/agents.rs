//! Who works in a shop.

use std::sync::Arc;

use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    access,
    acting::Acting,
    input::{self, Body, Query},
    output::{Answer, Page, created, done, ok},
    schema,
    session::{end_sessions, hash, revoke},
    settings::ApiSettings,
};
use crate::{
    actors::{
        chat_server::ShopChanged,
        journal::{WriteError, write},
        mail::{Asked, Do},
        node::Node,
        now,
        session::Identity,
    },
    auth::password,
    domain::{
        command::{Act, Command},
        ids::{self, ConversationId, ShopId, UserId, VISITOR},
        people::{Person, Role},
        refusal::Refusal,
    },
    store::{Db, agents, conversations, events, idempotency, shops, users},
};

/// The most conversations at a time that an agent may be set to take.
const CAPACITY_MAX: i64 = 1_000;

#[derive(Serialize)]
struct Shown {
    uid: String,
    name: String,
    role: &'static str,
    status: &'static str,
    capacity: Option<i32>,
    disabled: bool,
}

impl Shown {
    fn of((row, user): &(agents::Row, users::User)) -> Shown {
        let agent = row.agent(user);
        Shown {
            uid: user.uid.clone(),
            name: user.name.clone(),
            role: agent.role.as_str(),
            status: agent.status.as_str(),
            capacity: row.max_chats,
            disabled: row.disabled,
        }
    }
}

/// What a body wants of an agent.
#[derive(Default)]
struct Wanted {
    role: Option<Role>,
    name: Option<String>,
    password: Option<String>,
    /// `Some(None)` lifts the limit.
    capacity: Option<Option<i32>>,
    must_change_password: Option<bool>,
    disabled: Option<bool>,
}

impl Wanted {
    fn read(body: &Body) -> Result<Wanted, Refusal> {
        let fields = body.fields();
        let capacity = fields.maybe_integer("capacity", 1, CAPACITY_MAX)?.map(|n| Some(n as i32));
        Ok(Wanted {
            role: fields.maybe_word("role", Role::parse)?,
            name: input::display_name(fields, "name")?,
            password: fields
                .maybe_text("password", *password::LENGTH.start(), *password::LENGTH.end())?
                .map(str::to_owned),
            capacity: if body.is_null("capacity") { Some(None) } else { capacity },
            must_change_password: fields.maybe("must_change_password", Value::as_bool)?,
            disabled: fields.maybe("disabled", Value::as_bool)?,
        })
    }

    /// Whether it touches what belongs to the user rather than to the shop.
    fn is_personal(&self) -> bool {
        self.name.is_some() || self.password.is_some() || self.must_change_password.is_some()
    }

    /// A bot has a key, and no password.
    fn check_bot(&self) -> Result<(), Refusal> {
        match (&self.password, self.must_change_password) {
            (Some(_), _) => Err(Refusal::invalid("password")),
            (None, Some(_)) => Err(Refusal::invalid("must_change_password")),
            (None, None) => Ok(()),
        }
    }

    /// Whether it makes a bot of a person, or the other way round.
    fn turns(&self, role: &str) -> bool {
        self.role.is_some_and(|wanted| (wanted == Role::Bot) != (role == Role::Bot.as_str()))
    }

    /// Whether the agent is no admin any more afterwards.
    fn ends_admin(&self) -> bool {
        self.disabled == Some(true) || self.role.is_some_and(|role| role != Role::Admin)
    }
}

/// A change of an agent, with who makes it.
struct Change {
    acting: Acting,
    uid: String,
    wanted: Wanted,
    hash: Option<String>,
    /// Whether events are told.
    tells: bool,
}

impl Change {
    /// Makes sure that who acts may, before a password costs anything.
    async fn prepare(
        node: &Node,
        api: &ApiSettings,
        acting: Acting,
        uid: Option<String>,
        body: &Body,
    ) -> Result<Change, Refusal> {
        let who = acting.clone();
        node.read(move |db| access::manage(db, &who.me, &who.shop)).await??;
        let uid = match uid {
            Some(uid) => uid,
            None => body.fields().name("uid")?.to_owned(),
        };
        let wanted = Wanted::read(body)?;
        if wanted.password.is_some() && !api.options.shop_passwords && !acting.me.operator {
            return Err(Refusal::Forbidden);
        }
        let hash = match &wanted.password {
            Some(password) => Some(hash(api, password.clone()).await?),
            None => None,
        };
        Ok(Change { acting, uid, wanted, hash, tells: node.settings.events })
    }

    /// Sets what belongs to the user. Where it had a password, tokens that were got with that are refused.
    fn apply_personal(&self, db: &mut Db, user: &users::User) -> Result<(), WriteError> {
        let had_password = user.password_hash.is_some();
        let user = UserId(user.id);
        if let Some(name) = &self.wanted.name {
            users::set_name(db, user, name)?;
        }
        if let Some(hash) = &self.hash {
            users::set_password(db, user, hash)?;
            if had_password {
                revoke(db, user, 0)?;
            }
        }
        if let Some(must) = self.wanted.must_change_password {
            users::set_must_change_password(db, user, must)?;
        }
        Ok(())
    }

    /// A shop keeps an admin, unless an operator decides otherwise: it could not be managed any more.
    fn check_admins(&self, db: &mut Db, shop: ShopId, agent: &agents::Row) -> Result<(), WriteError> {
        let is_admin = agent.role == Role::Admin.as_str() && !agent.disabled;
        if is_admin && !self.acting.me.operator && !agents::has_admin_besides(db, shop, UserId(agent.user_id))? {
            return Err(Refusal::Conflict.into());
        }
        Ok(())
    }

    /// Tells whether the agent has come on duty by this, or gone off it.
    fn tell(
        &self,
        db: &mut Db,
        shop: ShopId,
        before: Option<&agents::Row>,
        after: Option<&agents::Row>,
    ) -> Result<(), WriteError> {
        let Some(agent) = before.or(after).filter(|_| self.tells) else { return Ok(()) };
        let is_on_duty = |row: Option<&agents::Row>| row.is_some_and(agents::Row::is_on_duty);
        Ok(events::duty(db, shop, UserId(agent.user_id), is_on_duty(before), is_on_duty(after), now())?)
    }

    fn record(
        &self,
        db: &mut Db,
        shop: ShopId,
        what: &str,
        before: Option<&Shown>,
        after: Option<&Shown>,
    ) -> Result<(), WriteError> {
        let shown = |agent: &Shown| {
            let Shown { name, role, capacity, disabled, .. } = agent;
            json!({ "name": name, "role": role, "capacity": capacity, "disabled": disabled })
        };
        let after = after.map(shown).map(|mut after| {
            if self.hash.is_some() {
                after["password"] = "set".into();
            }
            if let Some(must) = self.wanted.must_change_password {
                after["must_change_password"] = must.into();
            }
            after
        });
        self.acting.record(db, shop, what, &self.uid, [before.map(shown), after])
    }
}

/// Whether a shop may set a user's name and password: it has made the user, who works nowhere else and is no operator.
fn is_own(db: &mut Db, user: &users::User, shop: ShopId) -> Result<bool, WriteError> {
    let elsewhere = agents::shops_of(db, UserId(user.id))?.into_iter().any(|id| id != shop);
    Ok(user.created_by_shop == Some(shop.0) && !elsewhere && !user.operator)
}

fn found(db: &mut Db, shop: ShopId, uid: &str) -> Result<(agents::Row, users::User), WriteError> {
    let user = users::by_uid(db, uid)?.ok_or(Refusal::NotFound)?;
    Ok(agents::find(db, shop, UserId(user.id))?.ok_or(Refusal::NotFound)?)
}

/// The shop's dispatcher learns of a change before the client does.
async fn announce(node: &Node, shop: &shops::Row, user: Option<UserId>) -> Result<(), Refusal> {
    node.shop(shop.shop(), user).await?;
    node.chat.do_send(ShopChanged(shop.shop().id));
    Ok(())
}

/// Who works in a shop.
///
/// For its admins and for operators.
#[utoipa::path(
    get,
    path = "/shops/{shop}/agents",
    params(("shop" = String, Path, description = "The shop"), ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 where it is absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[A-Za-z0-9_.:@-]{1,128}$")),
    responses(
        (status = 200, description = "A page, by uid", body = schema::Agents),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
    ),
)]
pub async fn list(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let limit = query.limit()?;
    let after = query.cursor()?.unwrap_or_default().to_owned();
    if !after.is_empty() && !ids::is_name(&after) {
        return Err(Refusal::invalid("cursor").into());
    }
    let rows = node
        .read(move |db| match access::manage(db, &me, &shop)? {
            Ok(row) => agents::page(db, row.shop().id, &after, limit as i64 + 1).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await??;
    ok(Page::cut(rows, limit, |(_, user)| user.uid.clone()).map(|agent| Shown::of(&agent)))
}

/// Makes a user an agent of a shop.
///
/// For its admins and for operators.
#[utoipa::path(
    post,
    path = "/shops/{shop}/agents",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewAgent,
    responses(
        (status = 201, description = "Added", body = schema::Agent),
        (status = 403, description = "An agent of the shop, but no admin; or `password` by an admin where the operator of the server has turned that off: `forbidden`"),
        (status = 409, description = "Is an agent already; `name`, `password` or role `bot` of a user that is not of this shop's making alone; or role `bot` of one who has a password: `conflict`"),
    ),
)]
pub async fn add(node: web::Data<Node>, api: web::Data<ApiSettings>, acting: Acting, body: Body) -> Answer {
    let change = Change::prepare(&node, &api, acting, None, &body).await?;
    let role = change.wanted.role.ok_or(Refusal::invalid("role"))?;
    if role == Role::Bot {
        change.wanted.check_bot()?;
    }
    if change.uid.starts_with(VISITOR) {
        return Err(Refusal::invalid("uid").into());
    }
    let (shop, user, agent) = write(&node.journal, move |db| {
        let shop = change.acting.manage(db)?;
        let id = shop.shop().id;
        let user = match users::by_uid(db, &change.uid)? {
            // A bot is the shop's alone, and nobody who has logged in with a password.
            Some(user)
                if (change.wanted.is_personal() || role == Role::Bot) && !is_own(db, &user, id)?
                    || role == Role::Bot && user.password_hash.is_some() =>
            {
                return Err(Refusal::Conflict.into());
            }
            Some(user) => user,
            None => {
                let user = users::refresh(db, &change.uid, change.wanted.name.as_deref(), None, now())?;
                users::set_created_by(db, UserId(user.id), id.0)?;
                user
            }
        };
        if !agents::insert(db, id, UserId(user.id), role, change.wanted.capacity.flatten(), now())? {
            return Err(Refusal::Conflict.into());
        }
        change.apply_personal(db, &user)?;
        let added = found(db, id, &change.uid)?;
        let agent = Shown::of(&added);
        change.record(db, id, "agent.added", None, Some(&agent))?;
        change.tell(db, id, None, Some(&added.0))?;
        Ok((shop, UserId(user.id), agent))
    })
    .await?;
    announce(&node, &shop, Some(user)).await?;
    created(agent)
}

/// Changes an agent.
///
/// A new password refuses its earlier tokens and ends its sessions. `disabled` does so too, and its conversations wait again.
#[utoipa::path(
    patch,
    path = "/shops/{shop}/agents/{uid}",
    params(("shop" = String, Path, description = "The shop"), ("uid" = String, Path, description = "The agent")),
    request_body = schema::AgentChange,
    responses(
        (status = 200, description = "The agent as it is then", body = schema::Agent),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
        (status = 409, description = "`name` or password of a user that is not of this shop's making alone; a bot that would be a person, or the other way round; or the shop's last admin, unless by an operator: `conflict`"),
    ),
)]
pub async fn change(
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    acting: Acting,
    path: web::Path<(String, String)>,
    body: Body,
) -> Answer {
    let by = acting.me.person.clone();
    let change = Change::prepare(&node, &api, acting, Some(path.into_inner().1), &body).await?;
    let (shop, user, good_from, claims, agent) = write(&node.journal, move |db| {
        let shop = change.acting.manage(db)?;
        let id = shop.shop().id;
        let before = found(db, id, &change.uid)?;
        if change.wanted.is_personal() && !is_own(db, &before.1, id)? || change.wanted.turns(&before.0.role) {
            return Err(Refusal::Conflict.into());
        }
        if before.0.role == Role::Bot.as_str() {
            change.wanted.check_bot()?;
        }
        let user = UserId(before.1.id);
        if change.wanted.ends_admin() {
            change.check_admins(db, id, &before.0)?;
        }
        if let Some(role) = change.wanted.role {
            agents::set_role(db, id, user, role)?;
        }
        if let Some(capacity) = change.wanted.capacity {
            agents::set_max_chats(db, id, user, capacity)?;
        }
        change.apply_personal(db, &before.1)?;
        let mut claims = Vec::new();
        if let Some(disabled) = change.wanted.disabled.filter(|disabled| *disabled != before.0.disabled) {
            agents::set_disabled(db, id, user, disabled)?;
            if disabled {
                revoke(db, user, 0)?;
                claims = conversations::claimed_in(db, id, user)?;
            }
        }
        let after = found(db, id, &change.uid)?;
        let agent = Shown::of(&after);
        change.record(db, id, "agent.changed", Some(&Shown::of(&before)), Some(&agent))?;
        change.tell(db, id, Some(&before.0), Some(&after.0))?;
        let revoked = (after.1.tokens_after != before.1.tokens_after).then_some(after.1.tokens_after);
        Ok((shop, user, revoked, claims, agent))
    })
    .await?;
    announce(&node, &shop, None).await?;
    if let Some(good_from) = good_from {
        end_sessions(&node, user, good_from);
    }
    release(&node, &shop, &by, claims).await?;
    ok(agent)
}

/// Lets an agent go.
///
/// Its conversations wait again, its tokens are refused, its sessions end.
#[utoipa::path(
    delete,
    path = "/shops/{shop}/agents/{uid}",
    params(("shop" = String, Path, description = "The shop"), ("uid" = String, Path, description = "The agent")),
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "An agent of the shop, but no admin: `forbidden`"),
        (status = 409, description = "The shop's last admin, unless by an operator: `conflict`"),
    ),
)]
pub async fn remove(node: web::Data<Node>, acting: Acting, path: web::Path<(String, String)>) -> Answer {
    let by = acting.me.person.clone();
    let (uid, wanted, tells) = (path.into_inner().1, Wanted::default(), node.settings.events);
    let change = Change { acting, uid, wanted, hash: None, tells };
    let (shop, person, good_from, claims) = write(&node.journal, move |db| {
        let shop = change.acting.manage(db)?;
        let id = shop.shop().id;
        let agent = found(db, id, &change.uid)?;
        let person = agent.1.person();
        change.check_admins(db, id, &agent.0)?;
        agents::delete(db, id, person.id)?;
        shops::forget_bot(db, id, &person.uid)?;
        // What it was shown of buyers, no erasure would find any more.
        idempotency::erase_answers_to(db, person.id)?;
        let good_from = revoke(db, person.id, 0)?;
        change.record(db, id, "agent.removed", Some(&Shown::of(&agent)), None)?;
        change.tell(db, id, Some(&agent.0), None)?;
        let claims = conversations::claimed_in(db, id, person.id)?;
        Ok((shop, person, good_from, claims))
    })
    .await?;
    announce(&node, &shop, None).await?;
    end_sessions(&node, person.id, good_from);
    release(&node, &shop, &by, claims).await?;
    done()
}

/// Conversations whose claimant has gone wait again.
async fn release(
    node: &Node,
    shop: &shops::Row,
    by: &Arc<Person>,
    claims: Vec<(ConversationId, i64)>,
) -> Result<(), Refusal> {
    if claims.is_empty() {
        return Ok(());
    }
    let dispatcher = node.shop(shop.shop(), None).await?;
    let mut released = Vec::with_capacity(claims.len());
    for (conversation, claim_version) in claims {
        let (asked, reply) = tokio::sync::oneshot::channel();
        let act = Act::LoseClaimant { conversation, claim_version };
        dispatcher.do_send(Do {
            command: Command { by: by.clone(), at: now(), act },
            asked: Asked::Call(asked),
            permit: None,
        });
        released.push(reply);
    }
    for reply in released {
        reply.await.unwrap_or(Err(Refusal::BUSY))?;
    }
    Ok(())
}
