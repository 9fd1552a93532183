//! Saying something, taking it back, and opening the conversation in which it is said.

use std::sync::Arc;

use super::{Deciding, Stop, lookup::known};
use crate::{
    domain::{
        command::{Outcome, Snapshot, Target},
        content::{Content, RECALLED, is_tombstone},
        conversation::{Conversation, Parties},
        event::Kind,
        ids::{ConversationId, Seq, Timestamp, VISITOR},
        people::{Person, Shop},
        refusal::Refusal,
    },
    store::{conversations::Pair, messages::Stored},
};

/// Where a message goes.
enum Place {
    Known(ConversationId),
    /// A conversation that nobody has opened yet.
    NewSupport(Arc<Shop>),
    /// `None`: a user of whom nothing is known but the `uid`.
    NewDirect(Arc<str>, Option<Arc<Person>>),
}

impl Deciding<'_> {
    pub(super) fn send(
        &mut self,
        by: &Arc<Person>,
        to: &Target,
        client_id: &Arc<str>,
        content: &Content,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        // Both are looked for before either is missed, so that they are asked for at once.
        let (stored, place) = (self.stored(by.id, client_id, self.facts.trusts_keys), self.place(by, to));
        if let Some(Stored { conversation, seq, at, digest }) = stored? {
            let same = match place {
                Ok(Place::Known(id)) => id == conversation && digest == content.digest,
                Ok(_) | Err(Stop::Refused(_)) => false,
                Err(stop) => return Err(stop),
            };
            return if same { Ok(Outcome::Duplicate { conversation, seq, at }) } else { Err(Refusal::Conflict.into()) };
        }
        let (mut conversation, standing, is_new) = match place? {
            Place::Known(id) => {
                let (conversation, standing) = self.standing(id, by.id)?;
                (conversation, standing, false)
            }
            place => {
                let conversation = self.open(by, place, now)?;
                let standing = conversation.standing(by.id, None).ok_or(Refusal::NotFound)?;
                (conversation, standing, true)
            }
        };
        self.check_shop(&conversation)?;
        let attended = conversation.attended;
        let placed = conversation.send(by.id, standing, now)?;
        self.note_opening(&mut conversation, placed, by.id, now)?;
        self.note_answer(&conversation, attended, by.id, now);
        if is_new {
            self.note_new(&conversation);
        }
        Ok(self.store(conversation, placed, by, client_id, content, now))
    }

    /// Where a message of `by` to `to` belongs.
    fn place(&mut self, by: &Arc<Person>, to: &Target) -> Result<Place, Stop> {
        let (pair, place) = match to {
            Target::Conversation(id) => {
                // Asked for together with the key.
                if !self.hand.contains_key(id) && !self.facts.conversations.contains_key(id) {
                    self.needs.conversations.insert(*id);
                }
                return Ok(Place::Known(*id));
            }
            Target::Shop(name) => {
                let shop = self.shop(name)?.ok_or(Refusal::NotFound)?;
                (Pair::Support { shop: shop.id, buyer: by.id }, Place::NewSupport(shop))
            }
            Target::User(uid) if *uid == by.uid => return Err(Refusal::invalid("to.user").into()),
            Target::User(_) if by.is_visitor() => return Err(Refusal::Forbidden.into()),
            Target::User(uid) => {
                let Some(other) = self.user(uid)? else {
                    let visitor = uid.starts_with(VISITOR);
                    let place = Place::NewDirect(uid.clone(), None);
                    return if visitor { Err(Refusal::NotFound.into()) } else { Ok(place) };
                };
                let (first, second) = (by.id.min(other.id), by.id.max(other.id));
                (Pair::Direct { first, second }, Place::NewDirect(uid.clone(), Some(other)))
            }
        };
        Ok(self.between(pair)?.map_or(place, Place::Known))
    }

    pub(super) fn between(&mut self, pair: Pair) -> Result<Option<ConversationId>, Stop> {
        match self.opened.get(&pair) {
            Some(id) => Ok(Some(*id)),
            None => known(self.facts.between.get(&pair), || self.needs.between.insert(pair)),
        }
    }

    /// A conversation with a number of its own, without a message.
    fn open(&mut self, by: &Arc<Person>, place: Place, now: Timestamp) -> Result<Conversation, Stop> {
        let parties = match place {
            Place::NewSupport(shop) => {
                if self.role(shop.id, by.id)?.is_some() {
                    return Err(Refusal::Forbidden.into());
                }
                Parties::Support { shop, buyer: by.clone() }
            }
            Place::NewDirect(_, Some(other)) if by.id < other.id => {
                Parties::Direct { first: by.clone(), second: other }
            }
            Place::NewDirect(_, Some(other)) => Parties::Direct { first: other, second: by.clone() },
            Place::NewDirect(uid, None) => {
                if !self.needs.new_users.iter().any(|(known, _)| *known == uid) {
                    self.needs.new_users.push((uid, now));
                }
                return Err(Stop::Missing);
            }
            Place::Known(_) => return Err(Refusal::NotFound.into()),
        };
        self.begin(parties, now)
    }

    pub(super) fn begin(&mut self, parties: Parties, now: Timestamp) -> Result<Conversation, Stop> {
        if let Parties::Support { shop, .. } = &parties {
            _ = self.anyone_on_duty(shop.id); // Asked for together.
        }
        let number = self.facts.numbers.get(self.opened.len());
        let id = known(number, || self.needs.openings.insert(Pair::of(&parties)))?;
        Ok(Conversation::new(id, parties, now))
    }

    pub(super) fn recall(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seq: Seq,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (conversation, _) = self.standing(id, by.id)?;
        let message = self.message(&conversation, seq)?.ok_or(Refusal::NotFound)?;
        if message.from.id != by.id {
            return Err(Refusal::Forbidden.into());
        }
        if now.since(message.at) > self.rules.recall_window_ms {
            return Err(Refusal::Conflict.into());
        }
        _ = self.last(&conversation)?;
        let first_time = !is_tombstone(&message.content);
        if first_time {
            self.rewrite(&message, &RECALLED.into(), None, (by.id, now));
            self.tell_message(Kind::MessageRecalled, &conversation, seq, by.id, now);
        }
        let last = self.last(&conversation)?;
        let snapshot = Arc::new(Snapshot { conversation, last });
        Ok(Outcome::Recalled { now: snapshot, by: by.clone(), seq, at: now, first_time })
    }
}
