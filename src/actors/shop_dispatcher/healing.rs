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
            told.extend(hand_over_to_both(&conversation, [from, from], upto, &self.agents));
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

/// The same for both sides, from a place for each.
fn hand_over_to_both(conversation: &Conversation, from: [Seq; 2], upto: Seq, agents: &[Agent]) -> Vec<Told> {
    let sides = [Which::First, Which::Second].into_iter().zip(from);
    sides.filter_map(|(side, from)| hand_over(conversation, side, from, upto, agents)).collect()
}

impl Handler<Swept> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Swept(all): Swept, ctx: &mut Self::Context) {
        let (mut missed, mut outdated) = (Vec::new(), Vec::new());
        for overdue in all {
            let Overdue { glimpse: Glimpse { id, .. }, upto, revision } = overdue;
            let known = self.replica.get(id).map(|known| known.conversation.clone());
            match known.filter(|known| known.revision >= revision) {
                Some(known) => {
                    if let Some((from, upto)) = self.replica.take_untold(id, upto) {
                        missed.extend(hand_over_to_both(&known, overdue.lacking(from), upto, &self.agents));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        conversation::{Deed, Parties, Standing},
        ids::{ShopId, Timestamp, UserId},
        people::{Person, Role, Shop},
    };

    fn person(id: i64) -> Arc<Person> {
        let uid: Arc<str> = format!("u{id}").into();
        Arc::new(Person { id: UserId(id), uid: uid.clone(), name: uid, avatar: None })
    }

    #[test]
    fn what_a_claimant_has_acked_on_another_node_is_not_handed_over_again() {
        let (buyer, agent, at) = (person(1), person(2), Timestamp(1_000));
        let shop = Arc::new(Shop { id: ShopId(1), shop: "acme".into(), name: "Acme".into() });
        let parties = Parties::Support { shop, buyer: buyer.clone() };
        let mut known = Conversation::new(ConversationId(1), parties, at);
        for _ in 0..3 {
            known.send(buyer.id, Standing::Buyer, at).unwrap();
        }
        known.act(&agent, Standing::Agent(Role::Supervisor), &Deed::Claim, 0, at).unwrap();
        // As it was when this node was told of it last: the claimant has acked all of it since, and some more.
        let glimpse = |second| Glimpse {
            id: known.id,
            shop: Some(ShopId(1)),
            revision: known.revision,
            last_seq: 16,
            at,
            first: (buyer.id, 16),
            second: (Some(agent.id), second),
        };
        let handed_over = |second| {
            let overdue = Overdue { glimpse: glimpse(second), upto: 3, revision: known.revision };
            let told = hand_over_to_both(&known, overdue.lacking(1), overdue.upto, &[]);
            told.into_iter().map(|told| (told.to[0].id, told.push)).collect::<Vec<_>>()
        };
        assert!(handed_over(15).is_empty());
        let lacking = handed_over(2);
        assert!(matches!(lacking[..], [(UserId(2), Push::HandOver { from: 3, upto: 3, .. })]), "{lacking:?}");
    }
}
