//! Logging in: somebody whose token is good enters, and hears what is due.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    Ctx, Member, Phase, Session, address, close,
    due::{Due, due},
    identity::{Identity, identify_for_socket},
};
use crate::{
    actors::{
        chat_server::{Register, Talks},
        offline_box::Ops,
    },
    domain::{rate::Bucket, refusal::Refusal, window::Window},
    protocol::{
        close::Close,
        event::{self, Welcome},
        frame::{Frame, Incoming},
    },
    socket::{Connection, Link, encode_text},
    store::arrivals::Arrival,
};

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
    fn pending_frame(&mut self, Incoming { id, frame }: Incoming, link: &mut Link, ctx: &mut Ctx) {
        match (&mut self.phase, frame) {
            (Phase::Entering { pending, .. }, frame) => pending.push_back(Incoming { id, frame }),
            (_, Frame::Login { token }) => self.login(id, &token, ctx),
            (Phase::Anonymous(_), _) => self.refuse(id.as_deref(), &Refusal::Unauthenticated, link),
            (Phase::Member(_), frame) => self.command(Incoming { id, frame }, link, ctx),
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
            backlog: Default::default(),
            changes: 0,
            flushed: 0,
            routes: Default::default(),
            shop_routes: Default::default(),
            routing: Default::default(),
            routing_count: 0,
            reading: 0,
            viewing: Default::default(),
            repeat: None,
            awaits_room: false,
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
            member.window.begin(conversation, behind);
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
