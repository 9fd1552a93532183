//! Attendance: says in the store that this node lives, and which agents have sessions here, so that any node can tell whose claims have
//! been abandoned.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{journal::write, node::Node};
use crate::{
    domain::ids::{NodeId, UserId},
    store::nodes,
};

/// How often the node says that it lives.
const RENEW: Duration = Duration::from_secs(2);
/// Who comes and goes within this time is written together.
const GATHER: Duration = Duration::from_millis(50);

pub struct Attendance {
    node: Arc<Node>,
    id: NodeId,
    name: Arc<str>,
    here: HashSet<UserId>,
    /// As the store has it; `None` where nothing has been written, or it is not known what has.
    written: Option<HashSet<UserId>>,
    writing: bool,
    /// Something has changed since.
    changed: bool,
}

impl Attendance {
    pub fn new(node: Arc<Node>, id: NodeId, name: &str) -> Attendance {
        let here = HashSet::new();
        Attendance { node, id, name: name.into(), here, written: None, writing: false, changed: false }
    }

    fn renew(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.writing, true) {
            return;
        }
        self.changed = false;
        let (here, all) = (self.here.clone(), self.written.is_none());
        let written = self.written.take().unwrap_or_default();
        let came: Vec<UserId> = here.difference(&written).copied().collect();
        let went: Vec<UserId> = written.difference(&here).copied().collect();
        let (node, id, name) = (self.node.clone(), self.id, self.name.clone());
        let writing =
            async move { write(&node.journal, move |db| Ok(nodes::renew(db, id, &name, &came, &went, all)?)).await };
        ctx.spawn(writing.into_actor(self).map(|renewed, this, ctx| {
            this.writing = false;
            match renewed {
                Ok(true) => this.written = Some(here),
                // Somebody has cleaned it away: this node was frozen for very long.
                Ok(false) => this.renew(ctx),
                Err(refusal) => tracing::debug!(?refusal, "attendance was not written"),
            }
            if this.changed && this.written.is_some() {
                this.renew(ctx);
            }
        }));
    }
}

impl Actor for Attendance {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.renew(ctx);
        ctx.run_interval(RENEW, Self::renew);
    }
}

/// An agent's first session here has come, or the last one is over.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attends {
    pub user: UserId,
    pub here: bool,
}

impl Handler<Attends> for Attendance {
    type Result = ();

    fn handle(&mut self, Attends { user, here }: Attends, ctx: &mut Self::Context) {
        let changed = if here { self.here.insert(user) } else { self.here.remove(&user) };
        if changed && !std::mem::replace(&mut self.changed, true) {
            ctx.run_later(GATHER, |this, ctx| {
                if this.changed {
                    this.renew(ctx);
                }
            });
        }
    }
}
