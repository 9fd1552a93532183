//! Webhooks: posts what happens in shops to the endpoints that they have named.
//!
//! Every node looks for endpoints that have something to do, and works at those whose lease it gets: one node sends to each at a time.
//! What is under way is in the store, so when a node has died another goes on: an event may come twice then, with the same id, and none is
//! lost.

mod endpoint;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{
    journal::{WriteError, write_apart},
    node::Node,
};
use crate::{
    domain::{ids::Timestamp, refusal::Refusal},
    store::{Db, leases, webhooks},
};
use endpoint::Endpoint;

/// How often it is looked for something to do.
const LOOK: Duration = Duration::from_millis(200);
/// Whoever works at an endpoint says so this often, and has lost it where that was not said for so long.
const RENEW: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(6);

/// What the operator has set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a second of the schedule of attempts lasts.
    pub retry_unit: Duration,
    /// How long an endpoint may fail before it is switched off.
    pub patience: Duration,
}

pub struct Webhooks {
    node: Arc<Node>,
    settings: Settings,
    /// Who works here, for the leases.
    holder: i64,
    /// The endpoints that this node works at.
    held: BTreeSet<i64>,
    looking: bool,
}

impl Webhooks {
    pub fn new(node: Arc<Node>, settings: Settings) -> Webhooks {
        Webhooks { node, settings, holder: rand::random(), held: BTreeSet::new(), looking: false }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let (node, holder, held) = (self.node.clone(), self.holder, self.held.clone());
        let looking = async move {
            let free = node.read(move |db| {
                // Where another works there is nothing to be written: it says every moment that it is there.
                let (busy, leases) = (webhooks::busy(db)?, leases::held(db, super::now())?);
                let is_free = |id: &i64| !held.contains(id) && !leases.contains(&lease(*id));
                Ok(busy.into_iter().filter(is_free).collect::<Vec<i64>>())
            });
            let free = free.await?;
            if free.is_empty() {
                return Ok(free);
            }
            apart(&node, move |db| {
                free.iter()
                    .copied()
                    .filter_map(|id| hold(db, id, holder).map(|got| got.then_some(id)).transpose())
                    .collect()
            })
            .await
        };
        ctx.spawn(looking.into_actor(self).map(|got: Result<Vec<i64>, Refusal>, this, ctx| {
            this.looking = false;
            match got {
                Ok(ids) => ids.into_iter().for_each(|id| this.begin(id, ctx)),
                Err(refusal) => tracing::debug!(?refusal, "webhooks were not looked at"),
            }
        }));
    }

    /// Works at an endpoint until it has nothing to do, or is another node's.
    fn begin(&mut self, id: i64, ctx: &mut Context<Self>) {
        self.held.insert(id);
        let endpoint = Endpoint::new(self.node.clone(), self.settings, id, self.holder);
        ctx.spawn(endpoint.run().into_actor(self).map(move |(), this, _| {
            this.held.remove(&id);
        }));
    }
}

impl Actor for Webhooks {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK, Self::look);
    }
}

fn lease(id: i64) -> String {
    format!("webhook {id}")
}

/// Takes an endpoint's lease, or keeps it; false where another node has it.
fn hold(db: &mut Db, id: i64, holder: i64) -> Result<bool, WriteError> {
    let now = super::now();
    Ok(leases::take(db, &lease(id), holder, now, Timestamp(now.0 + LEASE.as_millis() as i64))?)
}

/// A writing that leaves users, shops, agents and conversations alone.
async fn apart<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl FnMut(&mut Db) -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Refusal> {
    let journal = node.journal.clone();
    let written = tokio::task::spawn_blocking(move || write_apart(&journal, work)).await;
    written.unwrap_or(Err(Refusal::BUSY))
}
