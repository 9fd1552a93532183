//! One conversation from its beginning to its end, as the state machine has it, in rounds of service.

use std::sync::Arc;

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use serde_json::{Map, json};

use super::{
    cast::{Company, Planned},
    words::Language,
};
use crate::{
    domain::{
        command::Message,
        content::{Content, RECALLED},
        conversation::{Cause, Change, Conversation, Deed, Moved, Parties, Standing, State},
        cursor::{Given, Which},
        ids::{ConversationId, Timestamp},
        people::{Person, Role},
        refusal::Refusal,
    },
    protocol::{content, fields::Fields},
    store::{journal::Rows, messages, receipts, tickets, timeline},
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Nobody is on duty before this hour, nor from the other on.
const OPENS: i64 = 7 * HOUR;
const CLOSES: i64 = 22 * HOUR;
/// About so many messages make a ticket.
const TICKET: i64 = 9;

pub struct Story<'a> {
    company: &'a Company,
    language: Language,
    buyer: Arc<Person>,
    conversation: Conversation,
    chance: Xoshiro256PlusPlus,
    now: i64,
    until: i64,
    /// Messages still to be said.
    left: i64,
}

/// What becomes of the last ticket.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Waiting,
    Claimed,
    Resolved,
}

impl<'a> Story<'a> {
    pub fn new(
        id: ConversationId,
        planned: &Planned,
        company: &'a Company,
        chance: Xoshiro256PlusPlus,
        until: Timestamp,
    ) -> Story<'a> {
        let parties = Parties::Support { shop: company.shop.clone(), buyer: planned.buyer.clone() };
        Story {
            company,
            language: planned.language,
            buyer: planned.buyer.clone(),
            conversation: Conversation::new(id, parties, planned.begins),
            chance,
            now: planned.begins.0,
            until: until.0,
            left: planned.messages.cast_signed(),
        }
    }

    /// Gives the conversation as it has become; what is to be stored besides is added to `rows`.
    ///
    /// # Errors
    /// What the state machine refuses: the story is wrong then.
    pub fn play(mut self, rows: &mut Rows) -> Result<Conversation, Refusal> {
        while self.left > 0 {
            if self.conversation.ticket > 0 {
                let rounds = self.left / TICKET + 2;
                self.pass_until_next((self.until - self.now) / rounds);
            }
            self.ticket(rows)?;
        }
        Ok(self.conversation)
    }

    fn ticket(&mut self, rows: &mut Rows) -> Result<(), Refusal> {
        let length = self.chance.random_range(2..=2 * TICKET - 2);
        let length = if length + 1 >= self.left { self.left } else { length };
        let is_recent = self.left == length && self.until - self.now < DAY;
        let end = match self.chance.random_range(0..100) {
            0..14 if is_recent && length < 4 => End::Waiting,
            0..14 if is_recent => End::Claimed,
            _ => End::Resolved,
        };
        let after = self.left - length;
        self.say(Standing::Buyer, rows)?;
        while end == End::Waiting && self.left > after {
            self.pass(20 * SECOND);
            self.say(Standing::Buyer, rows)?;
        }
        if end == End::Waiting {
            return Ok(());
        }
        let mut agent = self.someone();
        self.await_claim();
        self.act(&agent, &Deed::Claim, rows)?;
        while self.left > after {
            self.pass(2 * SECOND);
            self.read(Which::Second, rows)?;
            if self.chance.random_bool(0.04) {
                let (next, role) = self.someone();
                self.act(&agent, &Deed::Transfer(next.clone(), role), rows)?;
                agent = (next, role);
            }
            self.turn(Standing::Agent(agent.1), after, rows)?;
            self.turn(Standing::Buyer, after, rows)?;
        }
        self.pass(30 * SECOND);
        if end == End::Claimed {
            return Ok(());
        }
        self.read(Which::Second, rows)?;
        self.act(&agent, &Deed::Resolve, rows)?;
        if self.chance.random_bool(0.25) {
            self.rate(rows);
        }
        Ok(())
    }

    /// One side says something, and something more perhaps, and the buyer sees what the agent has said, most often.
    fn turn(&mut self, standing: Standing, after: i64, rows: &mut Rows) -> Result<(), Refusal> {
        let count = if self.chance.random_bool(0.3) { 2 } else { 1 };
        for _ in 0..count.min(self.left - after) {
            self.pass(12 * SECOND);
            self.say(standing, rows)?;
        }
        if standing != Standing::Buyer && self.chance.random_bool(0.97) {
            self.pass(SECOND / 10);
            self.ack(Which::First, rows)?;
            self.pass(4 * SECOND);
            self.read(Which::First, rows)?;
        }
        Ok(())
    }

    // Time.

    /// Some time goes by: `typical` most often, ten times that now and then; never all there is.
    fn pass(&mut self, typical: i64) {
        let some = typical * 2 / (1 + self.chance.random_range(0..20)).max(1) + self.chance.random_range(0..=typical);
        let much = if self.chance.random_bool(0.03) { 10 } else { 1 };
        self.now += (some * much).min((self.until - self.now) / 4);
    }

    /// To the next ticket, which is seldom opened at night.
    fn pass_until_next(&mut self, typical: i64) {
        self.now += self.chance.random_range(0..=2 * typical.max(1)).min((self.until - self.now) / 2);
        if self.is_night() && self.chance.random_bool(0.8) {
            self.pass_night();
        }
    }

    fn is_night(&self) -> bool {
        !(OPENS..CLOSES).contains(&self.now.rem_euclid(DAY))
    }

    fn pass_night(&mut self) {
        let morning = (OPENS - self.now).rem_euclid(DAY) + self.chance.random_range(0..2 * HOUR);
        self.now += morning.min((self.until - self.now) / 2);
    }

    fn await_claim(&mut self) {
        if self.is_night() {
            self.pass_night();
        }
        self.pass(15 * SECOND);
    }

    fn at(&self) -> Timestamp {
        Timestamp(self.now)
    }

    // What people do.

    fn someone(&mut self) -> (Arc<Person>, Role) {
        let agents = &self.company.agents;
        let (person, role, _) = &agents[self.chance.random_range(0..agents.len())];
        (person.clone(), *role)
    }

    fn say(&mut self, standing: Standing, rows: &mut Rows) -> Result<(), Refusal> {
        let at = self.at();
        let claimant = self.conversation.claimant().cloned();
        let by = if standing == Standing::Buyer { self.buyer.clone() } else { claimant.unwrap_or(self.buyer.clone()) };
        let answered = self.conversation.second.said >= self.conversation.opened_seq;
        let placed = self.conversation.send(by.id, standing, at)?;
        let Content { json, digest } = self.content()?;
        let message = Message {
            conversation: self.conversation.id,
            seq: placed.seq,
            shop: Some(self.company.shop.shop.clone()),
            from: by.clone(),
            speaker: placed.speaker,
            side: placed.side,
            content: json,
            client_id: format!("{:016x}", self.chance.random::<u64>()).into(),
            at,
        };
        rows.messages.push(messages::New { message: Arc::new(message), digest });
        if self.chance.random_bool(0.004) {
            let recalled = messages::Rewritten { content: RECALLED.into(), edited_at: None, changed: None };
            rows.contents.insert((self.conversation.id, placed.seq), recalled);
        }
        if let Some(cause) = placed.cause {
            let left_message = self.is_night();
            let ticket = self.present_ticket(rows);
            (ticket.is_new, ticket.left_message) = (true, left_message);
            self.note(cause, &by, None, rows);
        } else if standing != Standing::Buyer && !answered {
            self.present_ticket(rows).answered = Some((at, by.id));
        }
        self.left -= 1;
        Ok(())
    }

    fn ack(&mut self, side: Which, rows: &mut Rows) -> Result<(), Refusal> {
        let (mut given, last) = (Given::default(), self.conversation.last_seq);
        given.insert(1, last);
        let moved = self.conversation.ack(side, last, &given)?;
        self.moved(side, moved, rows);
        Ok(())
    }

    fn read(&mut self, side: Which, rows: &mut Rows) -> Result<(), Refusal> {
        let moved = self.conversation.read(side, self.conversation.last_seq)?;
        self.moved(side, moved, rows);
        Ok(())
    }

    fn moved(&self, side: Which, moved: Moved, rows: &mut Rows) {
        if moved != Moved::default() {
            rows.receipts.push(receipts::New { conversation: self.conversation.id, side, moved, at: self.at() });
        }
    }

    fn act(&mut self, (by, role): &(Arc<Person>, Role), deed: &Deed, rows: &mut Rows) -> Result<(), Refusal> {
        let (at, before) = (self.at(), self.conversation.claimant().cloned());
        let acked = self.conversation.last_seq;
        let change = self.conversation.act(by, Standing::Agent(*role), deed, acked, at)?;
        let Some(Change { cause, moved }) = change else { return Ok(()) };
        let last_seq = self.conversation.last_seq;
        let claimant = self.conversation.claimant().map(|agent| agent.id);
        let ticket = self.present_ticket(rows);
        if let Some(agent) = claimant {
            ticket.claimed.get_or_insert((at, agent));
            ticket.last_claimed_by = Some(agent);
        }
        if self.conversation.state == State::Resolved {
            self.present_ticket(rows).resolved = Some((at, by.id, last_seq));
        }
        self.note(cause, by, before.as_ref(), rows);
        self.moved(Which::Second, moved, rows);
        Ok(())
    }

    fn rate(&mut self, rows: &mut Rows) {
        self.pass(20 * SECOND);
        let score = [5, 5, 5, 4, 4, 3, 2, 1][self.chance.random_range(0..8)];
        let comment = self.chance.random_bool(0.3).then(|| self.language.text(&mut self.chance).into());
        self.present_ticket(rows).rated = Some((self.at(), score, comment));
    }

    fn present_ticket<'r>(&self, rows: &'r mut Rows) -> &'r mut tickets::Change {
        let conversation = &self.conversation;
        rows.tickets.entry((conversation.id, conversation.ticket)).or_insert_with(|| tickets::Change::of(conversation))
    }

    fn note(&self, cause: Cause, by: &Person, from: Option<&Arc<Person>>, rows: &mut Rows) {
        rows.timeline.push(timeline::New {
            conversation: self.conversation.id,
            at: self.at(),
            cause,
            by: by.id,
            from: from.map(|person| person.id),
            to: self.conversation.claimant().map(|person| person.id),
            claim_version: self.conversation.claim_version,
            ticket: self.conversation.ticket,
        });
    }

    // What they say.

    fn content(&mut self) -> Result<Content, Refusal> {
        let chance = &mut self.chance;
        let number: u32 = chance.random_range(10_000_000..100_000_000);
        let shop = &self.company.shop.shop;
        let content = match chance.random_range(0..200) {
            0..4 => {
                json!({"kind": "image", "url": format!("https://{shop}.example/i/{number}.jpg"), "width": 1280, "height": 960})
            }
            4..7 => {
                let (title, price) = (self.language.product(chance), f64::from(number % 20_000) / 100.0);
                let url = format!("https://{shop}.example/p/{number}");
                json!({"kind": "product", "id": format!("P{number}"), "title": title, "price": price, "url": url})
            }
            7..10 => {
                let status = ["paid", "shipped", "returned"][chance.random_range(0..3)];
                let title = self.language.product(chance);
                json!({"kind": "order", "id": format!("A{number}"), "title": title, "status": status, "amount": number % 50_000})
            }
            10..20 => json!({"kind": "text", "text": format!("{} A{number}", self.language.text(chance))}),
            _ => json!({"kind": "text", "text": self.language.text(chance)}),
        };
        content::parse(Fields::new(&Map::from_iter([("content".to_owned(), content)])))
    }
}
