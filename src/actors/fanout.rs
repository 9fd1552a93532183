//! From what has happened to what is said, and to whom: each frame encoded once.

use std::sync::Arc;

use super::mail::{Push, SessionId, Told};
use crate::{
    domain::{
        audience,
        command::{Message, Outcome, Snapshot},
        conversation::{Cause, Conversation, Moved, Parties, State},
        cursor::Which,
        ids::{ConversationId, Seq, Timestamp},
        offline::{Entry, Op},
        people::{Agent, Person},
        replica::Known,
        signal::Signal,
    },
    protocol::event::{self, Change, Receipt},
    socket::encode_text,
};

/// What may be replaced by a newer frame of the same kind and conversation.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Conversation = 1,
    Typing,
    Page,
    Delivered,
    Read,
    Presence,
}

/// The key under which a frame replaces an older one.
pub fn key(kind: Kind, of: i64) -> u64 {
    ((kind as u64) << 56) ^ (of as u64)
}

/// What has come of a command, as told to people; and what leaves the offline lists.
#[derive(Default)]
pub struct Fanout {
    pub told: Vec<Told>,
    pub offline: Vec<Op>,
}

impl Fanout {
    fn tell(&mut self, to: Vec<Arc<Person>>, push: Push) {
        self.tell_others(to, None, push);
    }

    fn tell_others(&mut self, to: Vec<Arc<Person>>, except: Option<SessionId>, push: Push) {
        if !to.is_empty() {
            self.told.push(Told { to, except, push, offline: None });
        }
    }

    /// Tells whom an outcome concerns. `asked` is the session that caused it; `agents` are the shop's; `known` is what this node knows of
    /// the conversation so far, where it keeps account of it.
    pub fn of(outcome: &Outcome, agents: &[Agent], asked: Option<SessionId>, known: Option<&Known>) -> Fanout {
        let mut fanout = Fanout::default();
        match outcome {
            Outcome::Stored { now, message, cause } => fanout.stored(now, message, *cause, agents, asked, known),
            Outcome::Moved { now, by, side, moved } => fanout.moved(now, by, *side, *moved, agents, asked),
            Outcome::Settled { conversation, by, seq } => {
                fanout.tell_others(vec![by.clone()], asked, Push::Settle { conversation: *conversation, upto: *seq });
                fanout.trim(by, *conversation, *seq);
            }
            Outcome::Changed { now, before, cause, moved, .. } => {
                fanout.changed(now, before.as_ref(), *cause, agents);
                if let Some(claimant) = now.conversation.claimant() {
                    fanout.receipts(&now.conversation, claimant, Which::Second, *moved, agents);
                }
            }
            Outcome::Recalled { now, by, seq, at, first_time: true } => {
                fanout.message_changed(Change::Recalled, now, *seq, by, *at, agents);
            }
            Outcome::Edited { now, by, message, at, first_time: true } => {
                fanout.message_changed(Change::Edited(&message.content), now, message.seq, by, *at, agents);
            }
            Outcome::Deleted { now, by, seqs, at } => {
                seqs.iter().for_each(|seq| fanout.message_changed(Change::Deleted, now, *seq, by, *at, agents));
            }
            _ => {}
        }
        fanout
    }

    fn stored(
        &mut self,
        now: &Arc<Snapshot>,
        message: &Message,
        cause: Option<Cause>,
        agents: &[Agent],
        asked: Option<SessionId>,
        known: Option<&Known>,
    ) {
        let (conversation, seq) = (message.conversation, message.seq);
        // What the receiver has acked has been told, and to agents all before the present ticket; beyond that, this node knows what it has
        // told.
        let receiver = message.side.other();
        let acked_by_now = known.map_or(0, |known| known.conversation.side(receiver).delivered);
        let acked = now.conversation.side(receiver).delivered.max(acked_by_now);
        let ticket = if message.side == Which::First { now.conversation.opened_seq - 1 } else { 0 };
        let told = known.map_or(0, |known| known.told.reach(0, seq - 1));
        let after = acked.max(ticket).max(told).min(seq - 1);
        let frame = encode_text(event::message(message, false));
        let push = |due| Push::Message { conversation, seq, after, frame: frame.clone(), due };
        let to = owned(audience::of_message(&now.conversation, message, agents));
        // It comes late where the receiver has acked it elsewhere: to a session that came since, it would come out of order.
        if !to.is_empty() && acked < seq {
            self.told.push(Told { to, except: None, push: push(true), offline: Some(Entry { conversation, seq }) });
        }
        // Whoever reads for the sender's side: the sender, but where an admin has added a message.
        let own = now.conversation.reader(message.side).cloned();
        self.tell_others(own.into_iter().collect(), asked, push(false));
        if let Some(cause) = cause {
            self.conversation(cause, now, agents);
        }
    }

