//! What happens in a shop and is worth telling to the shop's own systems.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{
    command::Message,
    conversation::Cause,
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    people::{Person, Shop},
};

macro_rules! kinds {
    ($($name:ident $text:literal,)*) => {
        /// The closed list of what is told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($name,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            /// As `type` has it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Kind::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    MessageStored "message.stored",
    MessageEdited "message.edited",
    MessageRecalled "message.recalled",
    MessageDeleted "message.deleted",
    ConversationOpened "conversation.opened",
    ConversationReopened "conversation.reopened",
    ConversationClaimed "conversation.claimed",
    ConversationReleased "conversation.released",
    ConversationTransferred "conversation.transferred",
    ConversationResolved "conversation.resolved",
    ConversationRated "conversation.rated",
    AgentOnDuty "agent.on_duty",
    AgentOffDuty "agent.off_duty",
    FileAdded "file.added",
}

impl Kind {
    pub fn parse(s: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == s)
    }

    /// What a change of a conversation's state or claim is; `None` where it tells of a message, which is told for itself.
    pub fn of(cause: Cause) -> Option<Kind> {
        match cause {
            Cause::Opened => Some(Kind::ConversationOpened),
            Cause::Reopened => Some(Kind::ConversationReopened),
            Cause::Claimed => Some(Kind::ConversationClaimed),
            Cause::Released => Some(Kind::ConversationReleased),
            Cause::Transferred => Some(Kind::ConversationTransferred),
            Cause::Resolved => Some(Kind::ConversationResolved),
            Cause::Message => None,
        }
    }
}

/// An event's place among all of its shop: 1, 2, 3 … without gaps. 0 stands before the first.
pub type Position = i64;

/// What has happened: who has done what when. What was said, and what people are called, is looked up when it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    pub at: Timestamp,
    /// For an agent on or off duty: the agent.
    pub by: UserId,
    pub about: About,
}

/// What it has happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Message {
        conversation: ConversationId,
        seq: Seq,
    },
    /// State and claim; the claimants before and after.
    Claim {
        conversation: ConversationId,
        ticket: i64,
        claim_version: i64,
        from: Option<UserId>,
        to: Option<UserId>,
    },
    Ticket {
        conversation: ConversationId,
        ticket: i64,
    },
    Agent,
}

impl Event {
    pub fn conversation(&self) -> Option<ConversationId> {
        match self.about {
            About::Message { conversation, .. }
            | About::Claim { conversation, .. }
            | About::Ticket { conversation, .. } => Some(conversation),
            About::Agent => None,
        }
    }

    /// Events of one subject keep their order whoever works on them: of a conversation (positive), of an agent (negative).
    pub fn subject(&self) -> i64 {
        self.conversation().map_or(-self.by.0, |conversation| conversation.0)
    }

    /// Reads what [`fmt::Display`] has written.
    pub fn parse(line: &str) -> Option<Event> {
        let (kind, numbers) = line.split_once(' ')?;
        let kind = Kind::parse(kind)?;
        let mut numbers = numbers.split(' ').map(|number| number.parse::<i64>().ok());
        let mut next = || numbers.next().flatten();
        let (at, by) = (Timestamp(next()?), UserId(next()?));
        let about = match (next().map(ConversationId), kind) {
            (None, _) => About::Agent,
            (Some(conversation), Kind::ConversationRated) => About::Ticket { conversation, ticket: next()? },
            (
                Some(conversation),
                Kind::MessageStored
                | Kind::MessageEdited
                | Kind::MessageRecalled
                | Kind::MessageDeleted
                | Kind::FileAdded,
            ) => About::Message { conversation, seq: next()? },
            (Some(conversation), _) => {
                let (ticket, claim_version) = (next()?, next()?);
                let mut user = || next().filter(|id| *id != 0).map(UserId);
                About::Claim { conversation, ticket, claim_version, from: user(), to: user() }
            }
        };
        Some(Event { kind, at, by, about })
    }
}

/// In one line, as it is kept: the kind and numbers.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind.as_str(), self.at.0, self.by)?;
        match self.about {
            About::Message { conversation, seq } => write!(f, " {conversation} {seq}"),
            About::Ticket { conversation, ticket } => write!(f, " {conversation} {ticket}"),
            About::Claim { conversation, ticket, claim_version, from, to } => {
                let (from, to) = (from.map_or(0, |id| id.0), to.map_or(0, |id| id.0));
                write!(f, " {conversation} {ticket} {claim_version} {from} {to}")
            }
            About::Agent => Ok(()),
        }
    }
}

