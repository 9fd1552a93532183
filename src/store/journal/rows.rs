//! What a batch writes: each table's rows, in memory until everything is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    domain::{
        conversation::Conversation,
        ids::{ConversationId, Seq, ShopId, UserId},
        people::Status,
    },
    store::{messages, receipts, tickets, timeline},
};

#[derive(Debug, Default)]
pub struct Rows {
    /// As they are at the end of the batch, by number.
    pub opened: Vec<Arc<Conversation>>,
    /// The same, of those that were there before.
    pub changed: Vec<Arc<Conversation>>,
    /// The same, of those of which nothing has changed but cursors.
    pub moved: Vec<Arc<Conversation>>,
    pub tickets: BTreeMap<(ConversationId, i64), tickets::Change>,
    /// By conversation and `seq`.
    pub messages: Vec<messages::New>,
    /// Messages that have been taken back, new ones among them.
    pub recalls: BTreeSet<(ConversationId, Seq)>,
    pub receipts: Vec<receipts::New>,
    /// Conversations that have been claimed: what was acked before is forgotten, and then `acks` are written.
    pub forgotten_acks: BTreeSet<ConversationId>,
    pub acks: BTreeMap<(ConversationId, UserId), Seq>,
    pub timeline: Vec<timeline::New>,
    pub statuses: BTreeMap<(ShopId, UserId), Status>,
}

impl Rows {
    pub fn forget_acks(&mut self, id: ConversationId) {
        self.forgotten_acks.insert(id);
        self.acks.retain(|(conversation, _), _| *conversation != id);
    }
}
