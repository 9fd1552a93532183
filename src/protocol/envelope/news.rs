//! News as they are written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Envelope,
    names::{Known, Name, Named},
    outcome::Happened,
    snapshot::Conversation,
};
use crate::domain::{
    cursor::Which,
    ids::{ShopId, UserId},
    signal::Signal,
};

#[derive(Serialize, Deserialize)]
pub(super) enum Wire {
    Happened { outcome: Box<Happened>, except: Option<u64> },
    Typing { conversation: Box<Conversation>, by: Name, side: i16, on: bool },
    Seen { user: i64, online: bool, shops: Vec<i64> },
    Here { users: Vec<i64>, shops: Vec<i64> },
    Works { shop: i64, on: bool },
    AgentsChanged { shop: i64 },
    Revoked { user: i64, before: i64 },
    Page { conversation: Box<Conversation>, by: Name, side: i16, url: Arc<str>, title: Option<Arc<str>> },
}

impl Wire {
    pub(super) fn of(envelope: &Envelope, named: &mut Named) -> Wire {
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

    pub(super) fn envelope(self, known: &Known) -> Option<Envelope> {
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