    /// What has become of a message, to all who may see it.
    fn message_changed(
        &mut self,
        change: Change<'_>,
        now: &Snapshot,
        seq: Seq,
        by: &Person,
        at: Timestamp,
        agents: &[Agent],
    ) {
        let frame = event::changed(change, now.conversation.id, seq, by, at);
        self.tell(owned(audience::of_change(&now.conversation, agents)), Push::Event(encode_text(frame)));
    }

    fn moved(
        &mut self,
        now: &Conversation,
        by: &Arc<Person>,
        side: Which,
        moved: Moved,
        agents: &[Agent],
        asked: Option<SessionId>,
    ) {
        self.receipts(now, by, side, moved, agents);
        if moved.delivered.is_some() {
            let upto = now.side(side).delivered;
            self.tell_others(vec![by.clone()], asked, Push::Settle { conversation: now.id, upto });
            self.trim(by, now.id, upto);
        }
    }

    /// Tells how a conversation stands that has changed without this node having been told how.
    pub fn healed(now: &Arc<Snapshot>, before: Option<&Conversation>, agents: &[Agent]) -> Fanout {
        let mut fanout = Fanout::default();
        let conversation = &now.conversation;
        if !before.is_some_and(|before| before.is_same_claim(conversation)) {
            let cause = match (&conversation.state, before.map(|b| (&b.state, b.ticket))) {
                (State::Claimed(_), Some((State::Claimed(_), _))) => Cause::Transferred,
                (State::Claimed(_), _) => Cause::Claimed,
                (State::Resolved, _) => Cause::Resolved,
                (_, Some((_, ticket))) if ticket == conversation.ticket => Cause::Released,
                _ if conversation.ticket <= 1 => Cause::Opened,
                _ => Cause::Reopened,
            };
            fanout.changed(now, before.and_then(Conversation::claimant), cause, agents);
        }
        for side in [Which::First, Which::Second] {
            let Some(reader) = conversation.reader(side) else { continue };
            let (is, was) = (conversation.side(side), before.map(|b| *b.side(side)).unwrap_or_default());
            let said = conversation.side(side.other()).said;
            let raised = |is: Seq, was: Seq| (is > was).then_some(is.min(said)).filter(|&seq| seq > was);
            let moved = Moved { delivered: raised(is.delivered, was.delivered), read: raised(is.read, was.read) };
            fanout.receipts(conversation, reader, side, moved, agents);
        }
        fanout
    }

    /// Tells the other side how far somebody has come.
    fn receipts(&mut self, now: &Conversation, by: &Person, side: Which, moved: Moved, agents: &[Agent]) {
        let others = owned(audience::of_side(now, side.other(), agents));
        for (kind, what, seq) in
            [(Kind::Delivered, Receipt::Delivered, moved.delivered), (Kind::Read, Receipt::Read, moved.read)]
        {
            let Some(seq) = seq else { continue };
            let frame = encode_text(event::receipt(what, now.id, by, seq));
            self.tell(others.clone(), Push::Latest { key: key(kind, now.id.0), frame });
        }
    }

    fn changed(&mut self, now: &Arc<Snapshot>, before: Option<&Arc<Person>>, cause: Cause, agents: &[Agent]) {
        let conversation = &now.conversation;
        let id = conversation.id;
        let claimant = conversation.claimant();
        let mut others: Vec<_> = agents.iter().map(|agent| agent.person.clone()).collect();
        others.extend(before.cloned());
        others
            .retain(|person| Some(person.id) != claimant.map(|c| c.id) && person.id != conversation.first_person().id);
        others.dedup_by_key(|person| person.id);
        self.tell(others, Push::Forget { conversation: id });
        self.conversation(cause, now, agents);
        if let Some(claimant) = claimant {
            let (from, upto) = (conversation.second.delivered + 1, conversation.last_seq);
            if from <= upto {
                self.tell(vec![claimant.clone()], Push::HandOver { conversation: id, from, upto });
            }
        }
    }

