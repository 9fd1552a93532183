//! What a batch's commands come to: the state machine's answers, one after the other, without a look at the database.
//!
//! Each command sees what those before it have done. Where a fact is missing the command is passed over, and the whole deciding is
//! done once more when all that was missing is known; nothing that is decided here has happened yet.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

mod prepared;
mod records;

use super::{
    Answer, Rules,
    facts::{Facts, Found, Needs, OnDuty},
    rows::Rows,
};
use crate::{
    domain::{
        command::{Act, Command, Message, Outcome, Snapshot, Target},
        content::{Content, RECALLED, files_in, is_tombstone},
        conversation::{Attended, Cause, Change, Conversation, Deed, Moved, Parties, Placed, Standing, State},
        cursor::{Given, Side, Which},
        event::{About, Event, Kind},
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId, VISITOR},
        people::{Agent, Person, Role, Shop, Status},
        refusal::Refusal,
    },
    store::{
        conversations::Pair,
        file_uses,
        messages::{self, Stored},
        receipts, tickets, timeline,
    },
};

/// An answer for each command, and what is to be written before they may be given.
pub struct Decided {
    pub answers: Vec<Answer>,
    pub rows: Rows,
}

/// Decides `commands` in their order.
///
/// # Errors
/// What has to be known for it and is not in `facts`.
pub fn decide(facts: &Facts, commands: &[&Command], rules: Rules) -> Result<Decided, Box<Needs>> {
    let mut deciding = Deciding {
        facts,
        rules,
        needs: Needs::default(),
        hand: HashMap::new(),
        opened: HashMap::new(),
        stored: HashMap::new(),
        open_keys: HashSet::new(),
        rows: Rows::default(),
    };
    let answers = commands.iter().map(|command| deciding.answer(command)).collect();
    if deciding.needs == Needs::default() { Ok(deciding.finish(answers)) } else { Err(Box::new(deciding.needs)) }
}

/// Why a command gets no outcome.
enum Stop {
    Refused(Refusal),
    /// Another transaction has the conversation in hand.
    Elsewhere,
    /// A fact is not known yet; it is among the needs.
    Missing,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

/// A conversation as the batch has changed it.
struct InHand {
    conversation: Arc<Conversation>,
    last: Option<Arc<Message>>,
    is_new: bool,
    /// Something else than cursors has changed.
    is_changed: bool,
    /// Only the last movement of a batch is written.
    moved: [Moved; 2],
    moved_at: Timestamp,
}

/// Where a message goes.
enum Place {
    Known(ConversationId),
    /// A conversation that nobody has opened yet.
    NewSupport(Arc<Shop>),
    /// `None`: a user of whom nothing is known but the `uid`.
    NewDirect(Arc<str>, Option<Arc<Person>>),
}

struct Deciding<'a> {
    facts: &'a Facts,
    rules: Rules,
    needs: Needs,
    // What this batch has changed lies over the facts.
    hand: HashMap<ConversationId, InHand>,
    opened: HashMap<Pair, ConversationId>,
    stored: HashMap<(UserId, Arc<str>), Stored>,
    /// Keys of messages of which it is not known yet what becomes of them.
    open_keys: HashSet<(UserId, Arc<str>)>,
    rows: Rows,
}

impl<'a> Deciding<'a> {
    fn answer(&mut self, command: &Command) -> Answer {
        match self.command(command) {
            Ok(outcome) => Answer::Outcome(outcome),
            Err(Stop::Refused(refusal)) => match self.trusted_key(command) {
                // It may have been stored while it was allowed, and then it is `ok`.
                Some(key) => {
                    self.needs.keys.insert(key);
                    Answer::Later
                }
                None => Answer::Refused(refusal),
            },
            Err(Stop::Elsewhere) => Answer::Later,
            Err(Stop::Missing) => {
                if let Act::Send { client_id, .. } = &command.act {
                    self.open_keys.insert((command.by.id, client_id.clone()));
                }
                Answer::Later
            }
        }
    }

