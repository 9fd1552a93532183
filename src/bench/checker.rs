//! What became of the messages of one conversation, judged: pure, no sockets, no clocks.
//!
//! The drivers tell it what was sent, acked and received and what the history says; [`Checker::verdict`] counts what must
//! not have happened. A turn is one message to be, by the number that [`Checker::send`] gave it.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt,
    ops::AddAssign,
    sync::Arc,
};

use serde::Deserialize;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Buyer,
    Agent,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Buyer => "buyer",
            Side::Agent => "agent",
        })
    }
}

/// One arrival of a message, or its line in the history.
#[derive(Clone, Debug)]
pub struct Copy {
    /// `None`: of a message that nobody here has sent.
    pub turn: Option<usize>,
    pub seq: u64,
    pub text: Arc<str>,
    pub redelivered: bool,
}

/// What must not have happened, counted in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Acked, and missing (or with another text) at a receiver or in the history.
    pub lost: u64,
    /// Stored twice, or sent twice to one session without `redelivered`.
    pub doubled: u64,
    /// Arrived or stored before what was said earlier, or with a hole before it, or said by nobody.
    pub out_of_order: u64,
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
    }
}

/// The judgement on one conversation.
#[derive(Debug, Default)]
pub struct Verdict {
    pub faults: Faults,
    /// Each fault in words.
    pub details: Vec<String>,
}

impl Verdict {
    fn lost(&mut self, detail: String) {
        self.faults.lost += 1;
        self.details.push(detail);
    }

    fn doubled(&mut self, detail: String) {
        self.faults.doubled += 1;
        self.details.push(detail);
    }

    /// Counts one more; also for what belongs to no conversation.
    pub fn out_of_order(&mut self, detail: String) {
        self.faults.out_of_order += 1;
        self.details.push(detail);
    }
}

#[derive(Debug)]
struct Said {
    side: Side,
    text: Arc<str>,
    /// The highest seq acked when this was sent: its own must be higher.
    above: u64,
    seq: Option<u64>,
}

/// What one session was given: first arrivals by seq, and the highest seq among them.
#[derive(Debug, Default)]
struct Receiver {
    seen: BTreeMap<u64, (Option<usize>, Arc<str>)>,
    highest: u64,
}

/// The memory of one conversation.
#[derive(Debug, Default)]
pub struct Checker {
    said: Vec<Said>,
    acked: u64,
    receivers: HashMap<Arc<str>, Receiver>,
    history: Option<Vec<Copy>>,
    found: Verdict,
}

impl Checker {
    /// Something is about to be said; gives its turn.
    pub fn send(&mut self, side: Side, text: Arc<str>) -> usize {
        self.said.push(Said { side, text, above: self.acked, seq: None });
        self.said.len() - 1
    }

    /// `ok` came for a turn.
    pub fn acked(&mut self, turn: usize, seq: u64) {
        let said = &mut self.said[turn];
        match said.seq {
            Some(before) if before != seq => {
                self.found.doubled(format!("turn {turn} was acked as seq {before} and as seq {seq}"));
            }
            Some(_) => {}
            None => {
                said.seq = Some(seq);
                if seq <= said.above {
                    let above = said.above;
                    self.found.out_of_order(format!("turn {turn} was sent after seq {above} and stored as seq {seq}"));
                }
            }
        }
        self.acked = self.acked.max(seq);
    }

    /// A session (named by `receiver`) was given a message of somebody else. True for the first time.
    pub fn received(&mut self, receiver: &Arc<str>, copy: Copy) -> bool {
        let session = self.receivers.entry(Arc::clone(receiver)).or_default();
        let Copy { turn, seq, text, redelivered } = copy;
        if let Some((first_turn, first_text)) = session.seen.get(&seq) {
            if (*first_turn, first_text) != (turn, &text) {
                self.found.lost(format!("seq {seq} came to {receiver} with two contents"));
            } else if !redelivered {
                self.found.doubled(format!("seq {seq} came to {receiver} twice without `redelivered`"));
            }
            return false;
        }
        if seq < session.highest {
            self.found.out_of_order(format!("seq {seq} came to {receiver} after seq {}", session.highest));
        }
        if turn.is_none_or(|turn| turn >= self.said.len()) {
            self.found.out_of_order(format!("seq {seq} came to {receiver}, and nobody has said it"));
        }
        session.highest = session.highest.max(seq);
        session.seen.insert(seq, (turn, text));
        true
    }

