//! The buyers of a shop who wait, in the order in which they should be served.

use std::collections::{BTreeSet, HashMap};

use super::{
    conversation::{Conversation, State},
    ids::{ConversationId, Timestamp},
};

/// Those whose agent has gone stand at the head; then whoever has waited longest.
type Place = (bool, Timestamp, ConversationId);

#[derive(Debug, Default)]
pub struct WaitingLine {
    order: BTreeSet<Place>,
    places: HashMap<ConversationId, Place>,
}

impl WaitingLine {
    /// Takes note of where the conversation stands now.
    pub fn update(&mut self, conversation: &Conversation) {
        if let Some(place) = self.places.remove(&conversation.id) {
            self.order.remove(&place);
        }
        if conversation.state == State::Waiting
            && let Some(since) = conversation.waiting_since
        {
            let place = (!conversation.returned, since, conversation.id);
            self.order.insert(place);
            self.places.insert(conversation.id, place);
        }
    }

    /// The conversations that wait, the next to be served first.
    pub fn iter(&self) -> impl Iterator<Item = ConversationId> {
        self.order.iter().map(|place| place.2)
    }

    /// 1 for the next to be served.
    pub fn position(&self, id: ConversationId) -> Option<usize> {
        self.places.get(&id).map(|place| self.order.range(..=*place).count())
    }
}