    fn finish(mut self, answers: Vec<Answer>) -> Decided {
        let mut hand: Vec<InHand> = self.hand.into_values().collect();
        hand.sort_unstable_by_key(|hand| hand.conversation.id);
        for InHand { conversation, is_new, is_changed, moved, moved_at, .. } in hand {
            for side in [Which::First, Which::Second] {
                let moved = moved[side.index() as usize];
                self.rows.receipts.push(receipts::New { conversation: conversation.id, side, moved, at: moved_at });
            }
            let rows = &mut self.rows;
            match (is_new, is_changed) {
                (true, _) => rows.opened.push(conversation),
                (false, true) => rows.changed.push(conversation),
                (false, false) => rows.moved.push(conversation),
            }
        }
        self.rows.messages.sort_unstable_by_key(|new| (new.message.conversation, new.message.seq));
        Decided { answers, rows: self.rows }
    }

    fn command(&mut self, command: &Command) -> Result<Outcome, Stop> {
        let Command { by, at, act } = command;
        match act {
            Act::Send { to, client_id, content } => self.send(by, to, client_id, content, *at),
            Act::Ack { conversation, seq, given, viewing } => self.ack(by, *conversation, *seq, given, *viewing, *at),
            Act::Read { conversation, seq } => self.read(by, *conversation, *seq, *at),
            Act::Claim(id) => self.act(by, *id, Deed::Claim, *at),
            Act::Release(id) => self.act(by, *id, Deed::Release, *at),
            Act::Resolve(id) => self.act(by, *id, Deed::Resolve, *at),
            Act::Transfer { conversation, to } => {
                let deed = self.transfer(by.id, *conversation, to)?;
                self.act(by, *conversation, deed, *at)
            }
            Act::LoseClaimant { conversation, claim_version } => {
                self.lose_claimant(by, *conversation, *claim_version, *at)
            }
            Act::Recall { conversation, seq } => self.recall(by, *conversation, *seq, *at),
            Act::Add { conversation, member, client_id, content, address } => {
                self.add(by, *conversation, member, client_id, content, address, *at)
            }
            Act::Commit { ticket, decider } => self.commit(ticket, decider, *at),
            Act::Edit { conversation, seq, content, address } => {
                self.edit(by, *conversation, *seq, content, address, *at)
            }
            Act::Delete { conversation, seqs, address } => self.delete(by, *conversation, seqs, address, *at),
            Act::Erase { conversation, seqs, person } => self.erase(by, *conversation, seqs, *person, *at),
            Act::Rate { conversation, score, comment } => self.rate(by, *conversation, *score, comment.clone(), *at),
            Act::SetStatus { shop, status } => self.set_status(by, shop, *status, *at),
        }
    }

    // Sending.

