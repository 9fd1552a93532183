//! What actors say to each other.

use std::{collections::HashMap, sync::Arc};

use actix::{Addr, Message};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{journal::Permit, session::Session};
use crate::{
    domain::{
        command::{Command, Outcome},
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq, ShopId, UserId},
        offline::Entry,
        people::Person,
        refusal::Refusal,
        signal::Signal,
    },
    protocol::{close::Close, envelope::Envelope, event::Notice},
    socket::Connection,
    store::changes::Glimpse,
};

/// Where a session's actor is.
pub type SessionAddr = Addr<Connection<Session>>;

/// A session's number, unique on its node.
pub type SessionId = u64;

/// What a command has come to.
pub type Reply = Result<Outcome, Refusal>;

/// Who waits for the reply to a command.
#[derive(Debug)]
pub enum Asked {
    Session { at: SessionAddr, session: SessionId, id: Option<Arc<str>> },
    Call(oneshot::Sender<Reply>),
    Nobody,
}

impl Asked {
    /// The session that asked, if one did.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Asked::Session { session, .. } => Some(*session),
            _ => None,
        }
    }
}

/// Gives replies to those who wait for them, to each session all of its own at once. Who no longer waits misses nothing.
pub fn answer(all: Vec<(Reply, Asked)>) {
    let mut sessions: HashMap<SessionId, (SessionAddr, Vec<Answer>)> = HashMap::new();
    for (reply, asked) in all {
        match asked {
            Asked::Session { at, session, id } => {
                sessions.entry(session).or_insert_with(|| (at, Vec::new())).1.push(Answer { id, reply });
            }
            Asked::Call(waiting) => drop(waiting.send(reply)),
            Asked::Nobody => {}
        }
    }
    sessions.into_values().for_each(|(at, answers)| at.do_send(Answers(answers)));
}

/// To a dispatcher: do this, and tell whom it concerns.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Do {
    pub command: Command,
    pub asked: Asked,
    /// Of a message that comes from outside ([`Node::admit`](super::node::Node::admit)).
    pub permit: Option<Permit>,
}

/// To a dispatcher: something that is passed on and never stored.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Hint {
    pub by: Arc<Person>,
    pub conversation: ConversationId,
    pub what: HintKind,
    pub session: SessionAddr,
    pub id: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HintKind {
    Signal(Signal),
    /// Only asks whether the conversation may be looked at.
    View,
}

/// From the journal to a dispatcher: these commands of one batch are on disk, or refused, in the order in which they were decided.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Written(pub Vec<(Reply, Asked)>);

/// From a dispatcher to a session: the replies to some of its frames.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Answers(pub Vec<Answer>);

#[derive(Debug)]
pub struct Answer {
    pub id: Option<Arc<str>>,
    pub reply: Reply,
}

/// From a dispatcher to a session: a hint was taken, or refused.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct HintAnswer {
    pub id: Option<Arc<str>>,
    pub conversation: ConversationId,
    pub what: HintKind,
    pub reply: Result<(), Refusal>,
}

/// To a session: all of this, in this order.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Pushes(pub Vec<Push>);

/// Something for a session.
#[derive(Clone, Debug)]
pub enum Push {
    /// A message, encoded once for all; the node has told everything up to `after`. `due` is false for copies of the user's own
    /// messages, which nobody has to ack.
    Message {
        conversation: ConversationId,
        seq: Seq,
        after: Seq,
        frame: Bytes,
        due: bool,
    },
    /// How something stands now: replaces an older frame of the same key that has not left yet.
    Latest {
        key: u64,
        frame: Bytes,
    },
    /// Something that must not be replaced.
    Event(Bytes),
    Notice(Notice),
    /// Another session, or another agent, has dealt with all up to here.
    Settle {
        conversation: ConversationId,
        upto: Seq,
    },
    /// The user does not receive for this conversation any more.
    Forget {
        conversation: ConversationId,
    },
    /// The user receives for this conversation from now on, and these are due.
    HandOver {
        conversation: ConversationId,
        from: Seq,
        upto: Seq,
    },
    /// The user's tokens that were issued before that second are refused.
    Revoke {
        before: i64,
    },
    Close(Close),
}

/// From a dispatcher to the `ChatServer`: something for all sessions of some users on this node.
#[derive(Clone, Debug)]
pub struct Told {
    pub to: Vec<Arc<Person>>,
    /// The session that knows already.
    pub except: Option<SessionId>,
    pub push: Push,
    /// For the offline lists of those who have no session on any node.
    pub offline: Option<Entry>,
}

#[derive(Message, Debug, Default)]
#[rtype(result = "()")]
pub struct Tell {
    pub told: Vec<Told>,
    /// The same news for other nodes.
    pub relays: Vec<Relay>,
}

impl Tell {
    /// For this node alone.
    pub fn here(told: Vec<Told>) -> Tell {
        Tell { told, relays: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.relays.is_empty()
    }
}

/// News for the nodes where any of these users, or an agent of the shop, has a session.
#[derive(Debug)]
pub struct Relay {
    pub news: Arc<Envelope>,
    pub users: Vec<UserId>,
    pub shop: Option<ShopId>,
}

/// From the `ChatServer` to a dispatcher: what another node has written, in its order; each with the session that asked for it.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Happened(pub Vec<(Outcome, Option<SessionId>)>);

/// From the `ChatServer` to a dispatcher: a signal that was given on another node.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Signalled {
    pub conversation: Box<Conversation>,
    pub by: Arc<Person>,
    pub side: Which,
    pub signal: Signal,
}

/// From the `ChatServer` to a dispatcher: somebody's first session has come, or the last one has gone, on whatever node.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Seen {
    pub user: UserId,
    pub online: bool,
}

/// A conversation that has changed lately, and what of it must have been told by now if it has not been missed.
#[derive(Clone, Copy, Debug)]
pub struct Overdue {
    pub glimpse: Glimpse,
    /// Messages up to here.
    pub upto: Seq,
    /// Changes up to this one.
    pub revision: i64,
}

impl Overdue {
    /// Where each side begins to lack something of what a node has not told, from here on. How far a side has come is news only for nodes where
    /// its people are: here it may be known as it was long ago.
    pub fn lacking(&self, from: Seq) -> [Seq; 2] {
        [self.glimpse.first.1, self.glimpse.second.1].map(|delivered| from.max(delivered + 1))
    }
}

/// From the `ChatServer` to a dispatcher: these conversations have changed lately, whoever has told of it.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Swept(pub Vec<Overdue>);
