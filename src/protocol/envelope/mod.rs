//! What nodes tell each other: one byte for the version, then a [`Packet`] as postcard writes it, without names. A node passes over what
//! it does not understand, so that old and new ones can run side by side while they are replaced one after the other: what one misses
//! meanwhile it finds in the store.
//!
//! News that are told together share the people and shops that are in them, which most of them have in common.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::domain::{
    command::{self, Outcome},
    conversation::{self, Cause, Moved, Parties, Speaker, State},
    cursor::{self, Which},
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    people::{self, Role, Status},
    signal::Signal,
};

/// Of what is written here. It is counted up by every change but a variant added at the end of an enum, since a field that is added,
/// removed or moved makes others of the rest.
const VERSION: u8 = 2;

/// News from another node.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// A command has been written; `except` is the session that asked for it.
    Happened {
        outcome: Outcome,
        except: Option<u64>,
    },
    Signalled {
        conversation: Box<conversation::Conversation>,
        by: Arc<people::Person>,
        side: Which,
        signal: Signal,
    },
    /// The user's first session on that node, or its last one is over; with the shops to which that matters.
    Seen {
        user: UserId,
        online: bool,
        shops: Vec<ShopId>,
    },
    /// All who have a session on that node, and the shops of which an agent has one: said to a node that has just been seen.
    Here {
        users: Vec<UserId>,
        shops: Vec<ShopId>,
    },
    /// The first agent of a shop has a session on that node, or the last one's is over.
    Works {
        shop: ShopId,
        on: bool,
    },
    /// The shop's agents have been changed.
    AgentsChanged {
        shop: ShopId,
    },
    /// A user's tokens issued before that second are refused.
    Revoked {
        user: UserId,
        before: i64,
    },
}

/// It is not from a node that this one understands.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("of another version")]
    Version,
    #[error("not an envelope: {0}")]
    Content(#[from] postcard::Error),
    #[error("it names somebody who is not in it")]
    Name,
}

/// Writes news that are told together.
pub fn encode<'a>(all: impl IntoIterator<Item = &'a Envelope>) -> Vec<u8> {
    let mut named = Named::default();
    let news = all.into_iter().map(|news| Wire::of(news, &mut named)).collect();
    // Writing numbers and text into memory does not fail.
    postcard::to_extend(&Packet { people: named.people, shops: named.shops, news }, vec![VERSION]).unwrap_or_default()
}

/// # Errors
/// [`Unknown`].
pub fn decode(bytes: &[u8]) -> Result<Vec<Envelope>, Unknown> {
    let Some((&VERSION, content)) = bytes.split_first() else { return Err(Unknown::Version) };
    let Packet { people, shops, news } = postcard::from_bytes::<Packet>(content)?;
    let known = Known {
        people: people.into_iter().map(Person::person).collect(),
        shops: shops.into_iter().map(Shop::shop).collect(),
    };
    news.into_iter().map(|news| news.envelope(&known).ok_or(Unknown::Name)).collect()
}

#[derive(Serialize, Deserialize)]
struct Packet {
    people: Vec<Person>,
    shops: Vec<Shop>,
    news: Vec<Wire>,
}

/// The place of a person among a packet's, or of a shop.
type Name = u32;

/// Those who are named in a packet that is written.
#[derive(Default)]
struct Named {
    people: Vec<Person>,
    shops: Vec<Shop>,
    /// As they are in memory: who has been read from the database twice may be here twice.
    of_people: HashMap<*const people::Person, Name>,
    of_shops: HashMap<*const people::Shop, Name>,
}

impl Named {
    fn person(&mut self, person: &Arc<people::Person>) -> Name {
        *self.of_people.entry(Arc::as_ptr(person)).or_insert_with(|| {
            self.people.push(Person::of(person));
            self.people.len() as Name - 1
        })
    }

    fn shop(&mut self, shop: &Arc<people::Shop>) -> Name {
        *self.of_shops.entry(Arc::as_ptr(shop)).or_insert_with(|| {
            self.shops.push(Shop::of(shop));
            self.shops.len() as Name - 1
        })
    }
}

/// Those who are named in a packet that is read; `None` for a name that it does not have.
struct Known {
    people: Vec<Arc<people::Person>>,
    shops: Vec<Arc<people::Shop>>,
}

