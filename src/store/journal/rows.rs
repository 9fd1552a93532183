//! What a batch writes: each table's rows, in memory until everything is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    domain::{
        conversation::Conversation,
        event::Happened,
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
        people::Status,
    },
    store::{file_uses, messages, prepared, receipts, tickets, timeline},
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
    /// What messages were prepared as, by its ticket.
    pub committed: BTreeMap<Arc<str>, prepared::Committed>,
    /// Messages that have another content than they had, new ones among them.
    pub contents: BTreeMap<(ConversationId, Seq), messages::Rewritten>,
    /// Where this server's files are shown from now on.
    pub shown: Vec<file_uses::New>,
    /// Of whose contents the audit log must keep nothing.
    pub erased: BTreeSet<(ConversationId, Seq)>,
    pub audit: Vec<Audited>,
    pub receipts: Vec<receipts::New>,
    /// Conversations that have been claimed: what was acked before is forgotten, and then `acks` are written.
    pub forgotten_acks: BTreeSet<ConversationId>,
    pub acks: BTreeMap<(ConversationId, UserId), Seq>,
    pub timeline: Vec<timeline::New>,
    pub statuses: BTreeMap<(ShopId, UserId), Status>,
    /// What is told of all this, in the order in which it was decided.
    pub events: Vec<Happened>,
}

/// An act of a shop's admin, for the audit log.
#[derive(Debug)]
pub struct Audited {
    pub shop: ShopId,
    pub by: UserId,
    pub at: Timestamp,
    pub address: Arc<str>,
    pub what: &'static str,
    pub message: (ConversationId, Seq),
    /// The contents.
    pub before: Option<Arc<str>>,
    pub after: Option<Arc<str>>,
}

impl Rows {
    pub fn forget_acks(&mut self, id: ConversationId) {
        self.forgotten_acks.insert(id);
        self.acks.retain(|(conversation, _), _| *conversation != id);
    }
}
