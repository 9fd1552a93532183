//! The `Session`: one connection, from login to its end.
//!
//! | file | what it does |
//! | --- | --- |
//! | `identity` | token or API key to identity |
//! | `login` | registration, `welcome`, frames that wait for it |
//! | `due` | what awaits who logs in |
//! | `commands` | frames to commands and hints, replies to frames |
//! | `reads` | inbox and history |
//! | `delivery` | messages to the client, within the window; repeats |
//! | `backlog` | messages that wait for room in it |

mod backlog;
mod commands;
mod delivery;
mod due;
mod identity;
mod login;
mod reads;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

pub use identity::{Identity, identify, identify_for_socket, identify_whoever, newcomers};
pub use reads::{history, marked, visible, with_side};

use self::backlog::Backlog;
use super::{
    chat_server::Unregister,
    mail::{Push, Pushes, SessionAddr, SessionId},
    node::{Node, Route},
};
use crate::{
    domain::{
        command::{Act, Target},
        ids::{ConversationId, Seq},
        offline::{Entry, Op},
        people::{Agent, Person, Shop},
        rate::{Bucket, Strikes},
        refusal::Refusal,
        window::Window,
    },
    protocol::{
        close::Close,
        event::{self, Language, Notice},
        frame::{self, Frame, Incoming},
    },
    socket::{App, Connection, End, Link, Message, encode_text},
};

/// Frames that wait for a login to be over, or for a route to be found. What comes beyond is refused.
const PENDING_MAX: usize = 1_000;
/// Routes that a session remembers.
const ROUTES_MAX: usize = 4_096;
/// Bad frames in a row that end a session.
const BAD_FRAMES_MAX: u32 = 10;
/// Bad tokens that end it.
const BAD_TOKENS_MAX: u32 = 3;
/// How long before its end a client is told that its token expires.
const EXPIRY_NOTICE: i64 = 60;

type Ctx = Context<Connection<Session>>;

pub struct Session {
    node: Arc<Node>,
    id: SessionId,
    language: Language,
    since: Instant,
    phase: Phase,
    bad_frames: u32,
    bad_tokens: u32,
    strikes: Strikes,
    frames: Bucket,
}

/// How far a session has come.
enum Phase {
    /// Not logged in. The token of the upgrade request, if it had one, has been checked already.
    Anonymous(Option<Box<Identity>>),
    /// A token is being looked into, or what is due is being read; frames wait.
    Entering {
        pending: VecDeque<Incoming>,
        member: Option<Box<Member>>,
    },
    Member(Box<Member>),
}

/// Somebody who is logged in.
struct Member {
    person: Arc<Person>,
    shops: Vec<(Arc<Shop>, Agent)>,
    /// Seconds since 1970.
    expires_at: i64,
    /// Seconds since 1970; 0 where the token does not say.
    issued_at: i64,
    expiry_told: bool,
    messages: Bucket,
    window: Window,
    /// What waits for room in it.
    backlog: Backlog,
    /// How often it has been told that a message is another than it was: what was being read from the store then may be as it was, and is read anew.
    changes: u64,
    /// Messages of the flush at login that have been sent.
    flushed: usize,
    routes: HashMap<ConversationId, Route>,
    shop_routes: HashMap<Arc<str>, Route>,
    /// Frames whose conversation's route is being looked up.
    routing: HashMap<RouteKey, VecDeque<Incoming>>,
    routing_count: usize,
    /// Questions that are being answered.
    reading: usize,
    /// Conversations that are on screen.
    viewing: HashSet<ConversationId>,
    repeat: Option<SpawnHandle>,
    /// More room in the window is awaited.
    awaits_room: bool,
    /// What came before `welcome`, which is the first thing a client hears.
    early: Vec<Push>,
}

/// What a route is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RouteKey {
    Conversation(ConversationId),
    Shop(Arc<str>),
}

impl RouteKey {
    fn target(&self) -> Target {
        match self {
            RouteKey::Conversation(id) => Target::Conversation(*id),
            RouteKey::Shop(name) => Target::Shop(name.clone()),
        }
    }
}

