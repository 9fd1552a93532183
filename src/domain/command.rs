//! What the journal is asked to do, and what has come of it.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::{
    content::Content,
    conversation::{Cause, Conversation, Moved, Speaker},
    cursor::{Given, Which},
    ids::{ConversationId, Seq, Timestamp, UserId},
    people::{Agent, Person, Shop, Status},
    prepared::Decider,
};

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Shop(Arc<str>),
    User(Arc<str>),
    Conversation(ConversationId),
}

/// Something that someone wants changed.
#[derive(Clone, Debug)]
pub struct Command {
    pub by: Arc<Person>,
    pub at: Timestamp,
    pub act: Act,
}

impl Command {
    /// Makes one ack of this and a later one of the same session in the same conversation; false where the two would not come to the same.
    pub fn absorb(&mut self, later: &Command) -> bool {
        let (
            Act::Ack { conversation, seq, given, viewing },
            Act::Ack { conversation: of, seq: upto, given: more, viewing: still },
        ) = (&mut self.act, &later.act)
        else {
            return false;
        };
        // What was never given may be no message at all, and is refused alone.
        let is_same = self.by.id == later.by.id && conversation == of && viewing == still;
        if !is_same || !given.contains(*seq) || !more.contains(*upto) {
            return false;
        }
        given.extend(more);
        *seq = (*seq).max(*upto);
        self.at = later.at;
        true
    }
}

#[derive(Clone, Debug)]
pub enum Act {
    Send {
        to: Target,
        client_id: Arc<str>,
        content: Content,
    },
    Ack {
        conversation: ConversationId,
        seq: Seq,
        given: Given,
        /// The conversation is on screen: what has arrived has been seen.
        viewing: bool,
    },
    Read {
        conversation: ConversationId,
        seq: Seq,
    },
    Claim(ConversationId),
    Release(ConversationId),
    Resolve(ConversationId),
    Transfer {
        conversation: ConversationId,
        to: Arc<str>,
    },
    /// The claimant has been away for `chat.claim_grace`; nothing happens if the claim is another by now.
    LoseClaimant {
        conversation: ConversationId,
        claim_version: i64,
    },
    Recall {
        conversation: ConversationId,
        seq: Seq,
    },
    /// An admin adds a message on behalf of `member`; `address` is whence, for the audit log.
    Add {
        conversation: ConversationId,
        member: Arc<str>,
        client_id: Arc<str>,
        content: Content,
        address: Arc<str>,
    },
    /// What was prepared becomes a message; who has prepared it is its sender, whoever decides.
    Commit {
        ticket: Arc<str>,
        decider: Decider,
    },
    /// An admin gives a message another content.
    Edit {
        conversation: ConversationId,
        seq: Seq,
        content: Content,
        address: Arc<str>,
    },
    /// An admin takes messages away.
    Delete {
        conversation: ConversationId,
        seqs: BTreeSet<Seq>,
        address: Arc<str>,
    },
    /// Messages of a person whose data are erased in the conversation's shop; those of others among them stay.
    Erase {
        conversation: ConversationId,
        seqs: BTreeSet<Seq>,
        person: UserId,
    },
    Rate {
        conversation: ConversationId,
        score: i16,
        comment: Option<Arc<str>>,
    },
    SetStatus {
        shop: Arc<str>,
        status: Status,
    },
}

