//! What is said, and what is done about what a server says.

use super::{
    Kind,
    engine::{ACK_AFTER, Engine},
    frames::{Key, Page, Said, To},
    people::{Part, State},
    wire::{Ended, Wire},
};

/// When to try again where a refusal does not say, in milliseconds.
const RETRY_MS: u64 = 100;
/// What is acked later than this, in microseconds, shows a server that has not recovered.
const SOON: u64 = 100_000;

impl Engine {
    /// Says the next message of a talk, which was due at `due`.
    pub fn say_next(&mut self, wire: &mut Wire, talk: u32, due: u64) {
        let number = self.ledger.sent(talk, due);
        let scene = &mut self.scenes[talk as usize];
        scene.in_flight += 1;
        scene.sent += 1;
        if self.is_measured(due) {
            self.figures.counts.sent += 1;
        }
        self.say(wire, talk, number);
    }

    /// Says a message, for the first time or again.
    pub fn say(&mut self, wire: &mut Wire, talk: u32, number: u32) {
        let scene = &self.scenes[talk as usize];
        let to = match (self.ledger.conversation(talk), self.plan.kind) {
            (0, Kind::Direct) => To::User(&self.people[scene.partner as usize].uid),
            (0, Kind::Claimed | Kind::Waiting) => To::Shop(&self.shops[scene.shop as usize]),
            (conversation, _) => To::Conversation(conversation),
        };
        // Who comes back says again what has no answer.
        if self.people[scene.speaker as usize].state == State::Here {
            wire.text(self.pen.send(Key { talk, number }, to, self.texts.of(talk, number)));
        }
    }

    /// Says as much as a buyer's window holds, where there is no schedule.
    pub fn fill_window(&mut self, wire: &mut Wire, talk: u32) {
        while self.may_say(talk) {
            let now = self.clock.now();
            self.say_next(wire, talk, now);
        }
    }

    fn may_say(&self, talk: u32) -> bool {
        let scene = &self.scenes[talk as usize];
        let more = self.plan.messages.is_none_or(|most| scene.sent < most);
        self.speaking && self.plan.rate == 0 && scene.open && scene.in_flight < self.plan.window && more
    }

    /// Acks all talks of which something has come.
    pub fn ack(&mut self, wire: &mut Wire, index: u32) {
        let person = &mut self.people[index as usize];
        person.waiting = 0;
        let mut talks = std::mem::take(&mut person.unacked);
        for talk in talks.drain(..) {
            let (conversation, listener) = (self.ledger.conversation(talk), self.listener(index, talk));
            if let Some(listener) = listener {
                wire.text(self.pen.ack(conversation, self.ledger.reached(talk, listener)));
            }
        }
        self.people[index as usize].unacked = talks;
    }

    /// Does what a frame calls for.
    ///
    /// # Errors
    /// [`Ended`] if it is no frame.
    pub fn hear(&mut self, person: u32, wire: &mut Wire, text: &[u8], now: u64) -> Result<(), Ended> {
        let said: Said<'_> = serde_json::from_slice(text).map_err(|error| Ended(format!("no frame: {error}")))?;
        let key = said.id.or(said.client_id).and_then(Key::parse).filter(|key| (key.talk as usize) < self.scenes.len());
        match (said.kind, key) {
            ("message", Some(key)) => self.message(person, wire, key, &said, now),
            ("ok" | "send", Some(key)) => self.stored(wire, key, &said, now),
            ("ok", None) => self.agreed(person, wire, &said, text),
            ("error", Some(key)) => self.was_refused(key, &said, now),
            // An ack could not be noted: the message comes again, and is acked again.
            ("error", None) if said.code == Some("unavailable") && said.retry_after_ms.is_some() => {}
            ("error", None) => {
                let words = || format!("views: {}", String::from_utf8_lossy(text));
                self.ledger.found(|faults| &mut faults.views, words);
            }
            ("flushed", _) => self.is_here(person, wire),
            _ => {}
        }
        Ok(())
    }

    /// `ok` to a message: the next one may follow.
    fn stored(&mut self, wire: &mut Wire, key: Key, said: &Said<'_>, now: u64) {
        let Key { talk, number } = key;
        let Some(due) = self.ledger.ok((talk, number), said.conversation(), said.seq, said.duplicate) else { return };
        self.answered += 1;
        self.scenes[talk as usize].in_flight -= 1;
        if self.is_measured(now) {
            self.figures.counts.acked += 1;
        }
        if self.is_measured(due) {
            self.figures.ack.saturating_record((now - due).max(1));
        }
        if due >= self.watched && now - due > SOON {
            self.slow_until = self.slow_until.max(due);
        }
        if number == 0 {
            self.opened(wire, talk);
        }
        self.fill_window(wire, talk);
    }