/// Which kinds somebody wants to be told; none named: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types(BTreeSet<Kind>);

impl Types {
    pub fn has(&self, kind: Kind) -> bool {
        self.0.is_empty() || self.0.contains(&kind)
    }

    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().copied()
    }

    /// Adds a kind by its name (`message.stored`), or all of a group (`message`); false where there is none.
    pub fn add(&mut self, name: &str) -> bool {
        let group = |kind: &Kind| kind.as_str().split_once('.').is_some_and(|(group, _)| group == name);
        let named: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.as_str() == name || group(kind)).collect();
        self.0.extend(&named);
        !named.is_empty()
    }

    /// Reads names that are separated by commas; nothing at all: all kinds.
    pub fn parse(s: &str) -> Option<Types> {
        let mut types = Types::default();
        (s.is_empty() || s.split(',').all(|name| types.add(name))).then_some(types)
    }
}

/// The names, separated by commas.
impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, kind) in self.kinds().enumerate() {
            write!(f, "{}{}", if n > 0 { "," } else { "" }, kind.as_str())?;
        }
        Ok(())
    }
}

/// An event in its place, with all that is told of it, as that is now.
#[derive(Clone, Debug)]
pub struct Told {
    pub position: Position,
    pub shop: Arc<Shop>,
    pub event: Event,
    pub by: Arc<Person>,
    /// Of the conversation; `None` where it is about an agent.
    pub buyer: Option<Arc<Person>>,
    pub detail: Detail,
}

#[derive(Clone, Debug)]
pub enum Detail {
    Message {
        message: Arc<Message>,
        edited_at: Option<Timestamp>,
    },
    /// The files that the message shows, and that are still there.
    Files {
        message: Arc<Message>,
        files: Vec<File>,
    },
    Claim {
        ticket: i64,
        claim_version: i64,
        from: Option<Arc<Person>>,
        to: Option<Arc<Person>>,
    },
    /// What the ticket's rating is now.
    Rating {
        ticket: i64,
        score: Option<i16>,
        comment: Option<Arc<str>>,
    },
    Agent,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub key: Arc<str>,
    pub name: Arc<str>,
    pub mime: Arc<str>,
    pub size: i64,
}

/// An event of a shop that is to be told.
pub type Happened = (ShopId, Event);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let conversation = ConversationId(17);
        for kind in Kind::ALL.iter().copied() {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            let about = match kind.as_str().split_once('.').unwrap() {
                ("message" | "file", _) => vec![About::Message { conversation, seq: 4 }],
                ("agent", _) => vec![About::Agent],
                (_, "rated") => vec![About::Ticket { conversation, ticket: 2 }],
                _ => [(None, None), (Some(UserId(3)), None), (None, Some(UserId(4)))]
                    .map(|(from, to)| About::Claim { conversation, ticket: 2, claim_version: 5, from, to })
                    .to_vec(),
            };
            for about in about {
                let event = Event { kind, at: Timestamp(1_767_319_445_678), by: UserId(9), about };
                assert_eq!(Event::parse(&event.to_string()), Some(event), "{event}");
                assert_eq!(event.subject(), if about == About::Agent { -9 } else { 17 });
            }
        }
        for bad in ["", "message.stored", "message.stored 1 2", "message.sent 1 2 3 4", "message.stored 1 2 3 x"] {
            assert_eq!(Event::parse(bad).filter(|event| event.about != About::Agent), None, "{bad}");
        }
    }

    #[test]
    fn types_are_named_one_by_one_or_by_their_group() {
        let types = Types::parse("conversation,message.stored").unwrap();
        assert!(types.has(Kind::ConversationRated) && types.has(Kind::MessageStored));
        assert!(!types.has(Kind::MessageEdited) && !types.has(Kind::AgentOnDuty));
        assert_eq!(Types::parse(&types.to_string()), Some(types));
        assert!(Types::parse("").unwrap().has(Kind::FileAdded));
        for bad in ["messages", "message.sent", "message.stored,", ",", "message."] {
            assert_eq!(Types::parse(bad), None, "{bad}");
        }
    }
}
