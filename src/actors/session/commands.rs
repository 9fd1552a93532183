//! Frames that change something: to commands and hints on the way in, to replies on the way out.

use actix::prelude::*;

use super::{Ctx, Member, PENDING_MAX, Phase, ROUTES_MAX, RouteKey, Session, address};
use crate::{
    actors::{
        mail::{Answer, Answers, Asked, Do, Hint, HintAnswer, HintKind},
        node::Route,
    },
    domain::{
        command::{Act, Command, Outcome, Target},
        cursor::Which,
        refusal::Refusal,
    },
    protocol::{
        event,
        frame::{Frame, Incoming},
    },
    socket::{Connection, Link, encode_text},
};

impl Session {
    /// A frame of somebody who is logged in.
    pub(super) fn command(&mut self, incoming: Incoming, link: &mut Link, ctx: &mut Ctx) {
        let Phase::Member(member) = &mut self.phase else { return };
        match &incoming.frame {
            Frame::Inbox { .. } | Frame::History { .. } => return self.read(incoming, link, ctx),
            Frame::View { conversation, on: false } => _ = member.viewing.remove(conversation),
            _ => {}
        }
        let key = match route_key(&incoming.frame) {
            Some(key) => key,
            None => return self.perform(Route::Direct(self.node.direct.clone()), incoming, link, ctx),
        };
        if let Some(route) = member.route(&key) {
            return self.perform(route, incoming, link, ctx);
        }
        if member.routing_count >= PENDING_MAX {
            return self.refuse(incoming.id.as_deref(), &Refusal::BUSY, link);
        }
        // Frames for one conversation keep their order while its route is looked up.
        member.routing_count += 1;
        let waiting = member.routing.entry(key.clone()).or_default();
        waiting.push_back(incoming);
        if waiting.len() == 1 {
            let (node, user, target) = (self.node.clone(), member.person.id, key.target());
            let found = async move { node.route(&target, user).await };
            let found = actix::fut::wrap_future::<_, Connection<Session>>(found);
            ctx.spawn(found.map(move |route, connection, ctx| {
                let (session, link) = connection.parts();
                session.routed(&key, route, link, ctx);
            }));
        }
    }

    fn routed(&mut self, key: &RouteKey, route: Result<Route, Refusal>, link: &mut Link, ctx: &mut Ctx) {
        let Some(member) = self.member() else { return };
        let waiting = member.routing.remove(key).unwrap_or_default();
        member.routing_count -= waiting.len();
        if let Ok(route) = &route {
            member.remember(key, route.clone());
        }
        for incoming in waiting {
            match &route {
                Ok(route) => self.perform(route.clone(), incoming, link, ctx),
                Err(refusal) => self.refuse(incoming.id.as_deref(), refusal, link),
            }
        }
    }

    /// Gives a frame to its dispatcher.
    fn perform(&mut self, route: Route, Incoming { id, frame }: Incoming, link: &mut Link, ctx: &mut Ctx) {
        let session = self.id;
        let Some(member) = self.member() else { return };
        let by = member.person.clone();
        let hint =
            |conversation, what| Hint { by: by.clone(), conversation, what, session: address(ctx), id: id.clone() };
        let act = match frame {
            Frame::Signal { conversation, signal } => return route.hint(hint(conversation, HintKind::Signal(signal))),
            Frame::View { conversation, on } => {
                if on && member.viewing.len() < ROUTES_MAX {
                    member.viewing.insert(conversation);
                }
                return route.hint(hint(conversation, HintKind::View));
            }
            Frame::Send { client_id, to, content } => Act::Send { to, client_id, content },
            Frame::Ack { conversation, seq } => {
                let given = member.window.ack(conversation, seq);
                let viewing = member.viewing.contains(&conversation);
                Act::Ack { conversation, seq, given, viewing }
            }
            Frame::Read { conversation, seq } => Act::Read { conversation, seq },
            Frame::Claim { conversation } => Act::Claim(conversation),
            Frame::Release { conversation } => Act::Release(conversation),
            Frame::Resolve { conversation } => Act::Resolve(conversation),
            Frame::Transfer { conversation, to } => Act::Transfer { conversation, to },
            Frame::Recall { conversation, seq } => Act::Recall { conversation, seq },
            Frame::Status { shop, status } => Act::SetStatus { shop, status },
            Frame::Login { .. } | Frame::Ping | Frame::Inbox { .. } | Frame::History { .. } => return,
        };
        let permit = match self.node.admit(&route, &act) {
            Ok(permit) => permit,
            Err(refusal) => return self.refuse(id.as_deref(), &refusal, link),
        };
        let frees_window = matches!(act, Act::Ack { .. });
        let command = Command { by, at: crate::actors::now(), act };
        route.give(Do { command, asked: Asked::Session { at: address(ctx), session, id }, permit });
        if frees_window {
            self.go_on(link, ctx);
        }
    }