impl Known {
    fn person(&self, name: Name) -> Option<Arc<people::Person>> {
        self.people.get(name as usize).cloned()
    }

    fn shop(&self, name: Name) -> Option<Arc<people::Shop>> {
        self.shops.get(name as usize).cloned()
    }
}

#[derive(Serialize, Deserialize)]
enum Wire {
    Happened { outcome: Box<Happened>, except: Option<u64> },
    Typing { conversation: Box<Conversation>, by: Name, side: i16, on: bool },
    Seen { user: i64, online: bool, shops: Vec<i64> },
    Here { users: Vec<i64>, shops: Vec<i64> },
    Works { shop: i64, on: bool },
    AgentsChanged { shop: i64 },
    Revoked { user: i64, before: i64 },
    Page { conversation: Box<Conversation>, by: Name, side: i16, url: Arc<str>, title: Option<Arc<str>> },
}

/// Outcomes that concern anybody beside the one who asked.
#[derive(Serialize, Deserialize)]
enum Happened {
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

#[derive(Serialize, Deserialize)]
struct Person {
    id: i64,
    uid: Arc<str>,
    name: Arc<str>,
    avatar: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct Shop {
    id: i64,
    shop: Arc<str>,
    name: Arc<str>,
}

#[derive(Serialize, Deserialize)]
struct Agent {
    person: Name,
    role: Word<Role>,
    status: Word<Status>,
}

/// A message of a conversation that is told with it.
#[derive(Serialize, Deserialize)]
struct Message {
    seq: Seq,
    from: Who,
    speaker: Word<Speaker>,
    side: i16,
    content: Arc<str>,
    client_id: Arc<str>,
    at: i64,
}

/// Somebody in a conversation, who is told with it, or somebody else.
#[derive(Serialize, Deserialize)]
enum Who {
    Reader(i16),
    Other(Name),
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    conversation: Conversation,
    last: Option<Message>,
}

#[derive(Serialize, Deserialize)]
struct Conversation {
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

#[derive(Clone, Copy, Serialize, Deserialize)]
enum StateWord {
    Direct,
    Waiting,
    Claimed,
    Resolved,
}

/// One of a closed set of words, as the store and the contract write it.
#[derive(Clone, Copy)]
struct Word<T>(T);

macro_rules! words {
    ($($type:ty),*) => {$(
        impl Serialize for Word<$type> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for Word<$type> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <&str>::deserialize(deserializer)?;
                <$type>::parse(word).map(Word).ok_or_else(|| serde::de::Error::custom("an unknown word"))
            }
        }
    )*};
}

words!(Cause, Role, Status, Speaker);

impl Wire {
    fn of(envelope: &Envelope, named: &mut Named) -> Wire {
        match envelope {
            Envelope::Happened { outcome, except } => {
                Wire::Happened { outcome: Box::new(Happened::of(outcome, named)), except: *except }
            }
            Envelope::Signalled { conversation, by, side, signal } => {
                let (conversation, by) = (Box::new(Conversation::of(conversation, named)), named.person(by));
                let side = side.index();
                match signal.clone() {
                    Signal::Typing(on) => Wire::Typing { conversation, by, side, on },
                    Signal::Page { url, title } => Wire::Page { conversation, by, side, url, title },
                }
            }
            Envelope::Seen { user, online, shops } => {
                Wire::Seen { user: user.0, online: *online, shops: shops.iter().map(|shop| shop.0).collect() }
            }
            Envelope::Here { users, shops } => Wire::Here {
                users: users.iter().map(|user| user.0).collect(),
                shops: shops.iter().map(|shop| shop.0).collect(),
            },
            Envelope::Works { shop, on } => Wire::Works { shop: shop.0, on: *on },
            Envelope::AgentsChanged { shop } => Wire::AgentsChanged { shop: shop.0 },
            Envelope::Revoked { user, before } => Wire::Revoked { user: user.0, before: *before },
        }
    }

