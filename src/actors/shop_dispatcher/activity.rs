//! News that a message has come, for the agents who do not get the message by right: merged to one in a second, per conversation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{ShopDispatcher, told};
use crate::{
    actors::fanout,
    domain::{audience, command::Snapshot, conversation::Cause, cursor::Which, ids::ConversationId},
};

/// News of messages are merged to one in this time, per conversation.
const ACTIVITY: Duration = Duration::from_secs(1);

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
    /// Tells the agents other than the claimant that there is a new message: at once, or with the next ones a little later.
    pub(super) fn note_activity(&mut self, now: &Arc<Snapshot>, ctx: &mut Context<Self>) {
        let id = now.conversation.id;
        let at = Instant::now();
        if let Some(activity) = self.activity.get_mut(&id)
            && at.saturating_duration_since(activity.told) < ACTIVITY
        {
            if activity.pending.replace(now.clone()).is_none() {
                let wait = ACTIVITY.saturating_sub(at.saturating_duration_since(activity.told));
                ctx.run_later(wait, move |this, _| this.tell_pending_activity(id));
            }
            return;
        }
        self.tell_activity(now);
    }

    /// What has been taken away or edited must not be told any more as it was.
    pub(super) fn correct_activity(&mut self, now: &Arc<Snapshot>) {
        if let Some(pending) =
            self.activity.get_mut(&now.conversation.id).and_then(|activity| activity.pending.as_mut())
        {
            *pending = now.clone();
        }
    }

    fn tell_pending_activity(&mut self, id: ConversationId) {
        if let Some(now) = self.activity.get_mut(&id).and_then(|activity| activity.pending.take()) {
            self.tell_activity(&now);
        }
    }

    fn tell_activity(&mut self, now: &Snapshot) {
        self.activity.insert(now.conversation.id, Activity { told: Instant::now(), pending: None });
        let to = fanout::owned(audience::of_activity(&now.conversation, &self.agents));
        if !to.is_empty() {
            self.tell(vec![told(to, fanout::latest_summary(Cause::Message, now, Which::Second))]);
        }
    }
}