    /// Whether the session `receiver` has been given this turn.
    pub fn has(&self, receiver: &str, turn: usize) -> bool {
        let session = self.receivers.get(receiver);
        session.is_some_and(|session| session.seen.values().rev().any(|(seen, _)| *seen == Some(turn)))
    }

    /// The whole history of the conversation, as the server gave it.
    pub fn history(&mut self, copies: Vec<Copy>) {
        self.history = Some(copies);
    }

    /// Judges: everything acked must have come to the session of the other side, and be in the history.
    pub fn verdict(mut self, buyer: &str, claimant: &str) -> Verdict {
        self.judge_receivers(buyer, claimant);
        match self.history.take() {
            Some(history) => self.judge_history(&history),
            None if self.acked > 0 => {
                let acked = self.said.iter().filter(|said| said.seq.is_some()).count();
                for _ in 0..acked {
                    self.found.lost("the history could not be read".into());
                }
            }
            None => {}
        }
        self.found
    }

    fn judge_receivers(&mut self, buyer: &str, claimant: &str) {
        for (name, session) in &self.receivers {
            let mut turns = HashMap::new();
            for (seq, (turn, _)) in &session.seen {
                if let Some(before) = turn.and_then(|turn| turns.insert(turn, seq)) {
                    self.found.doubled(format!("{name} was given one turn as seq {before} and as seq {seq}"));
                }
            }
        }
        for (turn, said) in self.said.iter().enumerate() {
            let Some(seq) = said.seq else { continue };
            let name = if said.side == Side::Buyer { claimant } else { buyer };
            let seen = self.receivers.get(name).and_then(|session| session.seen.get(&seq));
            match seen {
                Some((seen, text)) if *seen == Some(turn) && *text == said.text => {}
                Some(_) => self.found.lost(format!("seq {seq} came to {name} with another content")),
                None => self.found.lost(format!("seq {seq} was acked and did not come to {name}")),
            }
        }
    }

    fn judge_history(&mut self, history: &[Copy]) {
        let mut by_turn: HashMap<usize, &Copy> = HashMap::new();
        for (expected, copy) in (1..).zip(history) {
            if copy.seq != expected {
                self.found.out_of_order(format!("the history has seq {} in place {expected}", copy.seq));
            }
            match copy.turn.filter(|turn| *turn < self.said.len()) {
                None => self.found.out_of_order(format!("seq {} of the history was said by nobody", copy.seq)),
                Some(turn) => match by_turn.entry(turn) {
                    Entry::Vacant(place) => {
                        place.insert(copy);
                    }
                    Entry::Occupied(first) => {
                        let (before, again) = (first.get().seq, copy.seq);
                        self.found.doubled(format!("turn {turn} is stored as seq {before} and as seq {again}"));
                    }
                },
            }
        }
        for (turn, said) in self.said.iter().enumerate() {
            let Some(seq) = said.seq else { continue };
            match by_turn.get(&turn) {
                Some(copy) if copy.text != said.text => {
                    self.found.lost(format!("seq {seq} has another text in the history"));
                }
                Some(copy) if copy.seq != seq => {
                    let stored = copy.seq;
                    self.found.out_of_order(format!("turn {turn} was acked as seq {seq} and stored as seq {stored}"));
                }
                Some(_) => {}
                None => self.found.lost(format!("seq {seq} was acked and is not in the history")),
            }
        }
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
