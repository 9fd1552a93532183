//! Redelivery: the sweeps that heal what a crash or a loss has left behind.
//!
//! A session repeats by itself what its client has not acked. This actor looks every second at the conversations that have changed
//! lately, so that whoever has missed something (a node died between commit and hand-over, the link lost an event) gets it; it fills the
//! offline lists from the store when they are not complete (a process ended between a commit and a push, or Redis has lost its
//! memory); and it takes conversations from claimants that have been gone too long.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    chat_server::{Correct, IsFirst, Revoke, Sweep},
    journal::write,
    mail::{Asked, Do, Overdue},
    node::Node,
    offline_box::{AskFullness, Fill, Filled, Ops, Trust},
};
use crate::{
    domain::{
        command::{Act, Command, Outcome, Target},
        ids::{ConversationId, Seq, Timestamp, UserId},
        offline::{Fullness, Op, Unavailable},
        refusal::Refusal,
    },
    store::{
        Db,
        changes::{self, Changed, Glimpse},
        conversations, nodes, users, waiting_acks,
    },
};

const SWEEP: Duration = Duration::from_secs(1);
/// What changed so long before the last good sweep is looked at again: a transaction may take that long, and clocks differ.
const OVERLAP_MS: i64 = 10_000;
/// What is not delivered so long after it was written is not on its way; nor what a sweep saw that is as old as the second.
const SETTLED_MS: i64 = 1_000;
const SEEN_MS: i64 = 500;

const LISTS: Duration = Duration::from_secs(2);
const CLAIMS: Duration = Duration::from_secs(5);
/// How often rows of nodes and agents long gone are removed.
const CLEAN: Duration = Duration::from_secs(600);

/// For how long a claimant keeps what it does nothing about.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// An agent without a session.
    pub away: Duration,
    /// A bot that owes the buyer an answer.
    pub bot: Duration,
}

pub struct Redelivery {
    node: Arc<Node>,
    grace: Grace,
    filling: bool,
    /// What this node, or one that has died, had to push may be missing: the lists are to be filled.
    lacking: bool,
    sweeping: bool,
    /// When the last good sweep began, and how far the conversations were then that it found.
    swept: Timestamp,
    found: HashMap<ConversationId, (Seq, i64)>,
    cleaned: Instant,
}

impl Redelivery {
    pub fn new(node: Arc<Node>, grace: Grace) -> Redelivery {
        let (swept, cleaned) = (super::now(), Instant::now());
        Redelivery {
            node,
            grace,
            filling: false,
            lacking: true,
            sweeping: false,
            swept,
            found: HashMap::new(),
            cleaned,
        }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        let (node, now) = (self.node.clone(), super::now());
        let since = Timestamp(self.swept.0 - OVERLAP_MS);
        let sweeping = async move { sweep(&node, since).await };
        ctx.spawn(sweeping.into_actor(self).map(move |swept, this, _| {
            this.sweeping = false;
            match swept {
                Ok((conversations, messages)) => {
                    this.show(now, conversations);
                    this.correct(now, messages);
                }
                Err(refusal) => tracing::debug!(?refusal, "a sweep was broken off"),
            }
        }));
    }

    /// Shows everybody here what must have come to them by now: what is a moment old, and of conversations that never rest, what the last
    /// sweep saw.
    fn show(&mut self, now: Timestamp, changed: Vec<Glimpse>) {
        let found = changed.iter().map(|glimpse| (glimpse.id, (glimpse.last_seq, glimpse.revision))).collect();
        let mut before = std::mem::replace(&mut self.found, found);
        if now.since(self.swept) < SEEN_MS {
            before.clear();
        }
        self.swept = now;
        let overdue = |glimpse: Glimpse| {
            let rests = now.since(glimpse.at) > SETTLED_MS;
            let (upto, revision) = match before.get(&glimpse.id) {
                _ if rests => (glimpse.last_seq, glimpse.revision),
                Some(&seen) => seen,
                None => return None,
            };
            Some(Overdue { glimpse, upto, revision })
        };
        let overdue: Vec<Overdue> = changed.into_iter().filter_map(overdue).collect();
        if !overdue.is_empty() {
            self.node.chat.do_send(Sweep(overdue));
        }
    }

    /// Tells what has become of messages, where it must have been told by now.
    fn correct(&self, now: Timestamp, mut changed: Vec<Changed>) {
        changed.retain(|change| now.since(change.at) > SETTLED_MS);
        if !changed.is_empty() {
            self.node.chat.do_send(Correct(changed));
        }
    }

    fn check_lists(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.filling, true) {
            return;
        }
        let (node, lacking) = (self.node.clone(), std::mem::take(&mut self.lacking));
        let filling = async move { fill_lists(&node, lacking).await };
        ctx.spawn(filling.into_actor(self).map(move |filled, this, _| {
            this.filling = false;
            if let Err(refusal) = filled {
                this.lacking |= lacking;
                tracing::debug!(?refusal, "offline lists were not filled");
            }
        }));
    }

    fn check_claims(&mut self, ctx: &mut Context<Self>) {
        let (node, grace) = (self.node.clone(), self.grace);
        let clean = self.cleaned.elapsed() > CLEAN;
        if clean {
            self.cleaned = Instant::now();
        }
        let checked = async move {
            if let Err(refusal) = release_abandoned(&node, grace, clean).await {
                tracing::debug!(?refusal, "claims were not checked");
            }
        };
        ctx.spawn(checked.into_actor(self));
    }
}