impl Act {
    /// The conversation that is named, where one is.
    pub fn conversation(&self) -> Option<ConversationId> {
        match self {
            Act::Send { to: Target::Conversation(id), .. } | Act::Claim(id) | Act::Release(id) | Act::Resolve(id) => {
                Some(*id)
            }
            Act::Ack { conversation, .. }
            | Act::Read { conversation, .. }
            | Act::Transfer { conversation, .. }
            | Act::LoseClaimant { conversation, .. }
            | Act::Recall { conversation, .. }
            | Act::Add { conversation, .. }
            | Act::Edit { conversation, .. }
            | Act::Delete { conversation, .. }
            | Act::Erase { conversation, .. }
            | Act::Rate { conversation, .. } => Some(*conversation),
            Act::Send { .. } | Act::Commit { .. } | Act::SetStatus { .. } => None,
        }
    }
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub conversation: ConversationId,
    pub seq: Seq,
    /// The shop's name; `None` in a direct conversation.
    pub shop: Option<Arc<str>>,
    pub from: Arc<Person>,
    pub speaker: Speaker,
    pub side: Which,
    /// A JSON object: what was sent, what an admin has made of it, or the tombstone that stands in its place.
    pub content: Arc<str>,
    pub client_id: Arc<str>,
    pub at: Timestamp,
}

/// A conversation with its last message: all that a summary shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub conversation: Conversation,
    pub last: Option<Arc<Message>>,
}

/// What a command has done. Everything in it is on disk.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A message: `cause` where it opened a ticket.
    Stored {
        now: Arc<Snapshot>,
        message: Arc<Message>,
        cause: Option<Cause>,
    },
    /// The same message, stored before.
    Duplicate {
        conversation: ConversationId,
        seq: Seq,
        at: Timestamp,
    },
    /// Cursors; `moved` is empty where they stood there already.
    Moved {
        now: Arc<Conversation>,
        by: Arc<Person>,
        side: Which,
        moved: Moved,
    },
    /// An agent that is not the claimant has acked up to here: only its own list is concerned.
    Settled {
        conversation: ConversationId,
        by: Arc<Person>,
        seq: Seq,
    },
    /// State or claim; `before` is the claimant until then.
    Changed {
        now: Arc<Snapshot>,
        by: Arc<Person>,
        before: Option<Arc<Person>>,
        cause: Cause,
        moved: Moved,
    },
    /// Granted, and nothing has changed.
    Unchanged(Arc<Snapshot>),
    Recalled {
        now: Arc<Snapshot>,
        by: Arc<Person>,
        seq: Seq,
        at: Timestamp,
        first_time: bool,
    },
    /// A message as it is now; not `first_time`: it was so already.
    Edited {
        now: Arc<Snapshot>,
        by: Arc<Person>,
        message: Arc<Message>,
        at: Timestamp,
        first_time: bool,
    },
    /// Messages that are gone; those that were gone already are not among `seqs`.
    Deleted {
        now: Arc<Snapshot>,
        by: Arc<Person>,
        seqs: Vec<Seq>,
        at: Timestamp,
    },
    Rated,
    StatusSet {
        shop: Arc<Shop>,
        agent: Agent,
    },
}

/// The longest `id` that a sender may give a message, in characters.
pub const CLIENT_ID_MAX: usize = 64;

/// Under which key a message is stored that a shop's admin adds: longer than any that a client may choose, so that it is never one of the
/// member's own, and another for each shop.
pub fn key_of_added(shop: &Shop, id: &str) -> Arc<str> {
    // No shop's name has a slash.
    format!("{:/>CLIENT_ID_MAX$}/{id}", shop.shop).into()
}

/// Leaves, of what one transaction has moved, only each cursor's last movement to be told: it says all that those before it say.
pub fn coalesce<'a>(outcomes: impl DoubleEndedIterator<Item = &'a mut Outcome>) {
    let mut told = HashSet::new();
    for outcome in outcomes.rev() {
        let Outcome::Moved { now, side, moved, .. } = outcome else { continue };
        let mut last = |kind: u8, seq: &mut Option<Seq>| {
            if seq.is_some() && !told.insert((now.id, *side, kind)) {
                *seq = None;
            }
        };
        last(0, &mut moved.delivered);
        last(1, &mut moved.read);
    }
}

