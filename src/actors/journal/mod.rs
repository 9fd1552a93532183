//! The journal: what waits to be written, in lanes. Each lane's writer is a thread of its own, because writing blocks.
//!
//! On SQLite there is one lane. On PostgreSQL a shop's conversations always take the same one, so that what comes of them comes in the
//! order in which it was committed; jobs have a lane that has nothing to do with conversations.

mod acks;
mod admission;
mod call;
mod checkpoint;
mod lane;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::{Notify, oneshot};

use self::lane::{Fate, Lane, Return, Seat, Waiting};
pub use self::{
    admission::{Admission, Permit},
    call::{WriteError, write, write_apart, write_aside},
    checkpoint::checkpoint_beside,
};
use super::mail::{Asked, Written};
use crate::{
    domain::{command::Command, ids::ShopId},
    store::journal::{Entry, Job, Writer},
};

/// How often lanes are looked at that do not get on.
const LOOK: Duration = Duration::from_millis(200);

pub struct Journal {
    /// Those of commands; and behind them that of jobs, where it is another.
    lanes: Vec<Lane>,
    admission: Admission,
    start: Vec<Writer>,
    /// Those who wait for everything to be written.
    drains: Vec<oneshot::Sender<()>>,
    /// Told when something may have happened that is to be told.
    wake: Option<Arc<Notify>>,
}

impl Journal {
    /// With a lane for each of `commands`, of which `admission` has as many. Without a writer for jobs, these go where the commands go.
    pub fn new(commands: Vec<Writer>, jobs: Option<Writer>, admission: Admission) -> Journal {
        let start = commands.into_iter().chain(jobs).collect();
        Journal { lanes: Vec::new(), admission, start, drains: Vec::new(), wake: None }
    }

    fn look(&mut self) {
        let now = Instant::now();
        self.lanes.iter_mut().for_each(|lane| lane.look(now));
        self.drain();
    }

    /// Sees to it that what waits for company is written in time.
    fn watch(&mut self, number: usize, now: Instant, ctx: &mut Context<Self>) {
        if let Some(wait) = self.lanes.get_mut(number).and_then(|lane| lane.watch(now)) {
            ctx.run_later(wait, move |this, ctx| {
                let now = Instant::now();
                this.lanes[number].watched(now);
                this.watch(number, now, ctx);
            });
        }
    }

    fn push(&mut self, number: usize, entry: Entry, back: Option<Return>, ctx: &mut Context<Self>) {
        let since = Instant::now();
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.push(Waiting { entry, back, since });
        }
        self.watch(number, since, ctx);
    }

    fn drain(&mut self) {
        if !self.drains.is_empty() && self.lanes.iter().all(Lane::is_idle) {
            self.drains.drain(..).for_each(|drained| _ = drained.send(()));
        }
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for (number, writer) in std::mem::take(&mut self.start).into_iter().enumerate() {
            match Lane::start(number, writer, ctx.address(), self.admission.clone()) {
                Ok(lane) => self.lanes.push(lane),
                Err(error) => {
                    tracing::error!(%error, "a writer of the journal did not start");
                    System::current().stop_with_code(1);
                }
            }
        }
        ctx.run_interval(LOOK, |this, _| this.look());
    }
}

/// From a lane's writer: what has become of its batch. Not `ready`: it has lost its connection, and says when it has another.
#[derive(Message)]
#[rtype(result = "()")]
struct Done {
    of: Seat,
    fates: Vec<Fate>,
    ready: bool,
}

impl Handler<Done> for Journal {
    type Result = ();

    fn handle(&mut self, Done { of, fates, ready }: Done, ctx: &mut Self::Context) {
        let number = of.lane;
        if let Some(wake) = self.wake.as_ref().filter(|_| fates.iter().any(Fate::is_news)) {
            wake.notify_one();
        }
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.done(of, fates, ready);
        }
        self.watch(number, Instant::now(), ctx);
        self.drain();
    }
}

/// From a lane's writer: it has a connection again.
#[derive(Message)]
#[rtype(result = "()")]
struct Ready(Seat);

impl Handler<Ready> for Journal {
    type Result = ();

    fn handle(&mut self, Ready(of): Ready, ctx: &mut Self::Context) {
        let number = of.lane;
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.ready(of);
        }
        self.watch(number, Instant::now(), ctx);
    }
}

/// Write this command about conversations of a shop, or about direct ones, and tell the dispatcher what has come of it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Append {
    pub command: Command,
    pub shop: Option<ShopId>,
    pub to: Recipient<Written>,
    pub asked: Asked,
    pub permit: Option<Permit>,
}

impl Handler<Append> for Journal {
    type Result = ();

    fn handle(&mut self, Append { command, shop, to, asked, permit }: Append, ctx: &mut Self::Context) {
        self.push(self.admission.lane_of(shop), Entry::Command(command), Some(Return { to, asked, permit }), ctx);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Run(Box<dyn Job>);

impl Handler<Run> for Journal {
    type Result = ();

    fn handle(&mut self, Run(job): Run, ctx: &mut Self::Context) {
        self.push(self.lanes.len().saturating_sub(1), Entry::Job(job), None, ctx);
    }
}

/// Wakes whoever gives events their places, whenever something may have happened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Wake(pub Arc<Notify>);

impl Handler<Wake> for Journal {
    type Result = ();

    fn handle(&mut self, Wake(wake): Wake, _: &mut Self::Context) {
        self.wake = Some(wake);
    }
}

/// Answered when everything that has come so far is written.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain(pub oneshot::Sender<()>);

impl Handler<Drain> for Journal {
    type Result = ();

    fn handle(&mut self, Drain(drained): Drain, _: &mut Self::Context) {
        self.drains.push(drained);
        self.lanes.iter_mut().for_each(Lane::release);
        self.drain();
    }
}