    fn send(
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

    /// Notes the ticket that a message has opened, if it has. The shop's bot gets it, if it is there.
    fn note_opening(
        &mut self,
        conversation: &mut Conversation,
        placed: Placed,
        by: UserId,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let (Some(cause), Some(shop)) = (placed.cause, conversation.shop().map(|shop| shop.id)) else { return Ok(()) };
        let on_duty = self.anyone_on_duty(shop)?;
        let bot = self.first_bot(shop)?.filter(|bot| bot.id != by);
        let ticket = self.ticket(conversation);
        (ticket.is_new, ticket.left_message) = (true, !on_duty && bot.is_none());
        self.note(conversation, cause, by, None, now);
        if let Some(bot) = bot {
            conversation.act(&bot, Standing::Agent(Role::Bot), &Deed::Claim, 0, now)?;
            self.ticket(conversation);
            self.note(conversation, Cause::Claimed, bot.id, None, now);
        }
        Ok(())
    }

    /// Notes a person's first answer in a ticket; `before` it had been attended to so far.
    fn note_answer(&mut self, conversation: &Conversation, before: Attended, by: UserId, now: Timestamp) {
        if before < Attended::Answered && conversation.attended == Attended::Answered {
            self.ticket(conversation).answered.get_or_insert((now, by));
        }
    }

    /// Notes since when a ticket has been before people, where that has changed: a bot has taken it, or has let go of it.
    fn note_offer(&mut self, conversation: &Conversation, before: Option<Timestamp>) -> Result<(), Stop> {
        if conversation.offered_at == before {
            return Ok(());
        }
        let left_message = match conversation.shop() {
            Some(shop) if conversation.state == State::Waiting => !self.anyone_on_duty(shop.id)?,
            _ => false,
        };
        self.ticket(conversation).left_message |= left_message;
        Ok(())
    }

    fn note_new(&mut self, conversation: &Conversation) {
        self.opened.insert(Pair::of(&conversation.parties), conversation.id);
        self.hold(conversation.clone()).is_new = true;
    }

    /// Puts a message where it has been given its place.
    fn store(
        &mut self,
        conversation: Conversation,
        placed: Placed,
        from: &Arc<Person>,
        client_id: &Arc<str>,
        content: &Content,
        now: Timestamp,
    ) -> Outcome {
        let message = Arc::new(Message {
            conversation: conversation.id,
            seq: placed.seq,
            shop: conversation.shop().map(|shop| shop.shop.clone()),
            from: from.clone(),
            speaker: placed.speaker,
            side: placed.side,
            content: content.json.clone(),
            client_id: client_id.clone(),
            at: now,
        });
        self.tell_message(Kind::MessageStored, &conversation, placed.seq, from.id, now);
        self.show(&conversation, placed.seq, "", &content.json, from.id, now);
        self.rows.messages.push(messages::New { message: message.clone(), digest: content.digest });
        let stored = Stored { conversation: conversation.id, seq: placed.seq, at: now, digest: content.digest };
        self.stored.insert((from.id, client_id.clone()), stored);
        let hand = self.put(conversation);
        hand.last = Some(message.clone());
        let now = Arc::new(Snapshot { conversation: (*hand.conversation).clone(), last: Some(message.clone()) });
        Outcome::Stored { now, message, cause: placed.cause }
    }

    /// Notes which of this server's files a content shows that takes the place of another.
    fn show(&mut self, conversation: &Conversation, seq: Seq, before: &str, content: &str, by: UserId, at: Timestamp) {
        if files_in(content).any(|key| !files_in(before).any(|shown| shown == key)) {
            self.tell_message(Kind::FileAdded, conversation, seq, by, at);
        }
        let shop = conversation.shop().map(|shop| shop.id);
        let uses = files_in(content).map(|key| file_uses::New {
            key: key.into(),
            conversation: conversation.id,
            seq,
            shop,
            at,
        });
        self.rows.shown.extend(uses);
    }

    /// Puts another content in the place of a message's; gives the message as it is then.
    fn rewrite(
        &mut self,
        message: &Message,
        content: &Arc<str>,
        edited_at: Option<Timestamp>,
        changed: (UserId, Timestamp),
    ) -> Arc<Message> {
        let (id, seq, changed) = (message.conversation, message.seq, Some(changed));
        self.rows.contents.insert((id, seq), messages::Rewritten { content: content.clone(), edited_at, changed });
        let message = Arc::new(Message { content: content.clone(), ..message.clone() });
        if let Some(InHand { last: Some(last), .. }) = self.hand.get_mut(&id)
            && last.seq == seq
        {
            *last = message.clone();
        }
        message
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

    fn between(&mut self, pair: Pair) -> Result<Option<ConversationId>, Stop> {
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

    fn begin(&mut self, parties: Parties, now: Timestamp) -> Result<Conversation, Stop> {
        if let Parties::Support { shop, .. } = &parties {
            _ = self.anyone_on_duty(shop.id); // Asked for together.
        }
        let number = self.facts.numbers.get(self.opened.len());
        let id = known(number, || self.needs.openings.insert(Pair::of(&parties)))?;
        Ok(Conversation::new(id, parties, now))
    }

    // Cursors.

    fn ack(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        seq: Seq,
        given: &Given,
        viewing: bool,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            if conversation.waiting_since.is_some() {
                let acked = self.acked(id, by.id)?;
                let reach = given.reach(acked.max(conversation.second.delivered), seq);
                if reach > acked {
                    self.rows.acks.insert((id, by.id), reach);
                }
            }
            return Ok(Outcome::Settled { conversation: id, by: by.clone(), seq });
        };
        let before = *conversation.side(side);
        let mut moved = conversation.ack(side, seq, given)?;
        if viewing {
            let seen = conversation.side(side).delivered.min(seq);
            moved.read = conversation.read(side, seen)?.read;
        }
        self.moved(by, conversation, side, before, moved, now)
    }

    fn read(&mut self, by: &Arc<Person>, id: ConversationId, seq: Seq, now: Timestamp) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            let (now, moved) = (Arc::new(conversation), Moved::default());
            return Ok(Outcome::Moved { now, by: by.clone(), side: Which::Second, moved });
        };
        let before = *conversation.side(side);
        let moved = conversation.read(side, seq)?;
        self.moved(by, conversation, side, before, moved, now)
    }

