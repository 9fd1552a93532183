//! What a judgement comes to, as a table for people and as JSON for scripts.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// So many faults are told in words; all are counted.
const TOLD: usize = 50;

/// What must not have happened, counted. The module's head defines each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    pub lost: u64,
    pub doubled: u64,
    pub out_of_order: u64,
    pub holes: u64,
    pub two_claimants: u64,
    pub not_claimant: u64,
    pub views: u64,
}

/// How much was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub users: u64,
    pub sessions: u64,
    pub conversations: u64,
    /// Messages, however often each was sent.
    pub sent: u64,
    pub acked: u64,
    /// Messages in the records.
    pub stored: u64,
    /// First arrivals of a message at a session, and repeats.
    pub delivered: u64,
    pub repeats: u64,
    /// Claims that were granted.
    pub claims: u64,
    /// Refusals by code.
    pub refused: BTreeMap<String, u64>,
    /// `unavailable` and `rate_limited` that do not say when to try again.
    pub refused_without_time: u64,
}

/// The judgement on a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    #[serde(flatten)]
    pub faults: Faults,
    #[serde(flatten)]
    pub figures: Figures,
    /// The first faults, in words.
    pub details: Vec<String>,
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Lost,
    Doubled,
    OutOfOrder,
    Hole,
    TwoClaimants,
    NotClaimant,
    View,
}

impl Faults {
    pub fn total(&self) -> u64 {
        self.each().iter().map(|(_, count)| count).sum()
    }

    /// Each kind by name, with its count.
    pub fn each(&self) -> [(&'static str, u64); 7] {
        [
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("out of order", self.out_of_order),
            ("holes", self.holes),
            ("two claimants", self.two_claimants),
            ("not claimant", self.not_claimant),
            ("views", self.views),
        ]
    }
}

impl Verdict {
    /// True where nothing happened that must not.
    pub fn is_good(&self) -> bool {
        self.faults.total() == 0
    }

    pub(super) fn found(&mut self, fault: Fault, detail: impl FnOnce() -> String) {
        let (name, count) = match fault {
            Fault::Lost => ("lost", &mut self.faults.lost),
            Fault::Doubled => ("doubled", &mut self.faults.doubled),
            Fault::OutOfOrder => ("out of order", &mut self.faults.out_of_order),
            Fault::Hole => ("hole", &mut self.faults.holes),
            Fault::TwoClaimants => ("two claimants", &mut self.faults.two_claimants),
            Fault::NotClaimant => ("not claimant", &mut self.faults.not_claimant),
            Fault::View => ("view", &mut self.faults.views),
        };
        *count += 1;
        if self.details.len() < TOLD {
            self.details.push(format!("{name}: {}", detail()));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { users, sessions, conversations, sent, acked, stored, delivered, repeats, claims, .. } =
            self.figures;
        let mut row = |name: &str, value: u64| writeln!(f, "{name:<16}{value}");
        for (name, value) in [
            ("users", users),
            ("sessions", sessions),
            ("conversations", conversations),
            ("sent", sent),
            ("acked", acked),
            ("stored", stored),
            ("delivered", delivered),
            ("repeats", repeats),
            ("claims", claims),
        ] {
            row(name, value)?;
        }
        for (code, count) in &self.figures.refused {
            row(&format!("refused: {code}"), *count)?;
        }
        for (name, count) in self.faults.each() {
            row(name, count)?;
        }
        for detail in &self.details {
            writeln!(f, "fault: {detail}")?;
        }
        Ok(())
    }
}
