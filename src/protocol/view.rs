//! How people, conversations and messages look from outside: the same in frames and in REST.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::time::At;
use crate::domain::{
    command::{Message, Snapshot},
    conversation::{Parties, State},
    cursor::Which,
    ids::{Seq, Timestamp},
    people::{Agent, Person, Shop},
};

/// `{uid, name}`.
#[derive(Serialize)]
pub struct Name<'a> {
    uid: &'a str,
    name: &'a str,
}

impl<'a> Name<'a> {
    pub fn of(person: &'a Person) -> Name<'a> {
        Name { uid: &person.uid, name: &person.name }
    }
}

/// `{uid, name, avatar}`.
#[derive(Serialize)]
pub struct Card<'a> {
    uid: &'a str,
    name: &'a str,
    avatar: Option<&'a str>,
}

impl<'a> Card<'a> {
    pub fn of(person: &'a Person) -> Card<'a> {
        Card { uid: &person.uid, name: &person.name, avatar: person.avatar.as_deref() }
    }
}

/// `{shop, name, role, status}`: a shop in which a user is an agent.
#[derive(Serialize)]
pub struct Membership<'a> {
    shop: &'a str,
    name: &'a str,
    role: &'static str,
    status: &'static str,
}

impl<'a> Membership<'a> {
    pub fn of(shop: &'a Shop, agent: &Agent) -> Membership<'a> {
        Membership { shop: &shop.shop, name: &shop.name, role: agent.role.as_str(), status: agent.status.as_str() }
    }
}

#[derive(Serialize)]
struct From<'a> {
    uid: &'a str,
    name: &'a str,
    role: &'static str,
}

impl<'a> From<'a> {
    fn of(message: &'a Message) -> From<'a> {
        From { uid: &message.from.uid, name: &message.from.name, role: message.speaker.as_str() }
    }
}

/// A content as it is stored, written out as it is.
pub struct Raw<'a>(pub &'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// The fields of a `message`, but for its content.
#[derive(Serialize)]
pub struct MessageHead<'a> {
    conversation: i64,
    seq: Seq,
    shop: Option<&'a str>,
    from: From<'a>,
    client_id: &'a str,
    at: At,
}

impl<'a> MessageHead<'a> {
    pub fn of(message: &'a Message) -> MessageHead<'a> {
        MessageHead {
            conversation: message.conversation.0,
            seq: message.seq,
            shop: message.shop.as_deref(),
            from: From::of(message),
            client_id: &message.client_id,
            at: At(message.at),
        }
    }
}

/// All fields of a `message`.
#[derive(Serialize)]
pub struct MessageView<'a> {
    #[serde(flatten)]
    head: MessageHead<'a>,
    content: Raw<'a>,
}

impl<'a> MessageView<'a> {
    pub fn of(message: &'a Message) -> MessageView<'a> {
        MessageView { head: MessageHead::of(message), content: Raw(&message.content) }
    }
}

/// A message with what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    pub edited_at: Option<Timestamp>,
}

/// A message in the history.
#[derive(Serialize)]
pub struct RecordView<'a> {
    #[serde(flatten)]
    message: MessageView<'a>,
    delivered_at: Option<At>,
    read_at: Option<At>,
    edited_at: Option<At>,
}

impl<'a> RecordView<'a> {
    pub fn of(message: &'a Message, marks: &Marks) -> RecordView<'a> {
        RecordView {
            message: MessageView::of(message),
            delivered_at: marks.delivered_at.map(At),
            read_at: marks.read_at.map(At),
            edited_at: marks.edited_at.map(At),
        }
    }
}

#[derive(Serialize)]
struct Last<'a> {
    seq: Seq,
    from: From<'a>,
    content: Raw<'a>,
    at: At,
}

/// A conversation's summary, as one of its two sides sees it.
pub struct Summary<'a> {
    pub snapshot: &'a Snapshot,
    pub side: Which,
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            id: i64,
            kind: &'static str,
            shop: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            buyer: Option<Card<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            peer: Option<Card<'a>>,
            state: Option<&'static str>,
            claimed_by: Option<Name<'a>>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            with_bot: bool,
            claim_version: i64,
            last_seq: Seq,
            last_message: Option<Last<'a>>,
            unread: i64,
            waiting_since: Option<At>,
            created_at: At,
            updated_at: At,
        }
        let conversation = &self.snapshot.conversation;
        let (kind, buyer, peer): (_, Option<&Arc<Person>>, _) = match (&conversation.parties, self.side) {
            (Parties::Support { buyer, .. }, _) => ("support", Some(buyer), None),
            (Parties::Direct { second, .. }, Which::First) => ("direct", None, Some(second)),
            (Parties::Direct { first, .. }, Which::Second) => ("direct", None, Some(first)),
        };
        let last_message = self.snapshot.last.as_deref();
        Fields {
            id: conversation.id.0,
            kind,
            shop: conversation.shop().map(|shop| &*shop.shop),
            buyer: buyer.map(|p| Card::of(p)),
            peer: peer.map(|p| Card::of(p)),
            state: state_name(&conversation.state),
            claimed_by: conversation.claimant().map(|p| Name::of(p)),
            with_bot: conversation.claimant().is_some() && conversation.offered_at.is_none(),
            claim_version: conversation.claim_version,
            last_seq: conversation.last_seq,
            last_message: last_message.map(|m| Last {
                seq: m.seq,
                from: From::of(m),
                content: Raw(&m.content),
                at: At(m.at),
            }),
            unread: conversation.side(self.side).unread,
            waiting_since: conversation.waiting_since.map(At),
            created_at: At(conversation.created_at),
            updated_at: At(conversation.updated_at),
        }
        .serialize(serializer)
    }
}

/// What `state` says; direct conversations have none.
pub fn state_name(state: &State) -> Option<&'static str> {
    match state {
        State::Direct => None,
        State::Waiting => Some("waiting"),
        State::Claimed(_) => Some("claimed"),
        State::Resolved => Some("resolved"),
    }
}