    fn moved(
        &mut self,
        by: &Arc<Person>,
        mut conversation: Conversation,
        side: Which,
        before: Side,
        moved: Moved,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (after, said) = (*conversation.side(side), conversation.side(side.other()).said);
        if after.read != before.read && after.read < said {
            conversation.side_mut(side).unread = self.count_above(conversation.id, after.read, side.other())?;
        }
        let now_is = if after == before {
            Arc::new(conversation)
        } else {
            let hand = self.hold(conversation);
            hand.note_moved(side, moved, now);
            hand.conversation.clone()
        };
        Ok(Outcome::Moved { now: now_is, by: by.clone(), side, moved })
    }

    // Claims.

    fn act(&mut self, by: &Arc<Person>, id: ConversationId, deed: Deed, now: Timestamp) -> Result<Outcome, Stop> {
        let (mut conversation, standing) = self.standing(id, by.id)?;
        if matches!(deed, Deed::Claim | Deed::Transfer(..)) {
            self.check_shop(&conversation)?;
        }
        let (before, ticket, offered_at) =
            (conversation.claimant().cloned(), conversation.ticket, conversation.offered_at);
        let taker = match (&deed, standing) {
            (Deed::Claim, Standing::Agent(role)) => Some((by.id, role)),
            (Deed::Transfer(to, role), _) => Some((to.id, *role)),
            _ => None,
        };
        let acked = match taker {
            Some((taker, _)) if conversation.waiting_since.is_some() => {
                _ = self.last(&conversation); // Asked for together.
                self.acked(id, taker)?
            }
            _ => 0,
        };
        let change = conversation.act(by, standing, &deed, acked, now)?;
        let last = self.last(&conversation)?;
        let Some(Change { cause, moved }) = change else {
            return Ok(Outcome::Unchanged(Arc::new(Snapshot { conversation, last })));
        };
        let last_seq = conversation.last_seq;
        if conversation.ticket != ticket {
            let ticket = self.ticket(&conversation);
            (ticket.is_new, ticket.outbound) = (true, true);
        }
        self.note_offer(&conversation, offered_at)?;
        if let Some((agent, role)) = taker {
            // The first claim of a ticket is noted, and who has it last, of people; all are in the timeline.
            if role != Role::Bot {
                let ticket = self.ticket(&conversation);
                ticket.claimed.get_or_insert((now, agent));
                ticket.last_claimed_by = Some(agent);
            }
            self.rows.forget_acks(id);
        }
        if cause == Cause::Resolved {
            self.ticket(&conversation).resolved = Some((now, by.id, last_seq));
        }
        self.note(&conversation, cause, by.id, before.as_ref().map(|agent| agent.id), now);
        let hand = self.put(conversation);
        hand.note_moved(Which::Second, moved, now);
        let now = Arc::new(Snapshot { conversation: (*hand.conversation).clone(), last });
        Ok(Outcome::Changed { now, by: by.clone(), before, cause, moved })
    }

    /// Who is nothing to the conversation, or its buyer, does not learn who is an agent of the shop.
    fn transfer(&mut self, by: UserId, id: ConversationId, to: &Arc<str>) -> Result<Deed, Stop> {
        let (conversation, standing) = self.standing(id, by)?;
        if !matches!(standing, Standing::Agent(_)) {
            return Err(Refusal::Forbidden.into());
        }
        let agent = match (conversation.shop(), self.user(to)?) {
            (Some(shop), Some(user)) => self.role(shop.id, user.id)?.map(|role| (user, role)),
            _ => None,
        };
        let (agent, role) = agent.ok_or(Refusal::invalid("to"))?;
        Ok(Deed::Transfer(agent, role))
    }