    fn envelope(self, known: &Known) -> Option<Envelope> {
        Some(match self {
            Wire::Happened { outcome, except } => Envelope::Happened { outcome: outcome.outcome(known)?, except },
            Wire::Typing { conversation, by, side, on } => Envelope::Signalled {
                conversation: Box::new(conversation.conversation(known)?),
                by: known.person(by)?,
                side: Which::from_index(side),
                signal: Signal::Typing(on),
            },
            Wire::Page { conversation, by, side, url, title } => Envelope::Signalled {
                conversation: Box::new(conversation.conversation(known)?),
                by: known.person(by)?,
                side: Which::from_index(side),
                signal: Signal::Page { url, title },
            },
            Wire::Seen { user, online, shops } => {
                Envelope::Seen { user: UserId(user), online, shops: shops.into_iter().map(ShopId).collect() }
            }
            Wire::Here { users, shops } => Envelope::Here {
                users: users.into_iter().map(UserId).collect(),
                shops: shops.into_iter().map(ShopId).collect(),
            },
            Wire::Works { shop, on } => Envelope::Works { shop: ShopId(shop), on },
            Wire::AgentsChanged { shop } => Envelope::AgentsChanged { shop: ShopId(shop) },
            Wire::Revoked { user, before } => Envelope::Revoked { user: UserId(user), before },
        })
    }
}

impl Happened {
    fn of(outcome: &Outcome, named: &mut Named) -> Happened {
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

    fn outcome(self, known: &Known) -> Option<Outcome> {
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

impl Person {
    fn of(person: &people::Person) -> Person {
        let people::Person { id, uid, name, avatar } = person;
        Person { id: id.0, uid: uid.clone(), name: name.clone(), avatar: avatar.clone() }
    }

    fn person(self) -> Arc<people::Person> {
        let Person { id, uid, name, avatar } = self;
        Arc::new(people::Person { id: UserId(id), uid, name, avatar })
    }
}

impl Shop {
    fn of(shop: &people::Shop) -> Shop {
        Shop { id: shop.id.0, shop: shop.shop.clone(), name: shop.name.clone() }
    }

    fn shop(self) -> Arc<people::Shop> {
        Arc::new(people::Shop { id: ShopId(self.id), shop: self.shop, name: self.name })
    }
}

impl Agent {
    fn of(agent: &people::Agent, named: &mut Named) -> Agent {
        Agent { person: named.person(&agent.person), role: Word(agent.role), status: Word(agent.status) }
    }

    fn agent(self, known: &Known) -> Option<people::Agent> {
        Some(people::Agent { person: known.person(self.person)?, role: self.role.0, status: self.status.0 })
    }
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

impl Message {
    fn of(message: &command::Message, of: &conversation::Conversation, named: &mut Named) -> Message {
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

    fn message(self, of: &conversation::Conversation, known: &Known) -> Option<command::Message> {
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

impl Snapshot {
    fn of(snapshot: &command::Snapshot, named: &mut Named) -> Snapshot {
        let of = &snapshot.conversation;
        Snapshot {
            conversation: Conversation::of(of, named),
            last: snapshot.last.as_deref().map(|last| Message::of(last, of, named)),
        }
    }

    fn snapshot(self, known: &Known) -> Option<command::Snapshot> {
        let conversation = self.conversation.conversation(known)?;
        let last = match self.last {
            Some(last) => Some(Arc::new(last.message(&conversation, known)?)),
            None => None,
        };
        Some(command::Snapshot { conversation, last })
    }
}

impl Conversation {
    fn of(c: &conversation::Conversation, named: &mut Named) -> Conversation {
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

    fn conversation(self, known: &Known) -> Option<conversation::Conversation> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: i64, uid: &str) -> Arc<people::Person> {
        Arc::new(people::Person {
            id: UserId(id),
            uid: uid.into(),
            name: "小明".into(),
            avatar: Some("https://a/b".into()),
        })
    }

    fn there_and_back(envelope: &Envelope) -> Envelope {
        decode(&encode([envelope])).unwrap().remove(0)
    }

    fn outcomes() -> Vec<Outcome> {
        let (buyer, agent) = (person(1, "ann"), person(2, "bob"));
        let shop = Arc::new(people::Shop { id: ShopId(3), shop: "acme".into(), name: "Acme \"&\" Söhne".into() });
        let parties = Parties::Support { shop: shop.clone(), buyer: buyer.clone() };
        let mut conversation = conversation::Conversation::new(ConversationId(7), parties, Timestamp(5));
        conversation.send(buyer.id, conversation::Standing::Buyer, Timestamp(6)).unwrap();
        let message = Arc::new(command::Message {
            conversation: ConversationId(7),
            seq: 1,
            shop: Some("acme".into()),
            from: buyer.clone(),
            speaker: Speaker::Buyer,
            side: Which::First,
            content: r#"{"kind":"text","text":"在吗 \"\\ \u2028"}"#.into(),
            client_id: "c-1".into(),
            at: Timestamp(6),
        });
        let last = Some(message.clone());
        let waiting = Arc::new(command::Snapshot { conversation: conversation.clone(), last: last.clone() });
        let standing = conversation::Standing::Agent(Role::Agent);
        conversation.act(&agent, standing, &conversation::Deed::Claim, 1, Timestamp(8)).unwrap();
        let claimed = Arc::new(command::Snapshot { conversation: conversation.clone(), last });
        let direct = Parties::Direct { first: buyer.clone(), second: agent.clone() };
        let direct = conversation::Conversation::new(ConversationId(8), direct, Timestamp(9));
        let moved = Moved { delivered: Some(1), read: None };
        let worker = people::Agent { person: agent.clone(), role: Role::Supervisor, status: Status::Away };
        vec![
            Outcome::Stored { now: waiting, message: message.clone(), cause: Some(Cause::Opened) },
            Outcome::Moved { now: Arc::new(direct), by: agent.clone(), side: Which::Second, moved },
            Outcome::Settled { conversation: ConversationId(7), by: agent.clone(), seq: 1 },
            Outcome::Changed { now: claimed.clone(), by: agent.clone(), before: None, cause: Cause::Claimed, moved },
            Outcome::Recalled { now: claimed.clone(), by: buyer, seq: 1, at: Timestamp(10), first_time: true },
            Outcome::Edited {
                now: claimed.clone(),
                by: agent.clone(),
                message: message.clone(),
                at: Timestamp(11),
                first_time: true,
            },
            Outcome::Deleted { now: claimed, by: agent, seqs: vec![1, 3], at: Timestamp(12) },
            Outcome::StatusSet { shop, agent: worker },
        ]
    }

    #[test]
    fn an_outcome_arrives_as_it_was_sent() {
        for outcome in outcomes() {
            let said = format!("{outcome:?}");
            let arrived = there_and_back(&Envelope::Happened { outcome, except: Some(u64::MAX) });
            let Envelope::Happened { outcome, except: Some(u64::MAX) } = arrived else { panic!("{arrived:?}") };
            assert_eq!(format!("{outcome:?}"), said);
        }
    }

    #[test]
    fn what_is_told_together_arrives_in_its_order_and_names_everybody_once() {
        let all: Vec<Envelope> =
            outcomes().into_iter().map(|outcome| Envelope::Happened { outcome, except: None }).collect();
        let together = encode(&all);
        assert_eq!(format!("{:?}", decode(&together).unwrap()), format!("{all:?}"));
        assert_eq!(together.windows(3).filter(|bytes| bytes == b"bob").count(), 1);
        assert!(together.len() < all.iter().map(|one| encode([one]).len()).sum::<usize>());
        assert!(decode(&encode([])).unwrap().is_empty());
    }

    #[test]
    fn so_does_the_rest() {
        let all = [
            Envelope::Seen { user: UserId(1), online: true, shops: vec![ShopId(2), ShopId(3)] },
            Envelope::Here { users: vec![UserId(1), UserId(2)], shops: vec![] },
            Envelope::Works { shop: ShopId(1), on: false },
            Envelope::AgentsChanged { shop: ShopId(1) },
            Envelope::Revoked { user: UserId(1), before: 1_700_000_000 },
        ];
        for envelope in all {
            assert_eq!(format!("{:?}", there_and_back(&envelope)), format!("{envelope:?}"));
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let known = encode([&Envelope::AgentsChanged { shop: ShopId(1) }]);
        let of_another_version = [&[VERSION + 1], &known[1..]].concat();
        let cut_off = encode([&Envelope::Happened { outcome: outcomes().remove(0), except: None }]);
        let cut_off = &cut_off[..cut_off.len() - 1];
        for bytes in [
            &b""[..],
            br#"{"type":"works","shop":1,"on":true}"#,
            &[VERSION],
            &[VERSION, 99],
            // It settles something for a person whom it does not name.
            &[VERSION, 0, 0, 1, 0, 2, 14, 0, 2, 0],
            &of_another_version,
            cut_off,
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
