//! News that a message has come, for the agents who do not get the message by right: merged to one in a second, per conversation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{ShopDispatcher, told};
use crate::{
    actors::{fanout, mail::Told},
    domain::{audience, command::Snapshot, conversation::Cause, cursor::Which},
};

/// News of messages are merged to one in this time, per conversation.
const ACTIVITY: Duration = Duration::from_secs(1);
/// So often it is looked which are due: one timer for all, since an actor's timers are all asked whenever it has something to do.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Activity {
    told: Instant,
    pending: Option<Arc<Snapshot>>,
}

impl Activity {
    pub(super) fn is_over(&self) -> bool {
        self.pending.is_none() && self.told.elapsed() > ACTIVITY
    }
}

impl ShopDispatcher {
    /// What the agents other than the claimant are told of a new message: at once, or with the next ones a little later.
    pub(super) fn note_activity(&mut self, now: &Arc<Snapshot>, ctx: &mut Context<Self>) -> Option<Told> {
        if let Some(activity) = self.activity.get_mut(&now.conversation.id)
            && activity.told.elapsed() < ACTIVITY
        {
            activity.pending = Some(now.clone());
            self.watch_activity(ctx);
            return None;
        }
        self.activity(now)
    }

    /// What has been taken away or edited must not be told any more as it was.
    pub(super) fn correct_activity(&mut self, now: &Arc<Snapshot>) {
        if let Some(pending) =
            self.activity.get_mut(&now.conversation.id).and_then(|activity| activity.pending.as_mut())
        {
            *pending = now.clone();
        }
    }

    fn watch_activity(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.watches_activity, true) {
            ctx.run_later(LOOK, |this, ctx| {
                this.watches_activity = false;
                this.tell_pending_activity(ctx);
            });
        }
    }

    fn tell_pending_activity(&mut self, ctx: &mut Context<Self>) {
        let is_due = |activity: &&mut Activity| activity.told.elapsed() >= ACTIVITY;
        let due: Vec<_> = self.activity.values_mut().filter(is_due).filter_map(|it| it.pending.take()).collect();
        let told = due.iter().filter_map(|now| self.activity(now)).collect();
        self.tell(told);
        if self.activity.values().any(|activity| activity.pending.is_some()) {
            self.watch_activity(ctx);
        }
    }

    fn activity(&mut self, now: &Snapshot) -> Option<Told> {
        self.activity.insert(now.conversation.id, Activity { told: Instant::now(), pending: None });
        let to = fanout::owned(audience::of_activity(&now.conversation, &self.agents));
        (!to.is_empty()).then(|| told(to, fanout::latest_summary(Cause::Message, now, Which::Second)))
    }
}
