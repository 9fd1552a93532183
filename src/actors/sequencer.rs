//! The sequencer: gives what has happened its place among the events of its shop, soon after it is committed. Every node has one, where
//! there may be several nodes; one of them works at a time, and whatever node has written an event may be gone by then.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{sync::Notify, time::timeout};

use super::{
    journal::{Wake, write_aside},
    node::Node,
};
use crate::{
    domain::{ids::Timestamp, refusal::Refusal},
    store::events::{self, Sequenced},
};

/// How often it is looked for what other nodes have left behind.
const LOOK: Duration = Duration::from_secs(1);
/// What this node writes is given its place so long after: a transaction for many.
const GATHER: Duration = Duration::from_millis(50);
/// How long another node may take for what there is.
const TURN: Duration = Duration::from_millis(20);
/// So many packets at a time.
const AT_ONCE: usize = 500;

pub struct Sequencer {
    node: Arc<Node>,
}

impl Sequencer {
    pub fn new(node: Arc<Node>) -> Sequencer {
        Sequencer { node }
    }
}

impl Actor for Sequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (node, written) = (self.node.clone(), Arc::new(Notify::new()));
        node.journal.do_send(Wake(written.clone()));
        let run = async move {
            loop {
                // Whether it was written here or not.
                drop(timeout(LOOK, written.notified()).await);
                tokio::time::sleep(GATHER).await;
                if let Err(refusal) = go_on(&node).await {
                    tracing::debug!(?refusal, "no event was given its place");
                }
            }
        };
        ctx.spawn(run.into_actor(self));
    }
}

/// Gives all that waits its place.
async fn go_on(node: &Node) -> Result<(), Refusal> {
    loop {
        let since = node.read(events::waiting_since).await?;
        let lag = since.map_or(0, |Timestamp(since)| (super::now().0 - since).max(0));
        metrics::gauge!("shopbell_events_lag_seconds").set(lag as f64 / 1_000.0);
        if since.is_none() {
            return Ok(());
        }
        match write_aside(&node.journal, |db| Ok(events::sequence(db, AT_ONCE)?)).await? {
            Sequenced::Events { count, all } => {
                metrics::counter!("shopbell_events_total").increment(count as u64);
                if all {
                    return Ok(());
                }
            }
            Sequenced::Elsewhere => tokio::time::sleep(TURN).await,
        }
    }
}
