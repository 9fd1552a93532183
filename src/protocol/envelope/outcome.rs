//! What has come of a command, as it is written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    names::{Known, Name, Named},
    snapshot::{Conversation, Message, Snapshot},
    word::Word,
};
use crate::domain::{
    command::{self, Outcome},
    conversation::{Cause, Moved},
    cursor::Which,
    ids::{ConversationId, Seq, Timestamp},
    people::{self, Role, Status},
};

/// Outcomes that concern anybody beside the one who asked.
#[derive(Serialize, Deserialize)]
pub(super) enum Happened {
    Stored {
        now: Conversation,
        message: Message,
        cause: Option<Word<Cause>>,
    },
    Moved {
        now: Conversation,
        by: Name,
        side: i16,
        delivered: Option<Seq>,
        read: Option<Seq>,
    },
    Settled {
        conversation: i64,
        by: Name,
        seq: Seq,
    },
    Changed {
        now: Snapshot,
        by: Name,
        before: Option<Name>,
        cause: Word<Cause>,
        delivered: Option<Seq>,
        read: Option<Seq>,
    },
    Recalled {
        now: Snapshot,
        by: Name,
        seq: Seq,
        at: i64,
    },
    Edited {
        now: Snapshot,
        by: Name,
        message: Message,
        at: i64,
    },
    Deleted {
        now: Snapshot,
        by: Name,
        seqs: Vec<Seq>,
        at: i64,
    },
    StatusSet {
        shop: Name,
        agent: Agent,
    },
    Nothing,
}

impl Happened {
    pub(super) fn of(outcome: &Outcome, named: &mut Named) -> Happened {
        match outcome {
            Outcome::Stored { now, message, cause } => Happened::Stored {
                now: Conversation::of(&now.conversation, named),
                message: Message::of(message, &now.conversation, named),
                cause: cause.map(Word),
            },
            Outcome::Moved { now, by, side, moved } => Happened::Moved {
                now: Conversation::of(now, named),
                by: named.person(by),
                side: side.index(),
                delivered: moved.delivered,
                read: moved.read,
            },
            Outcome::Settled { conversation, by, seq } => {
                Happened::Settled { conversation: conversation.0, by: named.person(by), seq: *seq }
            }
            Outcome::Changed { now, by, before, cause, moved } => Happened::Changed {
                now: Snapshot::of(now, named),
                by: named.person(by),
                before: before.as_ref().map(|before| named.person(before)),
                cause: Word(*cause),
                delivered: moved.delivered,
                read: moved.read,
            },
            Outcome::Recalled { now, by, seq, at, first_time: true } => {
                Happened::Recalled { now: Snapshot::of(now, named), by: named.person(by), seq: *seq, at: at.0 }
            }
            Outcome::Edited { now, by, message, at, first_time: true } => {
                let message = Message::of(message, &now.conversation, named);
                Happened::Edited { now: Snapshot::of(now, named), by: named.person(by), message, at: at.0 }
            }
            Outcome::Deleted { now, by, seqs, at } => {
                Happened::Deleted { now: Snapshot::of(now, named), by: named.person(by), seqs: seqs.clone(), at: at.0 }
            }
            Outcome::StatusSet { shop, agent } => {
                Happened::StatusSet { shop: named.shop(shop), agent: Agent::of(agent, named) }
            }
            Outcome::Duplicate { .. }
            | Outcome::Unchanged(_)
            | Outcome::Recalled { .. }
            | Outcome::Edited { .. }
            | Outcome::Rated => Happened::Nothing,
        }
    }

    pub(super) fn outcome(self, known: &Known) -> Option<Outcome> {
        Some(match self {
            Happened::Stored { now, message, cause } => {
                let conversation = now.conversation(known)?;
                let message = Arc::new(message.message(&conversation, known)?);
                let now = command::Snapshot { conversation, last: Some(message.clone()) };
                Outcome::Stored { now: Arc::new(now), message, cause: cause.map(|cause| cause.0) }
            }
            Happened::Moved { now, by, side, delivered, read } => Outcome::Moved {
                now: Arc::new(now.conversation(known)?),
                by: known.person(by)?,
                side: Which::from_index(side),
                moved: Moved { delivered, read },
            },
            Happened::Settled { conversation, by, seq } => {
                Outcome::Settled { conversation: ConversationId(conversation), by: known.person(by)?, seq }
            }
            Happened::Changed { now, by, before, cause, delivered, read } => Outcome::Changed {
                now: Arc::new(now.snapshot(known)?),
                by: known.person(by)?,
                before: match before {
                    Some(before) => Some(known.person(before)?),
                    None => None,
                },
                cause: cause.0,
                moved: Moved { delivered, read },
            },
            Happened::Recalled { now, by, seq, at } => Outcome::Recalled {
                now: Arc::new(now.snapshot(known)?),
                by: known.person(by)?,
                seq,
                at: Timestamp(at),
                first_time: true,
            },
            Happened::Edited { now, by, message, at } => {
                let now = Arc::new(now.snapshot(known)?);
                let message = Arc::new(message.message(&now.conversation, known)?);
                Outcome::Edited { now, by: known.person(by)?, message, at: Timestamp(at), first_time: true }
            }
            Happened::Deleted { now, by, seqs, at } => {
                Outcome::Deleted { now: Arc::new(now.snapshot(known)?), by: known.person(by)?, seqs, at: Timestamp(at) }
            }
            Happened::StatusSet { shop, agent } => {
                Outcome::StatusSet { shop: known.shop(shop)?, agent: agent.agent(known)? }
            }
            Happened::Nothing => Outcome::Rated,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Agent {
    person: Name,
    role: Word<Role>,
    status: Word<Status>,
}

impl Agent {
    fn of(agent: &people::Agent, named: &mut Named) -> Agent {
        Agent { person: named.person(&agent.person), role: Word(agent.role), status: Word(agent.status) }
    }

    fn agent(self, known: &Known) -> Option<people::Agent> {
        Some(people::Agent { person: known.person(self.person)?, role: self.role.0, status: self.status.0 })
    }
}
