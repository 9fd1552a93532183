//! A shop's conversations as one node knows them: a copy of what the store has.
//!
//! News of a change may come late, twice or never. Which of two views of a conversation is the later, its `revision` says.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    command::Outcome,
    conversation::{Conversation, State},
    cursor::Given,
    ids::{ConversationId, Seq, UserId},
    waiting_line::WaitingLine,
};

/// What is known of a conversation.
#[derive(Debug)]
pub struct Known {
    pub conversation: Arc<Conversation>,
    /// The messages that have been told on this node.
    pub told: Given,
    /// When it was found to be resolved.
    resolved: Option<Instant>,
}

impl Known {
    /// Of what is not known, only what the buyer has acked is sure to have been told.
    fn new(conversation: Arc<Conversation>) -> Known {
        let mut told = Given::default();
        told.insert(1, conversation.first.delivered);
        Known { conversation, told, resolved: None }
    }
}

/// The conversations that are not resolved, and those that have been lately: what comes late does not open them again.
#[derive(Debug, Default)]
pub struct Replica {
    known: HashMap<ConversationId, Known>,
    of_buyer: HashMap<UserId, ConversationId>,
    line: WaitingLine,
}

impl Replica {
    /// Takes note of how a conversation stands; false where something later is known already.
    pub fn note(&mut self, conversation: &Arc<Conversation>, now: Instant) -> bool {
        let (id, buyer) = (conversation.id, conversation.first_person().id);
        let known = self.known.entry(id).or_insert_with(|| Known::new(conversation.clone()));
        if known.conversation.revision > conversation.revision {
            return false;
        }
        known.conversation = conversation.clone();
        if conversation.state == State::Resolved {
            known.resolved = Some(now);
            self.of_buyer.remove(&buyer);
        } else {
            known.resolved = None;
            self.of_buyer.insert(buyer, id);
        }
        self.line.update(conversation);
        true
    }

    /// Notes that messages of a conversation have been told here.
    pub fn tell(&mut self, id: ConversationId, from: Seq, upto: Seq) {
        if let Some(known) = self.known.get_mut(&id) {
            known.told.insert(from, upto);
        }
    }

    /// The messages up to here that have not been told, from the first hole on; from now on they have.
    pub fn take_untold(&mut self, id: ConversationId, upto: Seq) -> Option<(Seq, Seq)> {
        let told = &mut self.known.get_mut(&id)?.told;
        let from = told.reach(0, upto) + 1;
        told.insert(from, upto);
        (from <= upto).then_some((from, upto))
    }

    /// Forgets what was resolved so long ago.
    pub fn forget_resolved(&mut self, age: Duration, now: Instant) {
        self.known.retain(|_, known| known.resolved.is_none_or(|since| now.saturating_duration_since(since) < age));
    }

    /// Whether a change of claim lies between what is known and what an outcome shows, of which this node has not been told: then the sweep
    /// finds it, and tells it.
    pub fn has_missed(&self, now: &Conversation) -> bool {
        self.open(now.id).is_some_and(|known| known.conversation.claim_version < now.claim_version)
    }

    /// Whether an outcome shows a claim or a ticket that is over.
    pub fn is_past(&self, now: &Conversation) -> bool {
        self.open(now.id).is_some_and(|Known { conversation: known, .. }| {
            (now.ticket, now.claim_version) < (known.ticket, known.claim_version)
        })
    }

    /// Whether it tells of a state or a cursor behind what has been told already.
    pub fn is_outdated(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Changed { now, .. } => {
                let now = &now.conversation;
                self.known.get(&now.id).is_some_and(|known| known.conversation.revision > now.revision)
            }
            Outcome::Moved { now, side, .. } => self.open(now.id).is_some_and(|known| {
                let (latest, this) = (known.conversation.side(*side), now.side(*side));
                latest.delivered > this.delivered || latest.read > this.read
            }),
            _ => false,
        }
    }

    /// One that is open, or has been lately.
    pub fn get(&self, id: ConversationId) -> Option<&Known> {
        self.known.get(&id)
    }

    pub fn open(&self, id: ConversationId) -> Option<&Known> {
        self.known.get(&id).filter(|known| known.resolved.is_none())
    }

    pub fn all_open(&self) -> impl Iterator<Item = &Arc<Conversation>> {
        self.known.values().filter(|known| known.resolved.is_none()).map(|known| &known.conversation)
    }

    /// The open one of a buyer.
    pub fn of_buyer(&self, buyer: UserId) -> Option<&Arc<Conversation>> {
        self.of_buyer.get(&buyer).and_then(|id| self.open(*id)).map(|known| &known.conversation)
    }

    /// Those who have an open one.
    pub fn buyers(&self) -> impl Iterator<Item = UserId> {
        self.of_buyer.keys().copied()
    }

    pub fn line(&self) -> &WaitingLine {
        &self.line
    }

    /// The buyers who wait, the next to be served first.
    pub fn waiting_buyers(&self) -> impl Iterator<Item = UserId> {
        self.line.iter().filter_map(|id| self.open(id)).map(|known| known.conversation.first_person().id)
    }
}
