//! Redelivery: the sweeps that heal what a crash or a loss has left behind.
//!
//! A session repeats by itself what its client has not acked. This actor fills the offline lists from the store when they are not
//! complete (the process ended between a commit and a push, or Redis has lost its memory), and takes conversations from claimants
//! that have been gone too long.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    chat_server::{WhoIsGone, WhoIsHere},
    mail::{Asked, Do},
    node::Node,
    offline_box::{AskComplete, Filled, Ops, SetComplete},
};
use crate::{
    domain::{
        command::{Act, Command, Target},
        ids::UserId,
        offline::Op,
        refusal::Refusal,
    },
    store::{conversations, users, waiting_acks},
};

const LISTS: Duration = Duration::from_secs(2);
const CLAIMS: Duration = Duration::from_secs(5);

pub struct Redelivery {
    node: Arc<Node>,
    claim_grace: Duration,
    filling: bool,
    /// Whether this process has filled the lists: what the one before it had to push may be missing.
    filled: bool,
}

impl Redelivery {
    pub fn new(node: Arc<Node>, claim_grace: Duration) -> Redelivery {
        Redelivery { node, claim_grace, filling: false, filled: false }
    }

    fn check_lists(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.filling, true) {
            return;
        }
        let (node, first) = (self.node.clone(), !self.filled);
        let filling = async move { fill_lists(&node, first).await };
        ctx.spawn(filling.into_actor(self).map(|filled, this, _| {
            this.filling = false;
            match filled {
                Ok(()) => this.filled = true,
                Err(refusal) => {
                    this.filled = false;
                    tracing::debug!(?refusal, "offline lists were not filled");
                }
            }
        }));
    }

    fn check_claims(&mut self, ctx: &mut Context<Self>) {
        let (node, grace) = (self.node.clone(), self.claim_grace);
        let checked = async move {
            if let Err(refusal) = release_gone(&node, grace).await {
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
        ctx.run_interval(LISTS, Self::check_lists);
        ctx.run_interval(CLAIMS.min(self.claim_grace / 2).max(Duration::from_millis(100)), Self::check_claims);
    }
}

/// Fills the lists where they have lost something: for each conversation that waits, what each agent on duty has not acked. What is
/// due to buyers, claimants and direct users follows from their cursors alone.
async fn fill_lists(node: &Node, in_any_case: bool) -> Result<(), Refusal> {
    let (ask, complete) = oneshot::channel();
    node.offline.do_send(AskComplete(ask));
    let complete = complete.await.map_err(|_| Refusal::BUSY)?.map_err(|_| Refusal::BUSY)?;
    if complete && !in_any_case {
        return Ok(());
    }
    // From now on, so that what is dropped while they are filled makes them incomplete again.
    let (done, completed) = oneshot::channel();
    node.offline.do_send(SetComplete(done));
    completed.await.map_err(|_| Refusal::BUSY)?.map_err(|_| Refusal::BUSY)?;
    let due = node.read(waiting_acks::due_to_agents).await?;
    let users: Vec<UserId> = due.iter().map(|(person, _)| person.id).collect::<HashSet<_>>().into_iter().collect();
    let here = node.chat.send(WhoIsHere(users)).await.map_err(|_| Refusal::BUSY)?;
    let ops: Vec<Op> = due
        .into_iter()
        .filter(|(person, _)| !here.contains(&person.id))
        .map(|(to, entry)| Op::Push { to, entry })
        .collect();
    metrics::counter!("shopbell_offline_filled_total").increment(ops.len() as u64);
    for chunk in ops.chunks(1_000) {
        node.offline.do_send(Ops(chunk.to_vec()));
    }
    node.offline.do_send(Filled);
    Ok(())
}

/// Takes conversations from claimants who have had no session for `grace`.
async fn release_gone(node: &Node, grace: Duration) -> Result<(), Refusal> {
    let claims = node.read(conversations::claims).await?;
    let users = claims.iter().map(|claim| claim.2).collect();
    let gone = node.chat.send(WhoIsGone { users, longer_than: grace }).await.map_err(|_| Refusal::BUSY)?;
    // A removal that was broken off has left claims to somebody who is no agent any more.
    let orphans = node.read(conversations::orphaned_claims).await?;
    let lost = claims.into_iter().filter(|claim| gone.contains(&claim.2)).chain(orphans);
    for (conversation, claim_version, claimant) in lost {
        let Some(user) = node.read(move |db| users::by_id(db, claimant)).await? else { continue };
        let route = node.route(&Target::Conversation(conversation), claimant).await?;
        let act = Act::LoseClaimant { conversation, claim_version };
        route.give(Do { command: Command { by: user.person(), at: super::now(), act }, asked: Asked::Nobody });
    }
    Ok(())
}
