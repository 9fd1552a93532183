//! The actor of a connection: a shell around an application, its link and the peer's liveness.

use std::time::Instant;

use actix::prelude::*;
use actix_http::ws::Message;
use bytes::Bytes;

use super::{End, Link, encode, frames::Arrival};
use crate::domain::liveness::{Beat, Liveness};

/// What an application adds to a connection.
pub trait App: Sized + Unpin + 'static {
    /// The connection is open.
    fn started(&mut self, _link: &mut Link, _ctx: &mut Context<Connection<Self>>) {}

    /// A whole `Text` or `Binary` message has come; never another kind, and none once the connection is ending.
    fn message(&mut self, message: Message, link: &mut Link, ctx: &mut Context<Connection<Self>>);

    /// A ping or pong has come and was dealt with: for applications that count frames.
    fn control(&mut self, _link: &mut Link, _ctx: &mut Context<Connection<Self>>) {}

    /// Called every [`Limits::tick`](super::Limits::tick), until the connection is ending.
    fn tick(&mut self, _link: &mut Link, _ctx: &mut Context<Connection<Self>>, _now: Instant) {}

    /// The connection is over, whatever road it died by: exactly once if `started` was called, else not at all.
    fn ended(&mut self, _why: &End) {}
}

/// The actor of a connection.
pub struct Connection<A: App> {
    link: Link,
    app: A,
    liveness: Liveness,
    started: bool,
    /// The client says no more: it sent FIN, or its connection is gone.
    deaf: bool,
}

impl<A: App> Connection<A> {
    pub(super) fn new(link: Link, app: A) -> Self {
        Self { link, app, liveness: Liveness::new(Instant::now()), started: false, deaf: false }
    }

    /// The application and its link, for handlers of further actor messages.
    pub fn parts(&mut self) -> (&mut A, &mut Link) {
        (&mut self.app, &mut self.link)
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        if !self.link.is_ending() {
            self.watch(now);
        }
        if !self.link.is_ending() {
            self.app.tick(&mut self.link, ctx, now);
        }
        self.leave(ctx, now);
    }

    /// Stops an ending connection once all is said, or its time is up. Dropping the actor does the rest.
    fn leave(&mut self, ctx: &mut Context<Self>, now: Instant) {
        let Some(deadline) = self.link.deadline() else { return };
        let left = deadline.saturating_duration_since(now);
        if self.is_over() || left.is_zero() {
            ctx.stop();
        } else if left < self.link.limits().tick {
            ctx.run_later(left, |_, ctx| ctx.stop());
        }
    }

    /// Whether the TCP connection is closed, or closes by itself: both sides have said all.
    fn is_over(&self) -> bool {
        self.deaf && self.link.is_drained()
    }

    fn watch(&mut self, now: Instant) {
        if self.link.is_stalled(now) {
            return self.link.close(End::Slow);
        }
        match self.liveness.beat(&self.link.limits().heartbeat, now) {
            Beat::Rest => {}
            Beat::Ping => {
                self.link.send(encode(Message::Ping(Bytes::new())));
            }
            Beat::Gone => self.link.close(End::Silent),
        }
    }

    fn receive(&mut self, message: Message, ctx: &mut Context<Self>) {
        match message {
            Message::Close(_) if self.link.is_ending() => self.link.finish(),
            _ if self.link.is_ending() => {}
            Message::Close(reason) => self.link.close(End::Client(reason.map(|reason| reason.code.into()))),
            Message::Ping(data) => {
                self.link.send(encode(Message::Pong(data)));
                self.app.control(&mut self.link, ctx);
            }
            Message::Pong(_) => self.app.control(&mut self.link, ctx),
            Message::Text(_) | Message::Binary(_) => self.app.message(message, &mut self.link, ctx),
            Message::Continuation(_) | Message::Nop => {}
        }
    }
}

impl<A: App> Actor for Connection<A> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.link.limits().tick, Self::tick);
        self.started = true;
        self.app.started(&mut self.link, ctx);
    }
}

impl<A: App> StreamHandler<Arrival> for Connection<A> {
    fn handle(&mut self, arrival: Arrival, ctx: &mut Self::Context) {
        self.liveness.hear(Instant::now());
        match arrival {
            Arrival::Part => {}
            Arrival::Message(message) => self.receive(message, ctx),
            Arrival::Broken(end) => self.link.close(end),
        }
    }

    /// The client says no more. The dispatcher, if it lives, sends what is left.
    fn finished(&mut self, ctx: &mut Self::Context) {
        self.deaf = true;
        self.link.close(End::Lost);
        self.link.finish();
        self.leave(ctx, Instant::now());
    }
}

/// The one place where a connection ends: an actor is dropped when it stops, and also when its thread does.
impl<A: App> Drop for Connection<A> {
    fn drop(&mut self) {
        if !self.is_over() {
            self.link.reset();
        }
        self.link.finish();
        if self.started {
            self.app.ended(&self.link.end());
        }
    }
}