impl Session {
    /// A session that may have brought its identity with the upgrade request.
    pub fn new(node: Arc<Node>, language: Language, identity: Option<Identity>) -> Session {
        let now = Instant::now();
        let limits = &node.settings.limits;
        let frames = Bucket::new(limits.frames_per_second, limits.frames_per_second, now);
        Session {
            id: rand::random(),
            language,
            since: now,
            phase: Phase::Anonymous(identity.map(Box::new)),
            bad_frames: 0,
            bad_tokens: 0,
            strikes: Strikes::default(),
            frames,
            node,
        }
    }

    fn member(&mut self) -> Option<&mut Member> {
        match &mut self.phase {
            Phase::Member(member) | Phase::Entering { member: Some(member), .. } => Some(member),
            _ => None,
        }
    }

    fn refuse(&mut self, id: Option<&str>, refusal: &Refusal, link: &mut Link) {
        metrics::counter!("shopbell_refused_total", "code" => crate::protocol::code::row(refusal).0).increment(1);
        link.send(encode_text(event::error(id, refusal)));
        if *refusal == Refusal::BadFrame {
            self.bad_frames += 1;
            if self.bad_frames >= BAD_FRAMES_MAX {
                close(link, Close::BadFrames);
            }
        }
    }

    /// Counts a refusal for going too fast; too many end the session.
    fn refuse_rate(&mut self, id: Option<&str>, retry_after_ms: u64, link: &mut Link) {
        self.refuse(id, &Refusal::RateLimited { retry_after_ms }, link);
        if self.strikes.strike(Instant::now()) {
            close(link, Close::Flooding);
        }
    }

    fn text(&mut self, text: &str, link: &mut Link, ctx: &mut Ctx) {
        match frame::parse(text) {
            Ok(incoming) => {
                self.bad_frames = 0;
                self.frame(incoming, link, ctx);
            }
            Err(rejected) => {
                if rejected.refusal != Refusal::BadFrame {
                    self.bad_frames = 0;
                }
                if let Err(wait) = self.frames.take(Instant::now()) {
                    return self.refuse_rate(rejected.id.as_deref(), wait, link);
                }
                self.refuse(rejected.id.as_deref(), &rejected.refusal, link);
            }
        }
    }

    fn frame(&mut self, incoming: Incoming, link: &mut Link, ctx: &mut Ctx) {
        let now = Instant::now();
        let id = incoming.id.clone();
        let allowed = match (&incoming.frame, self.member()) {
            (Frame::Send { .. }, Some(member)) => member.messages.take(now),
            _ => self.frames.take(now),
        };
        if let Err(wait) = allowed {
            return self.refuse_rate(id.as_deref(), wait, link);
        }
        match (&mut self.phase, &incoming.frame) {
            (_, Frame::Ping) => {
                if let Some(id) = id {
                    link.send(encode_text(event::pong(&id, super::now())));
                }
            }
            (Phase::Entering { pending, .. }, _) if pending.len() < PENDING_MAX => pending.push_back(incoming),
            (Phase::Entering { .. }, _) => self.refuse(id.as_deref(), &Refusal::BUSY, link),
            (_, Frame::Login { token }) => {
                let token = token.clone();
                self.login(id, &token, ctx);
            }
            (Phase::Anonymous(_), _) => self.refuse(id.as_deref(), &Refusal::Unauthenticated, link),
            (Phase::Member(_), _) => self.command(incoming, link, ctx),
        }
    }

    /// What the token's end asks for.
    fn watch_expiry(&mut self, link: &mut Link) {
        let language = self.language;
        let Some(member) = self.member() else { return };
        let left = member.expires_at - super::now().0 / 1_000;
        if left <= 0 {
            close(link, Close::Unauthenticated);
        } else if left <= EXPIRY_NOTICE && !std::mem::replace(&mut member.expiry_told, true) {
            link.send(encode_text(event::notice(Notice::TokenExpiring, language)));
        }
    }

