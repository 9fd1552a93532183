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
    conversation::{Cause, Conversation, State},
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
    /// Of what was not known, only what both sides have received is sure to have been told, and what belongs to an earlier ticket is told to
    /// no agent any more.
    fn new(conversation: Arc<Conversation>) -> Known {
        let mut told = Given::default();
        let (first, second) = (conversation.first.delivered, conversation.second.delivered);
        told.insert(1, first.min(second.max(conversation.opened_seq - 1)));
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

    /// Whether a change of state or claim lies between what is known and what an outcome shows, of which this node has not been told. Such
    /// an outcome must not be noted: the change comes late, or the sweep finds it, and either tells of it. `cause` is that of an outcome
    /// that is a change itself.
    pub fn has_missed(&self, now: &Conversation, cause: Option<Cause>) -> bool {
        let Some(Known { conversation: known, .. }) = self.known.get(&now.id) else {
            return cause.is_none() && now.state != State::Resolved;
        };
        let follows = match cause {
            // A bot may have claimed what was opened, at once.
            Some(_) => known.claim_version + i64::from(now.claimant().is_some()) == now.claim_version,
            None => known.is_same_claim(now),
        };
        known.revision < now.revision && !follows
    }

    /// Whether an outcome shows a claim or a ticket that is over.
    pub fn is_past(&self, now: &Conversation) -> bool {
        self.known.get(&now.id).is_some_and(|Known { conversation: known, .. }| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        conversation::{Deed, Parties, Standing},
        cursor::Which,
        ids::{ShopId, Timestamp},
        people::{Person, Role, Shop},
    };

    const AT: Timestamp = Timestamp(1_000);
    const BUYER: i64 = 1;
    const AGENT: i64 = 2;

    fn person(id: i64) -> Arc<Person> {
        let uid: Arc<str> = format!("u{id}").into();
        Arc::new(Person { id: UserId(id), uid: uid.clone(), name: uid, avatar: None })
    }

    /// A buyer has said one thing, and waits.
    fn waiting() -> Conversation {
        let shop = Arc::new(Shop { id: ShopId(1), shop: "acme".into(), name: "Acme".into() });
        let parties = Parties::Support { shop, buyer: person(BUYER) };
        says(Conversation::new(ConversationId(1), parties, AT))
    }

    fn says(mut conversation: Conversation) -> Conversation {
        conversation.send(UserId(BUYER), Standing::Buyer, AT).unwrap();
        conversation
    }

    fn does(mut conversation: Conversation, deed: &Deed) -> Conversation {
        conversation.act(&person(AGENT), Standing::Agent(Role::Supervisor), deed, 0, AT).unwrap();
        conversation
    }

    /// What knows this conversation, and has told all of it.
    fn knowing(conversation: &Conversation) -> Replica {
        let mut replica = Replica::default();
        assert!(replica.note(&Arc::new(conversation.clone()), Instant::now()));
        replica.tell(conversation.id, 1, conversation.last_seq);
        replica
    }

    #[test]
    fn what_is_older_changes_nothing() {
        let (before, claimed) = (waiting(), does(waiting(), &Deed::Claim));
        let mut replica = knowing(&claimed);
        assert!(!replica.note(&Arc::new(before.clone()), Instant::now()));
        assert_eq!(replica.open(claimed.id).unwrap().conversation.claimant(), claimed.claimant());
        assert!(replica.is_past(&before) && !replica.is_past(&claimed));
    }

    #[test]
    fn a_message_does_not_hide_a_change_that_was_missed_before_it() {
        let known = waiting();
        let replica = knowing(&known);
        assert!(!replica.has_missed(&says(known.clone()), None), "it follows");
        assert!(replica.has_missed(&says(does(known.clone(), &Deed::Claim)), None), "a claim lies between");
        let resolved = does(known.clone(), &Deed::Resolve);
        assert_eq!(resolved.claim_version, known.claim_version, "nobody had claimed it");
        assert!(replica.has_missed(&resolved, None), "a cursor moves in what has been resolved");
        assert!(replica.has_missed(&says(says(resolved.clone())), None), "it has been opened again");
        assert!(!replica.has_missed(&says(resolved.clone()), Some(Cause::Reopened)), "that tells by itself");
        let to_bot = does(says(resolved), &Deed::Claim);
        assert!(!replica.has_missed(&to_bot, Some(Cause::Reopened)), "a bot has got it at once");
        let claimed_and_resolved = does(does(known, &Deed::Claim), &Deed::Resolve);
        assert!(replica.has_missed(&says(claimed_and_resolved), Some(Cause::Reopened)), "somebody had claimed it");
    }

    #[test]
    fn of_a_conversation_that_is_not_known_its_opening_was_missed() {
        let replica = Replica::default();
        assert!(!replica.has_missed(&waiting(), Some(Cause::Opened)));
        assert!(replica.has_missed(&says(waiting()), None));
        assert!(!replica.has_missed(&does(waiting(), &Deed::Resolve), None), "there is nothing to be told of it");
    }

    #[test]
    fn what_was_not_told_is_taken_once_from_the_first_hole_on() {
        let mut conversation = waiting();
        let mut replica = knowing(&conversation);
        for _ in 0..4 {
            conversation = says(conversation);
        }
        let id = conversation.id;
        replica.note(&Arc::new(conversation), Instant::now());
        replica.tell(id, 2, 2);
        replica.tell(id, 4, 4);
        assert_eq!(replica.take_untold(id, 5), Some((3, 5)));
        assert_eq!(replica.take_untold(id, 5), None);
    }

    #[test]
    fn of_a_conversation_found_in_the_store_agents_were_told_nothing_of_its_ticket() {
        let first = waiting();
        let mut replica = Replica::default();
        replica.note(&Arc::new(first.clone()), Instant::now());
        assert_eq!(replica.take_untold(first.id, 1), Some((1, 1)));
        let again = says(does(first, &Deed::Resolve));
        let mut replica = Replica::default();
        replica.note(&Arc::new(again.clone()), Instant::now());
        assert_eq!(replica.take_untold(again.id, 2), Some((2, 2)), "the ticket before is over");
        let mut received = does(again.clone(), &Deed::Claim);
        let mut given = Given::default();
        given.insert(1, 2);
        received.ack(Which::Second, 2, &given).unwrap();
        let mut replica = Replica::default();
        replica.note(&Arc::new(received), Instant::now());
        assert_eq!(replica.take_untold(again.id, 2), None, "both sides have it");
    }

    #[test]
    fn what_is_resolved_is_remembered_for_a_while() {
        let now = Instant::now();
        let (open, resolved) = (waiting(), does(waiting(), &Deed::Resolve));
        let mut replica = knowing(&open);
        replica.note(&Arc::new(resolved), now);
        assert!(replica.open(open.id).is_none() && replica.of_buyer(UserId(BUYER)).is_none());
        assert_eq!(replica.waiting_buyers().count(), 0);
        assert!(!replica.note(&Arc::new(open.clone()), now), "what comes late does not open it again");
        let age = Duration::from_secs(30);
        replica.forget_resolved(age, now + age / 2);
        assert!(replica.get(open.id).is_some());
        replica.forget_resolved(age, now + age);
        assert!(replica.get(open.id).is_none());
    }
}