    fn lose_claimant(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        claim_version: i64,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let mut conversation = self.conversation(id)?;
        let (before, last) = (conversation.claimant().cloned(), self.last(&conversation)?);
        let offered_at = conversation.offered_at;
        if !conversation.lose_claimant(claim_version, now) {
            return Ok(Outcome::Unchanged(Arc::new(Snapshot { conversation, last })));
        }
        self.note_offer(&conversation, offered_at)?;
        let (cause, moved) = (Cause::Released, Moved::default());
        self.note(&conversation, cause, by.id, before.as_ref().map(|agent| agent.id), now);
        let now = Arc::new(Snapshot { conversation: (*self.put(conversation).conversation).clone(), last });
        Ok(Outcome::Changed { now, by: by.clone(), before, cause, moved })
    }

    // The rest.

    fn recall(&mut self, by: &Arc<Person>, id: ConversationId, seq: Seq, now: Timestamp) -> Result<Outcome, Stop> {
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

    fn rate(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        score: i16,
        comment: Option<Arc<str>>,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let (conversation, standing) = self.standing(id, by.id)?;
        if standing != Standing::Buyer {
            return Err(Refusal::Forbidden.into());
        }
        self.ticket(&conversation).rated = Some((now, score, comment));
        let about = About::Ticket { conversation: id, ticket: conversation.ticket };
        self.tell(&conversation, Kind::ConversationRated, by.id, about, now);
        Ok(Outcome::Rated)
    }

    fn set_status(
        &mut self,
        by: &Arc<Person>,
        shop: &Arc<str>,
        status: Status,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let shop = self.shop(shop)?.ok_or(Refusal::NotFound)?;
        let (role, before) = (self.role(shop.id, by.id), self.status(shop.id, by.id)); // Asked for together.
        let role = role?.ok_or(Refusal::NotFound)?;
        if before? != status && self.rules.events {
            let kind = if status == Status::Online { Kind::AgentOnDuty } else { Kind::AgentOffDuty };
            self.rows.events.push((shop.id, Event { kind, at: now, by: by.id, about: About::Agent }));
        }
        self.rows.statuses.insert((shop.id, by.id), status);
        Ok(Outcome::StatusSet { shop, agent: Agent { person: by.clone(), role, status } })
    }

    // What is to be written.

    /// A conversation has come to stand so.
    fn put(&mut self, conversation: Conversation) -> &mut InHand {
        let hand = self.hold(conversation);
        hand.is_changed = true;
        hand
    }

    /// The same, where only a cursor has moved.
    fn hold(&mut self, conversation: Conversation) -> &mut InHand {
        let conversation = Arc::new(conversation);
        let hand = self.hand.entry(conversation.id).or_insert_with(|| InHand {
            conversation: conversation.clone(),
            last: None,
            is_new: false,
            is_changed: false,
            moved: [Moved::default(); 2],
            moved_at: Timestamp(0),
        });
        hand.conversation = conversation;
        hand
    }

    /// What changes of the present ticket of a conversation.
    fn ticket(&mut self, conversation: &Conversation) -> &mut tickets::Change {
        let key = (conversation.id, conversation.ticket);
        let change = self.rows.tickets.entry(key).or_insert_with(|| tickets::Change::of(conversation));
        change.offered_at = conversation.offered_at;
        change
    }

    /// Adds what `conversation` has just undergone to its timeline, and tells it.
    fn note(&mut self, conversation: &Conversation, cause: Cause, by: UserId, from: Option<UserId>, at: Timestamp) {
        let to = conversation.claimant().map(|agent| agent.id);
        if let Some(kind) = Kind::of(cause) {
            let Conversation { id, ticket, claim_version, .. } = *conversation;
            let about = About::Claim { conversation: id, ticket, claim_version, from, to };
            self.tell(conversation, kind, by, about, at);
        }
        self.rows.timeline.push(timeline::New {
            conversation: conversation.id,
            at,
            cause,
            by,
            from,
            to,
            claim_version: conversation.claim_version,
            ticket: conversation.ticket,
        });
    }

    fn tell_message(&mut self, kind: Kind, conversation: &Conversation, seq: Seq, by: UserId, at: Timestamp) {
        self.tell(conversation, kind, by, About::Message { conversation: conversation.id, seq }, at);
    }

    /// What happens in direct conversations is told to nobody else.
    fn tell(&mut self, conversation: &Conversation, kind: Kind, by: UserId, about: About, at: Timestamp) {
        if let Some(shop) = conversation.shop().filter(|_| self.rules.events) {
            self.rows.events.push((shop.id, Event { kind, at, by, about }));
        }
    }

    // What is known.

    /// A conversation as it is now, and what `user` is to it: `NotFound` where it is nothing to it, or there is none.
    fn standing(&mut self, id: ConversationId, user: UserId) -> Result<(Conversation, Standing), Stop> {
        let conversation = self.conversation(id)?;
        let role = match &conversation.parties {
            Parties::Support { shop, buyer } if buyer.id != user => self.role(shop.id, user)?,
            _ => None,
        };
        let standing = conversation.standing(user, role).ok_or(Refusal::NotFound)?;
        Ok((conversation, standing))
    }

    /// In a disabled shop nothing is said and nothing taken on; what is in hand may be let go, resolved and read.
    fn check_shop(&self, conversation: &Conversation) -> Result<(), Refusal> {
        let disabled = conversation.shop().is_some_and(|shop| self.facts.disabled.contains(&shop.id));
        if disabled { Err(Refusal::Forbidden) } else { Ok(()) }
    }

    fn conversation(&mut self, id: ConversationId) -> Result<Conversation, Stop> {
        if let Some(hand) = self.hand.get(&id) {
            return Ok((*hand.conversation).clone());
        }
        match self.facts.conversations.get(&id) {
            Some(Found::Here(conversation)) => Ok(conversation.clone()),
            Some(Found::Elsewhere) => Err(Stop::Elsewhere),
            Some(Found::Kept) => Err(Refusal::BUSY.into()),
            Some(Found::Nowhere) => Err(Refusal::NotFound.into()),
            None => {
                self.needs.conversations.insert(id);
                Err(Stop::Missing)
            }
        }
    }

    /// What is stored under a key; nothing, where keys that nobody has asked for are trusted to be new.
    fn stored(&mut self, sender: UserId, client_id: &Arc<str>, trusts: bool) -> Result<Option<Stored>, Stop> {
        let key = (sender, client_id.clone());
        if let Some(stored) = self.stored.get(&key) {
            return Ok(Some(stored.clone()));
        }
        if self.open_keys.contains(&key) {
            return Err(Stop::Missing);
        }
        match self.facts.keys.get(&key) {
            None if trusts => Ok(None),
            fact => known(fact, || self.needs.keys.insert(key)),
        }
    }

    /// The key of a message that has been decided upon without being asked for.
    fn trusted_key(&self, command: &Command) -> Option<(UserId, Arc<str>)> {
        let Act::Send { client_id, .. } = &command.act else { return None };
        let key = (command.by.id, client_id.clone());
        let is_known = self.facts.keys.contains_key(&key) || self.stored.contains_key(&key);
        (self.facts.trusts_keys && !is_known).then_some(key)
    }

    fn shop(&mut self, name: &Arc<str>) -> Result<Option<Arc<Shop>>, Stop> {
        known(self.facts.shops.get(name), || self.needs.shops.insert(name.clone()))
    }

    fn user(&mut self, uid: &Arc<str>) -> Result<Option<Arc<Person>>, Stop> {
        known(self.facts.users.get(uid), || self.needs.users.insert(uid.clone()))
    }

    fn role(&mut self, shop: ShopId, user: UserId) -> Result<Option<Role>, Stop> {
        known(self.facts.roles.get(&(shop, user)), || self.needs.roles.insert((shop, user)))
    }

    /// Of an agent of the shop.
    fn status(&mut self, shop: ShopId, user: UserId) -> Result<Status, Stop> {
        if let Some(status) = self.rows.statuses.get(&(shop, user)) {
            return Ok(*status);
        }
        let on_duty = self.on_duty(shop)?;
        Ok(if on_duty.people.contains(&user) || on_duty.bots.contains(&user) { Status::Online } else { Status::Away })
    }

    /// Who was on duty in a shop before this batch.
    fn on_duty(&mut self, shop: ShopId) -> Result<&'a OnDuty, Stop> {
        self.facts.duty.get(&shop).ok_or_else(|| {
            self.needs.duty.insert(shop);
            Stop::Missing
        })
    }

