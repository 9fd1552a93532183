//! What this node was not told of and finds in the store.

use std::sync::Arc;

use actix::prelude::*;

use super::{ShopDispatcher, told};
use crate::{
    actors::{
        fanout::{self, Fanout},
        mail::{Overdue, Push, Swept, Told},
        node::blocking,
    },
    domain::{
        audience,
        command::Snapshot,
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq},
        people::Agent,
    },
    store::{changes::Glimpse, conversations, people::People},
};

impl ShopDispatcher {
    /// A conversation has changed without this node having been told how.
    fn heal(&mut self, now: &Arc<Snapshot>, ctx: &mut Context<Self>) {
        let conversation = Arc::new(now.conversation.clone());
        let id = conversation.id;
        let before = self.replica.get(id).map(|known| known.conversation.clone());
        if !self.note(&conversation) {
            return;
        }
        let mut told = Fanout::healed(now, before.as_deref(), &self.agents).told;
        if let Some((from, upto)) = self.replica.take_untold(id, conversation.last_seq) {
            told.extend(hand_over_to_both(&conversation, from, upto, &self.agents));
        }
        // A change of claim has shown the last message.
        if before.is_some_and(|before| before.is_same_claim(&conversation) && before.last_seq < conversation.last_seq) {
            told.extend(self.note_activity(now, ctx));
        }
        self.tell(told);
    }

    /// Finds in the store how these stand, and tells it.
    fn catch_up(&self, outdated: Vec<ConversationId>, ctx: &mut Context<Self>) {
        let readers = self.readers.clone();
        let reading = move || {
            readers.read(|db| {
                let mut people = People::default();
                let found = outdated.iter().map(|id| conversations::snapshot(db, &mut people, *id));
                found.filter_map(Result::transpose).collect::<diesel::QueryResult<Vec<_>>>()
            })
        };
        let read = blocking(reading).into_actor(self).map(|read, this, ctx| {
            for now in read.into_iter().flatten() {
                this.heal(&Arc::new(now), ctx);
            }
        });
        ctx.spawn(read);
    }
}

/// Messages that this node was not told of, for the readers of a side, as far as they are due to them: where nobody has claimed the
/// conversation, not those of an earlier ticket. A session that has them reads nothing.
pub(super) fn hand_over(
    conversation: &Conversation,
    side: Which,
    from: Seq,
    upto: Seq,
    agents: &[Agent],
) -> Option<Told> {
    let mut from = from.max(conversation.side(side).delivered + 1);
    if conversation.reader(side).is_none() {
        from = from.max(conversation.opened_seq);
    }
    let to = fanout::owned(audience::of_side(conversation, side, agents));
    (from <= upto).then(|| told(to, Push::HandOver { conversation: conversation.id, from, upto }))
}

fn hand_over_to_both(conversation: &Conversation, from: Seq, upto: Seq, agents: &[Agent]) -> Vec<Told> {
    let sides = [Which::First, Which::Second].into_iter();
    sides.filter_map(|side| hand_over(conversation, side, from, upto, agents)).collect()
}

impl Handler<Swept> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Swept(all): Swept, ctx: &mut Self::Context) {
        let (mut missed, mut outdated) = (Vec::new(), Vec::new());
        for Overdue { glimpse: Glimpse { id, .. }, upto, revision } in all {
            let known = self.replica.get(id).map(|known| known.conversation.clone());
            match known.filter(|known| known.revision >= revision) {
                Some(known) => {
                    if let Some((from, upto)) = self.replica.take_untold(id, upto) {
                        missed.extend(hand_over_to_both(&known, from, upto, &self.agents));
                    }
                }
                None => outdated.push(id),
            }
        }
        metrics::counter!("shopbell_repaired_total").increment((missed.len() + outdated.len()) as u64);
        self.tell(missed);
        if !outdated.is_empty() {
            self.catch_up(outdated, ctx);
        }
    }
}
