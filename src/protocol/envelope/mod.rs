//! What nodes tell each other: one byte for the version, then a [`Packet`] as postcard writes it, without names. A node passes over what
//! it does not understand, so that old and new ones can run side by side while they are replaced one after the other: what one misses
//! meanwhile it finds in the store.
//!
//! News that are told together share the people and shops that are in them, which most of them have in common.

mod names;
mod news;
mod outcome;
mod snapshot;
mod word;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::{
    names::{Known, Named, Person, Shop},
    news::Wire,
};
use crate::domain::{
    command::Outcome,
    conversation,
    cursor::Which,
    ids::{ShopId, UserId},
    people,
    signal::Signal,
};

/// Of what is written. It is counted up by every change, in any of these files, but a variant added at the end of an enum, since a field
/// that is added, removed or moved makes others of the rest.
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

#[cfg(test)]
mod tests;