    /// Whether a person is; a bot does not count.
    fn anyone_on_duty(&mut self, shop: ShopId) -> Result<bool, Stop> {
        let stored = &self.on_duty(shop)?.people;
        let now = |user: UserId| self.rows.statuses.get(&(shop, user)).copied();
        let is_bot = |user: UserId| self.facts.roles.get(&(shop, user)) == Some(&Some(Role::Bot));
        let came = |(&(of, user), status): (&(ShopId, UserId), &Status)| {
            of == shop && *status == Status::Online && !is_bot(user)
        };
        let stays = stored.iter().any(|user| now(*user).is_none_or(|status| status == Status::Online));
        Ok(stays || self.rows.statuses.iter().any(came))
    }

    /// The bot that gets the shop's new conversations first, if it is on duty.
    fn first_bot(&mut self, shop: ShopId) -> Result<Option<Arc<Person>>, Stop> {
        let bot = self.on_duty(shop)?.first_bot.clone();
        Ok(bot.filter(|bot| self.rows.statuses.get(&(shop, bot.id)).is_none_or(|status| *status == Status::Online)))
    }

    /// How far `user` has acked a conversation while it waits.
    fn acked(&mut self, id: ConversationId, user: UserId) -> Result<Seq, Stop> {
        if let Some(seq) = self.rows.acks.get(&(id, user)) {
            return Ok(*seq);
        }
        if self.rows.forgotten_acks.contains(&id) || self.hand.get(&id).is_some_and(|hand| hand.is_new) {
            return Ok(0);
        }
        known(self.facts.acked.get(&(id, user)), || self.needs.acked.insert((id, user)))
    }