    /// A change of the conversation, to the buyer and to all agents.
    fn conversation(&mut self, cause: Cause, now: &Snapshot, agents: &[Agent]) {
        for side in [Which::First, Which::Second] {
            let of_side = |person: &&Arc<Person>| match &now.conversation.parties {
                Parties::Support { buyer, .. } => (person.id == buyer.id) == (side == Which::First),
                Parties::Direct { first, .. } => (person.id == first.id) == (side == Which::First),
            };
            let to: Vec<_> =
                audience::of_change(&now.conversation, agents).into_iter().filter(of_side).cloned().collect();
            if !to.is_empty() {
                self.tell(to, latest_summary(cause, now, side));
            }
        }
    }

    fn trim(&mut self, of: &Arc<Person>, conversation: ConversationId, seq: i64) {
        self.offline.push(Op::Trim { of: of.clone(), entry: Entry { conversation, seq } });
    }
}

/// A `conversation` event.
pub fn latest_summary(cause: Cause, now: &Snapshot, side: Which) -> Push {
    let frame = encode_text(event::conversation(cause, now, side));
    Push::Latest { key: key(Kind::Conversation, now.conversation.id.0), frame }
}

/// Someone's signal, to the other side.
pub fn signal(conversation: &Conversation, by: &Person, side: Which, signal: &Signal, agents: &[Agent]) -> Told {
    let (kind, frame) = match signal {
        Signal::Typing(on) => (Kind::Typing, event::typing(conversation.id, by, *on)),
        Signal::Page { url, title } => (Kind::Page, event::page(conversation.id, by, url, title.as_deref())),
    };
    Told {
        to: owned(audience::of_side(conversation, side.other(), agents)),
        except: None,
        push: Push::Latest { key: key(kind, conversation.id.0), frame: encode_text(frame) },
        offline: None,
    }
}

/// Somebody's presence, or a shop's.
pub fn presence(of: i64, frame: String, to: Vec<Arc<Person>>) -> Told {
    Told {
        to,
        except: None,
        push: Push::Latest { key: key(Kind::Presence, of), frame: encode_text(frame) },
        offline: None,
    }
}

pub fn owned(people: Vec<&Arc<Person>>) -> Vec<Arc<Person>> {
    people.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::{
        conversation::{Deed, Speaker, Standing},
        ids::{ShopId, UserId},
        people::{Role, Shop},
        replica::Replica,
    };

    fn person(id: i64) -> Arc<Person> {
        let uid: Arc<str> = format!("u{id}").into();
        Arc::new(Person { id: UserId(id), uid: uid.clone(), name: uid, avatar: None })
    }

    #[test]
    fn what_its_receiver_has_acked_on_another_node_is_not_told_when_it_comes_late() {
        let (buyer, agent, at) = (person(1), person(2), Timestamp(1_000));
        let shop = Arc::new(Shop { id: ShopId(1), shop: "acme".into(), name: "Acme".into() });
        let parties = Parties::Support { shop, buyer: buyer.clone() };
        let mut conversation = Conversation::new(ConversationId(1), parties, at);
        conversation.send(buyer.id, Standing::Buyer, at).unwrap();
        conversation.act(&agent, Standing::Agent(Role::Supervisor), &Deed::Claim, 0, at).unwrap();
        let mut says = || {
            let seq = conversation.send(buyer.id, Standing::Buyer, at).unwrap().seq;
            let message = Arc::new(Message {
                conversation: conversation.id,
                seq,
                shop: Some("acme".into()),
                from: buyer.clone(),
                speaker: Speaker::Buyer,
                side: Which::First,
                content: r#"{"kind":"text","text":"hello"}"#.into(),
                client_id: seq.to_string().into(),
                at,
            });
            let now = Arc::new(Snapshot { conversation: conversation.clone(), last: Some(message.clone()) });
            Outcome::Stored { now, message, cause: None }
        };
        let (late, last) = (says(), says());
        let seq = conversation.last_seq;
        conversation.read(Which::Second, seq - 1).unwrap();
        let mut replica = Replica::default();
        replica.note(&Arc::new(conversation.clone()), Instant::now());
        let known = replica.get(conversation.id);
        let to_the_claimant = |outcome, known| {
            let told = Fanout::of(outcome, &[], None, known).told.into_iter();
            told.filter(|told| told.to[0].id == agent.id && matches!(told.push, Push::Message { .. })).count()
        };
        assert_eq!(to_the_claimant(&late, None), 1);
        assert_eq!(to_the_claimant(&late, known), 0);
        assert_eq!(to_the_claimant(&last, known), 1, "this one is not acked");
    }
}
