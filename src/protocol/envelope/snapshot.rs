//! A conversation and its messages, as they are written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    names::{Known, Name, Named},
    word::Word,
};
use crate::domain::{
    command,
    conversation::{self, Parties, Speaker, State},
    cursor::{self, Which},
    ids::{ConversationId, Seq, Timestamp},
    people,
};

#[derive(Serialize, Deserialize)]
pub(super) struct Snapshot {
    conversation: Conversation,
    last: Option<Message>,
}

impl Snapshot {
    pub(super) fn of(snapshot: &command::Snapshot, named: &mut Named) -> Snapshot {
        let of = &snapshot.conversation;
        Snapshot {
            conversation: Conversation::of(of, named),
            last: snapshot.last.as_deref().map(|last| Message::of(last, of, named)),
        }
    }

    pub(super) fn snapshot(self, known: &Known) -> Option<command::Snapshot> {
        let conversation = self.conversation.conversation(known)?;
        let last = match self.last {
            Some(last) => Some(Arc::new(last.message(&conversation, known)?)),
            None => None,
        };
        Some(command::Snapshot { conversation, last })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Conversation {
    id: i64,
    shop: Option<Name>,
    first: Name,
    second: Option<Name>,
    state: StateWord,
    claimant: Option<Name>,
    claim_version: i64,
    revision: i64,
    last_seq: Seq,
    cursors: [[i64; 4]; 2],
    waiting_since: Option<i64>,
    opened_at: i64,
    opened_seq: Seq,
    offered_at: Option<i64>,
    attended: i16,
    returned: bool,
    ticket: i64,
    created_at: i64,
    updated_at: i64,
}

impl Conversation {
    pub(super) fn of(c: &conversation::Conversation, named: &mut Named) -> Conversation {
        let (shop, first, second) = match &c.parties {
            Parties::Support { shop, buyer } => (Some(named.shop(shop)), buyer, None),
            Parties::Direct { first, second } => (None, first, Some(named.person(second))),
        };
        let state = match c.state {
            State::Direct => StateWord::Direct,
            State::Waiting => StateWord::Waiting,
            State::Claimed(_) => StateWord::Claimed,
            State::Resolved => StateWord::Resolved,
        };
        let cursors = |side: &cursor::Side| [side.delivered, side.read, side.unread, side.said];
        Conversation {
            id: c.id.0,
            shop,
            first: named.person(first),
            second,
            state,
            claimant: c.claimant().map(|agent| named.person(agent)),
            claim_version: c.claim_version,
            revision: c.revision,
            last_seq: c.last_seq,
            cursors: [cursors(&c.first), cursors(&c.second)],
            waiting_since: c.waiting_since.map(|at| at.0),
            opened_at: c.opened_at.0,
            opened_seq: c.opened_seq,
            offered_at: c.offered_at.map(|at| at.0),
            attended: c.attended.index(),
            returned: c.returned,
            ticket: c.ticket,
            created_at: c.created_at.0,
            updated_at: c.updated_at.0,
        }
    }

    pub(super) fn conversation(self, known: &Known) -> Option<conversation::Conversation> {
        let first = known.person(self.first)?;
        let parties = match (self.shop, self.second) {
            (Some(shop), _) => Parties::Support { shop: known.shop(shop)?, buyer: first },
            (None, Some(second)) => Parties::Direct { first, second: known.person(second)? },
            (None, None) => Parties::Direct { second: first.clone(), first },
        };
        let state = match (self.state, self.claimant) {
            (_, Some(agent)) => State::Claimed(known.person(agent)?),
            (StateWord::Direct, None) => State::Direct,
            (StateWord::Waiting, None) => State::Waiting,
            (StateWord::Claimed | StateWord::Resolved, None) => State::Resolved,
        };
        let [first, second] =
            self.cursors.map(|[delivered, read, unread, said]| cursor::Side { delivered, read, unread, said });
        Some(conversation::Conversation {
            id: ConversationId(self.id),
            parties,
            state,
            claim_version: self.claim_version,
            revision: self.revision,
            last_seq: self.last_seq,
            first,
            second,
            waiting_since: self.waiting_since.map(Timestamp),
            opened_at: Timestamp(self.opened_at),
            opened_seq: self.opened_seq,
            offered_at: self.offered_at.map(Timestamp),
            attended: conversation::Attended::from_index(self.attended),
            returned: self.returned,
            ticket: self.ticket,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum StateWord {
    Direct,
    Waiting,
    Claimed,
    Resolved,
}

/// A message of a conversation that is told with it.
#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    seq: Seq,
    from: Who,
    speaker: Word<Speaker>,
    side: i16,
    content: Arc<str>,
    client_id: Arc<str>,
    at: i64,
}

impl Message {
    pub(super) fn of(message: &command::Message, of: &conversation::Conversation, named: &mut Named) -> Message {
        Message {
            seq: message.seq,
            from: Who::of(&message.from, of, named),
            speaker: Word(message.speaker),
            side: message.side.index(),
            content: message.content.clone(),
            client_id: message.client_id.clone(),
            at: message.at.0,
        }
    }

    pub(super) fn message(self, of: &conversation::Conversation, known: &Known) -> Option<command::Message> {
        Some(command::Message {
            conversation: of.id,
            seq: self.seq,
            shop: of.shop().map(|shop| shop.shop.clone()),
            from: self.from.person(of, known)?,
            speaker: self.speaker.0,
            side: Which::from_index(self.side),
            content: self.content,
            client_id: self.client_id,
            at: Timestamp(self.at),
        })
    }
}

/// Somebody in a conversation, who is told with it, or somebody else.
#[derive(Serialize, Deserialize)]
enum Who {
    Reader(i16),
    Other(Name),
}

impl Who {
    fn of(person: &Arc<people::Person>, of: &conversation::Conversation, named: &mut Named) -> Who {
        let reads = |side: &Which| of.reader(*side).is_some_and(|reader| **reader == **person);
        let side = [Which::First, Which::Second].into_iter().find(reads);
        side.map_or_else(|| Who::Other(named.person(person)), |side| Who::Reader(side.index()))
    }

    fn person(self, of: &conversation::Conversation, known: &Known) -> Option<Arc<people::Person>> {
        match self {
            Who::Reader(side) => Some(of.reader(Which::from_index(side)).unwrap_or(of.first_person()).clone()),
            Who::Other(person) => known.person(person),
        }
    }
}
