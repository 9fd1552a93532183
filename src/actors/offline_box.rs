//! The offline box: pushes, lists and trims offline lists, on a thread of its own, because both kinds of lists block.
//!
//! What it cannot do it drops and counts: the lists save reading, and what they lack is filled in from the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::domain::{
    offline::{Entry, Fullness, Listed, Lists, Op, Unavailable},
    people::Person,
};

/// How many operations go into one pipeline or transaction.
const LARGEST: usize = 1_000;
/// How many may wait for a Redis that does not answer.
const CAPACITY: usize = 100_000;

enum Work {
    Ops(Vec<Op>),
    Entries(Arc<Person>, oneshot::Sender<Result<Vec<Entry>, Unavailable>>),
    Ask(oneshot::Sender<Result<Fullness, Unavailable>>),
    /// They are about to be filled: what comes from now on is in them.
    Fill(oneshot::Sender<Result<(), Unavailable>>),
    /// What had come before is in them too; gives whether that is all.
    Filled(oneshot::Sender<Result<bool, Unavailable>>),
    /// Another node fills them.
    Trust,
}

pub struct OfflineBox {
    work: mpsc::SyncSender<Work>,
    start: Option<(Box<dyn Lists>, mpsc::Receiver<Work>)>,
    /// Something that should be in a list has been dropped.
    lacking: Arc<AtomicBool>,
}

impl OfflineBox {
    pub fn new(lists: Box<dyn Lists>) -> OfflineBox {
        let (work, receive) = mpsc::sync_channel(CAPACITY);
        OfflineBox { work, start: Some((lists, receive)), lacking: Arc::default() }
    }

    fn give(&self, work: Work) {
        if self.work.try_send(work).is_err() {
            self.lacking.store(true, Ordering::Relaxed);
            metrics::counter!("shopbell_offline_dropped_total").increment(1);
        }
    }
}

impl Actor for OfflineBox {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Some((lists, work)) = self.start.take() else { return };
        let lacking = self.lacking.clone();
        let spawned = thread::Builder::new().name("offline".into()).spawn(move || serve(lists, &work, &lacking));
        if let Err(error) = spawned {
            tracing::error!(%error, "the offline box did not start");
            System::current().stop_with_code(1);
        }
    }
}

/// The thread. As long as something that this node should have pushed is lacking, and no node has begun to fill the lists since, no
/// node may trust them: all are told so as soon as they can be.
fn serve(mut lists: Box<dyn Lists>, work: &mpsc::Receiver<Work>, lacking: &AtomicBool) {
    // What a process before this one had to push may be missing: nothing is trusted before somebody has filled the lists.
    let (mut next, mut listed, mut told, mut trusted) = (None, Listed::default(), false, false);
    while let Some(work_now) = next.take().or_else(|| work.recv().ok()) {
        let lacks = lacking.load(Ordering::Relaxed);
        told = lacks && (told || lists.set(Fullness::Lacking).is_ok());
        match work_now {
            Work::Ops(mut ops) => {
                while ops.len() < LARGEST {
                    match work.try_recv() {
                        Ok(Work::Ops(more)) => ops.extend(more),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                ops.retain(|op| listed.concerns(op));
                if !ops.is_empty() && lists.apply(&ops).is_err() {
                    lacking.store(true, Ordering::Relaxed);
                    told = false;
                    metrics::counter!("shopbell_offline_dropped_total").increment(ops.len() as u64);
                }
            }
            Work::Entries(of, waiting) => {
                // Nobody waits any longer for a list that was silent for too long.
                if !waiting.is_closed() {
                    // A list that lacks something is no better than none.
                    let entries = match lists.fullness() {
                        Ok(Fullness::Complete) if trusted && !lacks => lists.entries(&of),
                        _ => Err(Unavailable),
                    };
                    listed.note(of.id, entries.as_deref().unwrap_or_default());
                    drop(waiting.send(entries));
                }
            }
            Work::Ask(waiting) => {
                _ = waiting.send(lists.fullness().map(|it| if lacks { Fullness::Lacking } else { it }));
            }
            Work::Fill(waiting) => {
                lacking.store(false, Ordering::Relaxed);
                trusted = true;
                _ = waiting.send(lists.set(Fullness::Filling));
            }
            Work::Filled(waiting) => _ = waiting.send(if lacks { Ok(false) } else { lists.finish() }),
            Work::Trust => trusted = true,
        }
    }
}

/// Apply these, some time soon.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ops(pub Vec<Op>);

impl Handler<Ops> for OfflineBox {
    type Result = ();

    fn handle(&mut self, Ops(ops): Ops, _: &mut Self::Context) {
        if !ops.is_empty() {
            self.give(Work::Ops(ops));
        }
    }
}

/// A user's entries, sent to whoever waits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Entries(pub Arc<Person>, pub oneshot::Sender<Result<Vec<Entry>, Unavailable>>);

impl Handler<Entries> for OfflineBox {
    type Result = ();

    fn handle(&mut self, Entries(of, waiting): Entries, _: &mut Self::Context) {
        self.give(Work::Entries(of, waiting));
    }
}

/// Whether the lists hold all that they should.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskFullness(pub oneshot::Sender<Result<Fullness, Unavailable>>);

impl Handler<AskFullness> for OfflineBox {
    type Result = ();

    fn handle(&mut self, AskFullness(waiting): AskFullness, _: &mut Self::Context) {
        self.give(Work::Ask(waiting));
    }
}

/// The lists are going to be filled.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fill(pub oneshot::Sender<Result<(), Unavailable>>);

impl Handler<Fill> for OfflineBox {
    type Result = ();

    fn handle(&mut self, Fill(waiting): Fill, _: &mut Self::Context) {
        self.give(Work::Fill(waiting));
    }
}

/// What the lists lacked has been pushed. Gives whether they are complete: not so if something was lost meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Filled(pub oneshot::Sender<Result<bool, Unavailable>>);

impl Handler<Filled> for OfflineBox {
    type Result = ();

    fn handle(&mut self, Filled(waiting): Filled, _: &mut Self::Context) {
        self.give(Work::Filled(waiting));
    }
}

/// Another node fills the lists.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Trust;

impl Handler<Trust> for OfflineBox {
    type Result = ();

    fn handle(&mut self, _: Trust, _: &mut Self::Context) {
        self.give(Work::Trust);
    }
}
