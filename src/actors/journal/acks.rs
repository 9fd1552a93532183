//! Acks that wait for company. Each costs a row that somebody else, perhaps on another node, is writing, and most are followed by another
//! of the same session in a moment: of those only the last is written, which says all that they say.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::lane::{Return, Waiting};
use crate::{
    actors::mail::Asked,
    domain::{
        command::{Act, Command},
        ids::ConversationId,
    },
    store::journal::Entry,
};

/// How long the first of them waits …
const WAIT: Duration = Duration::from_millis(10);
/// … and how long all wait since the last were written.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Default)]
pub struct Acks {
    by_conversation: HashMap<ConversationId, Vec<Waiting>>,
    count: usize,
    /// When they are to be written.
    due: Option<Instant>,
    released: Option<Instant>,
}

impl Acks {
    pub fn is_ack(entry: &Entry) -> Option<ConversationId> {
        match entry {
            Entry::Command(Command { act: Act::Ack { conversation, .. }, .. }) => Some(*conversation),
            _ => None,
        }
    }

    /// Takes one in.
    pub fn hold(&mut self, of: ConversationId, ack: Waiting) {
        let due = (ack.since + WAIT).max(self.released.map_or(ack.since, |released| released + PAUSE));
        self.due.get_or_insert(due);
        let others = self.by_conversation.entry(of).or_default();
        if !others.iter_mut().any(|other| absorb(other, &ack)) {
            others.push(ack);
            self.count += 1;
        }
    }

    /// Those that must be written before `entry`: what a person asks for comes in its order, and whatever changes a claim comes after
    /// all that was acked before.
    pub fn before(&mut self, entry: &Entry) -> Vec<Waiting> {
        let Entry::Command(Command { by, act, .. }) = entry else { return Vec::new() };
        let Some(of) = act.conversation() else { return Vec::new() };
        let Some(acks) = self.by_conversation.remove(&of) else { return Vec::new() };
        let goes = |ack: &Waiting| match (act, &ack.entry) {
            (Act::Send { .. }, Entry::Command(acked)) => acked.by.id == by.id,
            _ => true,
        };
        let (before, stay): (Vec<_>, Vec<_>) = acks.into_iter().partition(goes);
        if !stay.is_empty() {
            self.by_conversation.insert(of, stay);
        }
        self.count -= before.len();
        if self.count == 0 {
            self.due = None;
        }
        before
    }

    /// When they are to be written, if there are any.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// All of them: they are written now.
    pub fn release(&mut self, now: Instant) -> impl Iterator<Item = Waiting> {
        (self.count, self.due, self.released) = (0, None, Some(now));
        std::mem::take(&mut self.by_conversation).into_values().flatten()
    }
}

/// Makes one ack of two of the same session, if nobody waits for the reply to the earlier one.
fn absorb(ack: &mut Waiting, later: &Waiting) -> bool {
    let of = |waiting: &Waiting| match &waiting.back {
        Some(Return { asked: Asked::Session { session, id: None, .. }, .. }) => Some(*session),
        _ => None,
    };
    if of(ack).is_none() || of(ack) != of(later) {
        return false;
    }
    match (&mut ack.entry, &later.entry) {
        (Entry::Command(ack), Entry::Command(later)) => ack.absorb(later),
        _ => false,
    }
}