impl Outcome {
    /// The shop whose people it concerns; `None` in direct conversations, and where it concerns only who has asked.
    pub fn shop(&self) -> Option<&Arc<Shop>> {
        match self {
            Outcome::Stored { now, .. }
            | Outcome::Changed { now, .. }
            | Outcome::Recalled { now, .. }
            | Outcome::Edited { now, .. }
            | Outcome::Deleted { now, .. }
            | Outcome::Unchanged(now) => now.conversation.shop(),
            Outcome::Moved { now, .. } => now.shop(),
            Outcome::StatusSet { shop, .. } => Some(shop),
            Outcome::Settled { .. } | Outcome::Duplicate { .. } | Outcome::Rated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{conversation::Parties, ids::UserId};

    fn person(id: i64) -> Arc<Person> {
        Arc::new(Person { id: UserId(id), uid: "x".into(), name: "x".into(), avatar: None })
    }

    #[test]
    fn an_ack_says_what_those_before_it_say() {
        let ack = |by, conversation, seq, given: &[(Seq, Seq)], viewing| {
            let mut all = Given::default();
            given.iter().for_each(|&(from, to)| all.insert(from, to));
            let act = Act::Ack { conversation: ConversationId(conversation), seq, given: all, viewing };
            Command { by: person(by), at: Timestamp(seq), act }
        };
        let first = ack(1, 1, 3, &[(1, 3)], false);
        let absorbed = |later: &Command| {
            let mut ack = first.clone();
            ack.absorb(later).then_some(ack)
        };
        let both = absorbed(&ack(1, 1, 5, &[(1, 5)], false)).expect("the next one");
        assert!(matches!(&both.act, Act::Ack { seq: 5, given, .. } if given.reach(0, 9) == 5));
        let both = absorbed(&ack(1, 1, 2, &[(1, 2), (7, 7)], false)).expect("one that says less");
        assert!(matches!(&both.act, Act::Ack { seq: 3, given, .. } if given.reach(0, 9) == 3 && given.contains(7)));
        for other in [
            ack(2, 1, 5, &[(1, 5)], false),
            ack(1, 2, 5, &[(1, 5)], false),
            ack(1, 1, 5, &[(1, 5)], true),
            ack(1, 1, 9, &[(1, 5)], false),
            Command { act: Act::Read { conversation: ConversationId(1), seq: 3 }, ..first.clone() },
        ] {
            assert!(absorbed(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn the_key_of_an_added_message_is_nobody_elses() {
        let key = |shop: &str, id: &str| {
            let shop = Shop { id: crate::domain::ids::ShopId(1), shop: shop.into(), name: "x".into() };
            key_of_added(&shop, id)
        };
        let (long, longest) = ("x".repeat(63), "x".repeat(128));
        let shops = ["a", "b", "a:b", &long, &longest];
        let ids = ["1", "a/1", "/", "b/1", &"y".repeat(64)];
        let keys: HashSet<_> = shops.iter().flat_map(|shop| ids.iter().map(|id| key(shop, id))).collect();
        assert_eq!(keys.len(), shops.len() * ids.len());
        assert!(keys.iter().all(|key| key.chars().count() > CLIENT_ID_MAX));
    }

    #[test]
    fn of_several_movements_the_last_is_told() {
        let parties = Parties::Direct { first: person(1), second: person(2) };
        let now = Arc::new(Conversation::new(ConversationId(1), parties, Timestamp(0)));
        let moved = |delivered, read| Outcome::Moved {
            now: now.clone(),
            by: person(1),
            side: Which::First,
            moved: Moved { delivered, read },
        };
        let mut outcomes = [moved(Some(1), None), moved(Some(2), Some(2)), Outcome::Rated, moved(Some(3), None)];
        coalesce(outcomes.iter_mut());
        let left = outcomes.iter().map(|outcome| match outcome {
            Outcome::Moved { moved, .. } => (moved.delivered, moved.read),
            _ => (None, None),
        });
        assert_eq!(left.collect::<Vec<_>>(), [(None, None), (None, Some(2)), (None, None), (Some(3), None)]);
    }
}