    fn watch_window(&mut self, link: &mut Link, now: Instant) {
        let stall = self.node.socket.stall;
        let Some(member) = self.member() else { return };
        if member.window.full_since().is_some_and(|since| now.saturating_duration_since(since) >= stall) {
            link.close(End::Slow);
        }
    }
}

/// Ends a session for one of the reasons of the table.
fn close(link: &mut Link, why: Close) {
    link.close(End::Server(why.code(), why.reason()));
}

impl App for Session {
    fn started(&mut self, _: &mut Link, ctx: &mut Ctx) {
        metrics::counter!("shopbell_connections_total").increment(1);
        if let Phase::Anonymous(identity) = &mut self.phase
            && let Some(identity) = identity.take()
        {
            self.enter(None, *identity, ctx);
        }
    }

    fn message(&mut self, message: Message, link: &mut Link, ctx: &mut Ctx) {
        match message {
            Message::Text(text) => self.text(&text, link, ctx),
            _ => self.refuse(None, &Refusal::BadFrame, link),
        }
    }

    fn control(&mut self, link: &mut Link, _: &mut Ctx) {
        if self.frames.take(Instant::now()).is_err() && self.strikes.strike(Instant::now()) {
            close(link, Close::Flooding);
        }
    }

    fn tick(&mut self, link: &mut Link, _: &mut Ctx, now: Instant) {
        if self.member().is_none() && now.saturating_duration_since(self.since) >= self.node.settings.login_timeout {
            return close(link, Close::Unauthenticated);
        }
        self.watch_expiry(link);
        self.watch_window(link, now);
    }

    fn ended(&mut self, why: &End) {
        let reason = match why {
            End::Client(_) | End::Lost => "client",
            End::Server(..) => "server",
            End::Violation(_) | End::BadText | End::TooBig => "violation",
            End::Slow => "slow",
            End::Silent => "silent",
        };
        metrics::counter!("shopbell_sessions_ended_total", "reason" => reason).increment(1);
        self.leave();
    }
}

impl Session {
    /// Leaves the directory. What is not acked goes to the list of a user who has no other session.
    fn leave(&mut self) {
        let Some(member) = self.member() else { return };
        let (of, mut unacked) = (member.person.clone(), Vec::new());
        let mut push = |conversation, seq| {
            unacked.push(Op::Push { to: of.clone(), entry: Entry { conversation, seq } });
        };
        // What a client has said to have received counts, though its conversation's dispatcher is still being looked up.
        let acks: Vec<_> = member.routing.drain().flat_map(|(_, waiting)| waiting).filter_map(ack).collect();
        let node = self.node.clone();
        let Some(member) = self.member() else { return };
        for (conversation, seq) in acks {
            let given = member.window.ack(conversation, seq);
            let act = Act::Ack { conversation, seq, given, viewing: member.viewing.contains(&conversation) };
            let (node, by) = (node.clone(), of.clone());
            actix::spawn(async move { node.run(by, &Target::Conversation(conversation), act).await });
        }
        member.window.unacked().for_each(|(conversation, seq)| push(conversation, seq));
        let unsent = member.backlog.due().chain(member.window.unsent().take(PENDING_MAX));
        unsent.for_each(|(conversation, seq)| push(conversation, seq));
        let unregister = Unregister { user: of.id, session: self.id, unacked };
        self.node.chat.do_send(unregister);
    }
}

impl Handler<Pushes> for Connection<Session> {
    type Result = ();

    fn handle(&mut self, Pushes(pushes): Pushes, ctx: &mut Self::Context) {
        let (session, link) = self.parts();
        pushes.into_iter().for_each(|push| session.push(push, link, ctx));
    }
}

fn ack(Incoming { frame, .. }: Incoming) -> Option<(ConversationId, Seq)> {
    match frame {
        Frame::Ack { conversation, seq } => Some((conversation, seq)),
        _ => None,
    }
}

/// The address of a session, for those who answer it later.
fn address(ctx: &Ctx) -> SessionAddr {
    ctx.address()
}

/// How long until `at`.
fn until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}