    /// The first message of a talk is stored.
    fn opened(&mut self, wire: &mut Wire, talk: u32) {
        let scene = &mut self.scenes[talk as usize];
        if self.plan.kind == Kind::Claimed {
            let (partner, conversation) = (scene.partner, self.ledger.conversation(talk));
            self.with_wire(partner, |engine, wire| wire.text(engine.pen.claim(talk, conversation)));
        } else if !std::mem::replace(&mut scene.open, true) {
            self.opened += 1;
            self.fill_window(wire, talk);
        }
    }

    /// `ok` to a claim or to a `history`, whose `id` is the talk's number.
    fn agreed(&mut self, person: u32, wire: &mut Wire, said: &Said<'_>, text: &[u8]) {
        let Some(talk) = said.id.and_then(|id| id.parse::<u32>().ok()) else { return };
        let Some(scene) = self.scenes.get_mut(talk as usize) else { return };
        if scene.speaker == person {
            self.page(wire, talk, text);
        } else if !std::mem::replace(&mut scene.open, true) {
            self.opened += 1;
        }
    }

    fn was_refused(&mut self, key: Key, said: &Said<'_>, now: u64) {
        let Key { talk, number } = key;
        let busy = matches!(said.code, Some("unavailable" | "rate_limited"));
        if !busy {
            let words = || format!("views: {talk}.{number} was refused with {:?}", said.code);
            self.ledger.found(|faults| &mut faults.views, words);
        }
        if self.is_measured(now) {
            self.refused += 1;
        }
        self.refused_without_time += u64::from(busy && said.retry_after_ms.is_none());
        // On a schedule the next one is due in any case: to come again would make more of it than was asked for.
        if busy && (self.plan.rate == 0 || number == 0) {
            self.retry(now + said.retry_after_ms.unwrap_or(RETRY_MS) * 1_000, talk, number);
        } else {
            let due = self.ledger.refused(talk, number).unwrap_or_default();
            if due >= self.watched {
                self.slow_until = self.slow_until.max(due);
            }
            self.answered += 1;
            self.scenes[talk as usize].in_flight -= 1;
        }
    }

    /// A message of a talk has come to somebody.
    fn message(&mut self, person: u32, wire: &mut Wire, key: Key, said: &Said<'_>, now: u64) {
        let Key { talk, number } = key;
        let Some(listener) = self.listener(person, talk) else {
            // All agents hear the first message, before one of them claims; and who was refused sees that it is stored after all.
            let is_own = self.scenes[talk as usize].speaker == person && self.ledger.is_in_doubt((talk, number));
            if number > 0 && !is_own {
                let uid = &self.people[person as usize].uid;
                self.ledger.found(|faults| &mut faults.views, || format!("views: {talk}.{number} came to {uid}"));
            }
            return;
        };
        let home = self.ledger.conversation(talk);
        if home == 0 {
            self.ledger.is_at(talk, said.conversation());
        } else if home != said.conversation() {
            let words = || format!("views: {talk}.{number} came in conversation {}", said.conversation());
            self.ledger.found(|faults| &mut faults.views, words);
        }
        if let Some(due) = self.ledger.given((talk, number), listener, said.seq, said.redelivered) {
            if self.is_measured(now) {
                self.figures.counts.delivered += 1;
            }
            if self.is_measured(due) {
                self.figures.delivery.saturating_record((now - due).max(1));
            }
        }
        let receiver = &mut self.people[person as usize];
        if !receiver.unacked.contains(&talk) {
            receiver.unacked.push(talk);
        }
        receiver.waiting += 1;
        if receiver.waiting >= ACK_AFTER {
            // The timer is left running: it finds less to ack.
            self.ack(wire, person);
        } else {
            self.ack_soon(person, now);
        }
    }

    /// Which of those who listen to a talk this one is.
    fn listener(&self, person: u32, talk: u32) -> Option<usize> {
        let scene = &self.scenes[talk as usize];
        match (self.people[person as usize].part, self.plan.kind) {
            (Part::Agent { shop, at }, Kind::Waiting) => (shop == scene.shop).then_some(at as usize),
            _ => (scene.partner == person).then_some(0),
        }
    }

    /// Asks for a talk's record from its beginning.
    pub fn read_record(&mut self, talk: u32) {
        let conversation = self.ledger.conversation(talk);
        self.records[talk as usize].clear();
        self.with_wire(self.scenes[talk as usize].speaker, |engine, wire| {
            wire.text(engine.pen.history(talk, conversation, 0));
        });
    }

    fn page(&mut self, wire: &mut Wire, talk: u32, text: &[u8]) {
        let Ok(page) = serde_json::from_slice::<Page<'_>>(text) else { return };
        let record = &mut self.records[talk as usize];
        let entries = page.messages.iter();
        record.extend(entries.map(|entry| (entry.seq, Key::parse(entry.client_id).map_or(u32::MAX, |key| key.number))));
        if page.more && !page.messages.is_empty() {
            let (conversation, after) = (self.ledger.conversation(talk), record[record.len() - 1].0);
            wire.text(self.pen.history(talk, conversation, after));
        } else {
            let record = std::mem::take(record);
            self.ledger.record(talk, &record);
            self.recorded += 1;
        }
    }
}