    /// How many messages of a side there are above `seq`.
    fn count_above(&mut self, id: ConversationId, seq: Seq, side: Which) -> Result<i64, Stop> {
        let is_meant = |new: &&messages::New| {
            let message = &new.message;
            message.conversation == id && message.seq > seq && message.side == side
        };
        let new = self.rows.messages.iter().filter(is_meant).count() as i64;
        let stored = match self.facts.conversations.get(&id) {
            Some(Found::Here(conversation)) if conversation.side(side).said > seq => {
                let key = (id, seq, side);
                known(self.facts.counts.get(&key), || self.needs.counts.insert((id, seq, side.index())))?
            }
            _ => 0,
        };
        Ok(stored + new)
    }

    fn last(&mut self, conversation: &Conversation) -> Result<Option<Arc<Message>>, Stop> {
        match self.hand.get(&conversation.id) {
            Some(InHand { last: Some(last), .. }) => Ok(Some(last.clone())),
            _ => self.message(conversation, conversation.last_seq),
        }
    }

    fn message(&mut self, conversation: &Conversation, seq: Seq) -> Result<Option<Arc<Message>>, Stop> {
        let key = (conversation.id, seq);
        if !(1..=conversation.last_seq).contains(&seq) {
            return Ok(None);
        }
        let new = self.rows.messages.iter().rev().map(|new| &new.message).find(|m| (m.conversation, m.seq) == key);
        let message = match new {
            Some(new) => Some(new.clone()),
            None => known(self.facts.messages.get(&key), || self.needs.messages.insert(key))?,
        };
        let Some(rewritten) = self.rows.contents.get(&key) else { return Ok(message) };
        let content = &rewritten.content;
        Ok(message.as_deref().map(|message| Arc::new(Message { content: content.clone(), ..message.clone() })))
    }
}

/// A fact, or the note that it is missing.
fn known<T: Clone, R>(fact: Option<&T>, need: impl FnOnce() -> R) -> Result<T, Stop> {
    match fact {
        Some(fact) => Ok(fact.clone()),
        None => {
            need();
            Err(Stop::Missing)
        }
    }
}

impl InHand {
    fn note_moved(&mut self, side: Which, moved: Moved, now: Timestamp) {
        self.moved_at = now;
        let marks = &mut self.moved[side.index() as usize];
        marks.delivered = moved.delivered.or(marks.delivered);
        marks.read = moved.read.or(marks.read);
    }
}

#[cfg(test)]
mod tests;