    /// The reply to a command of this session.
    fn answer(&mut self, Answer { id, reply }: Answer, link: &mut Link, ctx: &mut Ctx) {
        let outcome = match reply {
            Ok(outcome) => outcome,
            Err(refusal) => return self.refuse(id.as_deref(), &refusal, link),
        };
        let Some(member) = self.member() else { return };
        match &outcome {
            Outcome::Stored { message, .. } => member.window.note(message.conversation, message.seq, message.seq),
            Outcome::StatusSet { shop, agent } => {
                if let Some(mine) = member.shops.iter_mut().find(|(mine, _)| mine.id == shop.id) {
                    mine.1 = agent.clone();
                }
            }
            _ => {}
        }
        let me = member.person.id;
        // What was read has arrived, whether it was acked or not.
        if let Outcome::Moved { now, side, .. } = &outcome {
            member.settle(now.id, now.side(*side).delivered);
            self.go_on(link, ctx);
        }
        let Some(id) = id else { return };
        let side = |conversation: &crate::domain::conversation::Conversation| {
            if conversation.first_person().id == me { Which::First } else { Which::Second }
        };
        let frame = match &outcome {
            Outcome::Stored { message, .. } => event::sent(&id, message.conversation, message.seq, message.at, false),
            Outcome::Duplicate { conversation, seq, at } => event::sent(&id, *conversation, *seq, *at, true),
            Outcome::Changed { now, .. } | Outcome::Unchanged(now) => {
                event::conversation_ok(&id, now, side(&now.conversation))
            }
            Outcome::Moved { now, side, .. } => event::read_ok(&id, now.side(*side).unread),
            Outcome::Settled { .. }
            | Outcome::Recalled { .. }
            | Outcome::Edited { .. }
            | Outcome::Deleted { .. }
            | Outcome::Rated
            | Outcome::StatusSet { .. } => event::ok(&id),
        };
        link.send(encode_text(frame));
    }

    fn hint_answer(&mut self, answer: HintAnswer, link: &mut Link) {
        let HintAnswer { id, conversation, what, reply } = answer;
        match reply {
            Ok(()) => {
                if let Some(id) = id {
                    link.send(encode_text(event::ok(&id)));
                }
            }
            Err(refusal) => {
                if let (HintKind::View, Some(member)) = (what, self.member()) {
                    member.viewing.remove(&conversation);
                }
                self.refuse(id.as_deref(), &refusal, link);
            }
        }
    }
}

/// By what the route of a frame is looked up; `None` for what goes to another user.
fn route_key(frame: &Frame) -> Option<RouteKey> {
    Some(match frame {
        Frame::Send { to: Target::Shop(name), .. } | Frame::Status { shop: name, .. } => RouteKey::Shop(name.clone()),
        Frame::Send { to: Target::Conversation(conversation), .. }
        | Frame::Ack { conversation, .. }
        | Frame::Read { conversation, .. }
        | Frame::View { conversation, .. }
        | Frame::Signal { conversation, .. }
        | Frame::Claim { conversation }
        | Frame::Release { conversation }
        | Frame::Resolve { conversation }
        | Frame::Transfer { conversation, .. }
        | Frame::Recall { conversation, .. } => RouteKey::Conversation(*conversation),
        _ => return None,
    })
}

impl Member {
    fn route(&self, key: &RouteKey) -> Option<Route> {
        // Frames that already wait for this route go first.
        if self.routing.contains_key(key) {
            return None;
        }
        match key {
            RouteKey::Conversation(id) => self.routes.get(id).cloned(),
            RouteKey::Shop(name) => self.shop_routes.get(name).cloned(),
        }
    }

    fn remember(&mut self, key: &RouteKey, route: Route) {
        match key {
            RouteKey::Conversation(id) => {
                if self.routes.len() >= ROUTES_MAX {
                    self.routes.clear();
                }
                self.routes.insert(*id, route);
            }
            RouteKey::Shop(name) => {
                if self.shop_routes.len() >= ROUTES_MAX {
                    self.shop_routes.clear();
                }
                self.shop_routes.insert(name.clone(), route);
            }
        }
    }
}

impl Handler<Answers> for Connection<Session> {
    type Result = ();

    fn handle(&mut self, Answers(answers): Answers, ctx: &mut Self::Context) {
        let (session, link) = self.parts();
        answers.into_iter().for_each(|answer| session.answer(answer, link, ctx));
    }
}

impl Handler<HintAnswer> for Connection<Session> {
    type Result = ();

    fn handle(&mut self, answer: HintAnswer, _: &mut Self::Context) {
        let (session, link) = self.parts();
        session.hint_answer(answer, link);
    }
}
