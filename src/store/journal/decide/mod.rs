//! What a batch's commands come to: the state machine's answers, one after the other, without a look at the database.
//!
//! Each command sees what those before it have done. Where a fact is missing the command is passed over, and the whole deciding is
//! done once more when all that was missing is known; nothing that is decided here has happened yet.

mod claims;
mod cursors;
mod duty;
mod effects;
mod lookup;
mod prepared;
mod records;
mod send;
mod tickets;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Answer, Rules,
    facts::{Facts, Needs},
    rows::Rows,
};
use crate::{
    domain::{
        command::{Act, Command, Message, Outcome},
        conversation::{Conversation, Deed, Moved},
        cursor::Which,
        ids::{ConversationId, Timestamp, UserId},
        refusal::Refusal,
    },
    store::{conversations::Pair, messages::Stored, receipts},
};

/// An answer for each command, and what is to be written before they may be given.
pub struct Decided {
    pub answers: Vec<Answer>,
    pub rows: Rows,
}

/// Decides `commands` in their order.
///
/// # Errors
/// What has to be known for it and is not in `facts`.
pub fn decide(facts: &Facts, commands: &[&Command], rules: Rules) -> Result<Decided, Box<Needs>> {
    let mut deciding = Deciding {
        facts,
        rules,
        needs: Needs::default(),
        hand: HashMap::new(),
        opened: HashMap::new(),
        stored: HashMap::new(),
        open_keys: HashSet::new(),
        rows: Rows::default(),
    };
    let answers = commands.iter().map(|command| deciding.answer(command)).collect();
    if deciding.needs == Needs::default() { Ok(deciding.finish(answers)) } else { Err(Box::new(deciding.needs)) }
}

/// Why a command gets no outcome.
enum Stop {
    Refused(Refusal),
    /// Another transaction has the conversation in hand.
    Elsewhere,
    /// A fact is not known yet; it is among the needs.
    Missing,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

/// A conversation as the batch has changed it.
struct InHand {
    conversation: Arc<Conversation>,
    last: Option<Arc<Message>>,
    is_new: bool,
    /// Something else than cursors has changed.
    is_changed: bool,
    /// Only the last movement of a batch is written.
    moved: [Moved; 2],
    moved_at: Timestamp,
}

struct Deciding<'a> {
    facts: &'a Facts,
    rules: Rules,
    needs: Needs,
    // What this batch has changed lies over the facts.
    hand: HashMap<ConversationId, InHand>,
    opened: HashMap<Pair, ConversationId>,
    stored: HashMap<(UserId, Arc<str>), Stored>,
    /// Keys of messages of which it is not known yet what becomes of them.
    open_keys: HashSet<(UserId, Arc<str>)>,
    rows: Rows,
}

impl Deciding<'_> {
    fn answer(&mut self, command: &Command) -> Answer {
        match self.command(command) {
            Ok(outcome) => Answer::Outcome(outcome),
            Err(Stop::Refused(refusal)) => match self.trusted_key(command) {
                // It may have been stored while it was allowed, and then it is `ok`.
                Some(key) => {
                    self.needs.keys.insert(key);
                    Answer::Later
                }
                None => Answer::Refused(refusal),
            },
            Err(Stop::Elsewhere) => Answer::Later,
            Err(Stop::Missing) => {
                if let Act::Send { client_id, .. } = &command.act {
                    self.open_keys.insert((command.by.id, client_id.clone()));
                }
                Answer::Later
            }
        }
    }

    fn finish(mut self, answers: Vec<Answer>) -> Decided {
        let mut hand: Vec<InHand> = self.hand.into_values().collect();
        hand.sort_unstable_by_key(|hand| hand.conversation.id);
        for InHand { conversation, is_new, is_changed, moved, moved_at, .. } in hand {
            for side in [Which::First, Which::Second] {
                let moved = moved[side.index() as usize];
                self.rows.receipts.push(receipts::New { conversation: conversation.id, side, moved, at: moved_at });
            }
            let rows = &mut self.rows;
            match (is_new, is_changed) {
                (true, _) => rows.opened.push(conversation),
                (false, true) => rows.changed.push(conversation),
                (false, false) => rows.moved.push(conversation),
            }
        }
        self.rows.messages.sort_unstable_by_key(|new| (new.message.conversation, new.message.seq));
        Decided { answers, rows: self.rows }
    }

    fn command(&mut self, command: &Command) -> Result<Outcome, Stop> {
        let Command { by, at, act } = command;
        match act {
            Act::Send { to, client_id, content } => self.send(by, to, client_id, content, *at),
            Act::Ack { conversation, seq, given, viewing } => self.ack(by, *conversation, *seq, given, *viewing, *at),
            Act::Read { conversation, seq } => self.read(by, *conversation, *seq, *at),
            Act::Claim(id) => self.act(by, *id, Deed::Claim, *at),
            Act::Release(id) => self.act(by, *id, Deed::Release, *at),
            Act::Resolve(id) => self.act(by, *id, Deed::Resolve, *at),
            Act::Transfer { conversation, to } => {
                let deed = self.transfer(by.id, *conversation, to)?;
                self.act(by, *conversation, deed, *at)
            }
            Act::LoseClaimant { conversation, claim_version } => {
                self.lose_claimant(by, *conversation, *claim_version, *at)
            }
            Act::Recall { conversation, seq } => self.recall(by, *conversation, *seq, *at),
            Act::Add { conversation, member, client_id, content, address } => {
                self.add(by, *conversation, member, client_id, content, address, *at)
            }
            Act::Commit { ticket, decider } => self.commit(ticket, decider, *at),
            Act::Edit { conversation, seq, content, address } => {
                self.edit(by, *conversation, *seq, content, address, *at)
            }
            Act::Delete { conversation, seqs, address } => self.delete(by, *conversation, seqs, address, *at),
            Act::Erase { conversation, seqs, person } => self.erase(by, *conversation, seqs, *person, *at),
            Act::Rate { conversation, score, comment } => self.rate(by, *conversation, *score, comment.clone(), *at),
            Act::SetStatus { shop, status } => self.set_status(by, shop, *status, *at),
        }
    }
}

#[cfg(test)]
mod tests;