impl Actor for Redelivery {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.check_lists(ctx);
        ctx.run_interval(SWEEP, Self::sweep);
        ctx.run_interval(LISTS, Self::check_lists);
        let shortest = self.grace.away.min(self.grace.bot);
        ctx.run_interval(CLAIMS.min(shortest / 2).max(Duration::from_millis(100)), Self::check_claims);
    }
}

/// Fills the lists where they have lost something: for each conversation that waits, what each agent on duty has not acked. What is
/// due to buyers, claimants and direct users follows from their cursors alone.
async fn fill_lists(node: &Node, lacking: bool) -> Result<(), Refusal> {
    let (ask, fullness) = oneshot::channel();
    node.offline.do_send(AskFullness(ask));
    match answer(fullness).await? {
        Fullness::Complete if !lacking => return Ok(()),
        // Another node does it, from the same store.
        Fullness::Filling => {
            node.offline.do_send(Trust);
            return Ok(());
        }
        Fullness::Complete | Fullness::Lacking => {}
    }
    let (begin, begun) = oneshot::channel();
    node.offline.do_send(Fill(begin));
    answer(begun).await?;
    let due = node.read(waiting_acks::due_to_agents).await?;
    // Also for those who are there: a session that is logging in may read its list only when it is full. What they ack leaves it again.
    let ops: Vec<Op> = due.into_iter().map(|(to, entry)| Op::Push { to, entry }).collect();
    metrics::counter!("shopbell_offline_filled_total").increment(ops.len() as u64);
    for chunk in ops.chunks(1_000) {
        node.offline.do_send(Ops(chunk.to_vec()));
    }
    let (done, filled) = oneshot::channel();
    node.offline.do_send(Filled(done));
    if answer(filled).await? { Ok(()) } else { Err(Refusal::BUSY) }
}

async fn answer<T>(waiting: oneshot::Receiver<Result<T, Unavailable>>) -> Result<T, Refusal> {
    waiting.await.map_err(|_| Refusal::BUSY)?.map_err(|_| Refusal::BUSY)
}

/// Something may have been missed: look now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SweepNow;

impl Handler<SweepNow> for Redelivery {
    type Result = ();

    fn handle(&mut self, _: SweepNow, ctx: &mut Self::Context) {
        self.sweep(ctx);
    }
}

/// Another node has gone: what it had to push to lists may be missing, and what it had to tell too.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodeGone;

impl Handler<NodeGone> for Redelivery {
    type Result = ();

    fn handle(&mut self, _: NodeGone, ctx: &mut Self::Context) {
        self.sweep(ctx);
        let asking = self.node.chat.send(IsFirst(self.node.id)).into_actor(self);
        ctx.spawn(asking.map(|first, this, _| this.lacking |= first.unwrap_or(true)));
    }
}

/// What has changed since `since`. Ends the sessions whose tokens are refused since then.
async fn sweep(node: &Node, since: Timestamp) -> Result<(Vec<Glimpse>, Vec<Changed>), Refusal> {
    let read = move |db: &mut Db| {
        Ok((changes::conversations(db, since)?, changes::messages(db, since)?, changes::revocations(db, since)?))
    };
    let (conversations, messages, revoked) = node.read(read).await?;
    for (user, before) in revoked {
        node.chat.do_send(Revoke { user, before, everywhere: false });
    }
    Ok((conversations, messages))
}

/// Takes conversations from claimants who have been on no live node, and from bots that have not answered, for too long.
async fn release_abandoned(node: &Node, grace: Grace, clean: bool) -> Result<(), Refusal> {
    let ms = |grace: Duration| i64::try_from(grace.as_millis()).unwrap_or(i64::MAX / 4);
    let grace_ms = ms(grace.away);
    if clean {
        write(&node.journal, move |db| Ok(nodes::clean(db, grace_ms)?)).await?;
    }
    let abandoned = node.read(move |db| nodes::abandoned_claims(db, grace_ms)).await?;
    // A removal that was broken off has left claims to somebody who is no agent any more.
    let orphans = node.read(conversations::orphaned_claims).await?;
    let answered_before = Timestamp(super::now().0 - ms(grace.bot));
    let unanswered = node.read(move |db| nodes::unanswered_claims(db, answered_before)).await?;
    for claim in abandoned.into_iter().chain(orphans) {
        lose_claimant(node, claim, Asked::Nobody).await?;
    }
    let mut losing = Vec::new();
    for claim in unanswered {
        let (call, reply) = oneshot::channel();
        lose_claimant(node, claim, Asked::Call(call)).await?;
        losing.push(reply);
    }
    for reply in losing {
        // Another node may have been faster; and what is not written now is found again.
        if let Ok(Ok(Outcome::Changed { .. })) = reply.await {
            metrics::counter!("shopbell_bot_claims_lost_total").increment(1);
        }
    }
    Ok(())
}

async fn lose_claimant(
    node: &Node,
    (conversation, claim_version, claimant): (ConversationId, i64, UserId),
    asked: Asked,
) -> Result<(), Refusal> {
    let Some(user) = node.read(move |db| users::by_id(db, claimant)).await? else { return Ok(()) };
    let route = node.route(&Target::Conversation(conversation), claimant).await?;
    let act = Act::LoseClaimant { conversation, claim_version };
    route.give(Do { command: Command { by: user.person(), at: super::now(), act }, asked, permit: None });
    Ok(())
}
