//! The journal's transaction: everything that changes a conversation, in batches, each entry decided by the state machine on what
//! the database holds at that moment.

use std::{collections::HashMap, sync::Arc};

use diesel::{Connection, QueryResult, result::Error as DbError};

use super::{
    Db, agents, conversations, messages, people::People, receipts, shops, tickets, timeline, users, waiting_acks,
};
use crate::domain::{
    command::{Act, Command, Message, Outcome, Snapshot, Target},
    content::{Content, RECALLED},
    conversation::{Cause, Change, Conversation, Deed, Moved, Parties, Standing},
    cursor::{Given, Which},
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId, VISITOR},
    people::{Agent, Person, Role, Shop, Status},
    refusal::Refusal,
};

/// Any other writing, in a savepoint of the batch's transaction. It may be run more than once before it is done.
pub trait Job: Send {
    /// # Errors
    /// What the database says: the savepoint is rolled back, the batch goes on.
    fn run(&mut self, db: &mut Db) -> QueryResult<()>;
    /// Whether it leaves users, shops, agents and conversations alone, so that what the batch has in hand stays true.
    fn is_apart(&self) -> bool {
        false
    }
    /// Told once: whether the transaction was committed.
    fn done(self: Box<Self>, committed: bool);
}

pub enum Entry {
    Command(Command),
    Job(Box<dyn Job>),
}

/// What has become of an entry: `None` for a job, which knows itself.
pub type Answer = Result<Option<Outcome>, Refusal>;

/// What the operator has set of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a sender may take a message back, in milliseconds.
    pub recall_window_ms: i64,
}

/// The only one that writes while the server runs.
pub struct Writer {
    db: Db,
    people: People,
    rules: Rules,
}

impl Writer {
    pub fn new(db: Db, rules: Rules) -> Writer {
        Writer { db, people: People::default(), rules }
    }

    /// Writes a batch in one transaction and gives an answer for each entry, in order. When this returns, everything that was
    /// answered with an outcome is on disk.
    pub fn commit(&mut self, batch: &mut [Entry]) -> Vec<Answer> {
        let Writer { db, people, rules } = self;
        let written = db.write(|db| {
            let mut tx = Tx { db, people, rules: *rules, open: HashMap::new(), roles: HashMap::new() };
            let answers = batch.iter_mut().map(|entry| tx.entry(entry)).collect::<QueryResult<Vec<_>>>()?;
            tx.write_back()?;
            Ok(answers)
        });
        match written {
            Ok(answers) => answers,
            Err(error) => {
                self.people.forget();
                if batch.len() == 1 || !is_about_data(&error) {
                    tracing::error!(%error, entries = batch.len(), "the journal could not write");
                    return batch.iter().map(|_| Err(Refusal::BUSY)).collect();
                }
                // One entry that the database refuses must not take the others with it: halve until it is alone.
                let (left, right) = batch.split_at_mut(batch.len() / 2);
                let mut answers = self.commit(left);
                answers.extend(self.commit(right));
                answers
            }
        }
    }
}

/// Whether an error lies in one entry's data rather than in the database being unable to write at all.
fn is_about_data(error: &DbError) -> bool {
    match error {
        DbError::DatabaseError(_, info) => {
            let says = info.message();
            !["full", "I/O", "locked", "readonly", "busy", "unable to open"].iter().any(|word| says.contains(word))
        }
        _ => true,
    }
}

/// Why an entry gets no outcome.
enum Stop {
    Refused(Refusal),
    Failed(DbError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Stop {
        Stop::Failed(error)
    }
}

/// A conversation that the batch has in hand.
struct Open {
    conversation: Conversation,
    last: Option<Arc<Message>>,
    changed: bool,
    moved: [Moved; 2],
    moved_at: Timestamp,
}

struct Tx<'a> {
    db: &'a mut Db,
    people: &'a mut People,
    rules: Rules,
    open: HashMap<ConversationId, Open>,
    roles: HashMap<(ShopId, UserId), Option<Role>>,
}

impl Tx<'_> {
    fn entry(&mut self, entry: &mut Entry) -> QueryResult<Answer> {
        match entry {
            Entry::Command(command) => match self.command(command) {
                Ok(outcome) => Ok(Ok(Some(outcome))),
                Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
                Err(Stop::Failed(error)) => Err(error),
            },
            Entry::Job(job) => {
                let apart = job.is_apart();
                if !apart {
                    self.write_back()?;
                    self.roles.clear();
                }
                let ran = self.db.transaction(|db| job.run(db));
                if !apart {
                    self.people.forget();
                }
                match ran {
                    Ok(()) => Ok(Ok(None)),
                    // SQLite has rolled back the whole transaction, savepoints and all.
                    Err(error) if !is_about_data(&error) => Err(error),
                    Err(DbError::RollbackTransaction) => Ok(Ok(None)),
                    Err(error) => {
                        tracing::error!(%error, "a job of the journal failed");
                        Ok(Err(Refusal::BUSY))
                    }
                }
            }
        }
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
            Act::Rate { conversation, score, comment } => self.rate(by, *conversation, *score, comment.as_deref()),
            Act::SetStatus { shop, status } => self.set_status(by, shop, *status),
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
        if let Some(stored) = messages::by_key(self.db, by.id, client_id)? {
            let same = stored.digest == content.digest && self.names(by, to, stored.conversation)?;
            let (conversation, seq, at) = (stored.conversation, stored.seq, stored.at);
            return if same { Ok(Outcome::Duplicate { conversation, seq, at }) } else { Err(Refusal::Conflict.into()) };
        }
        let id = self.resolve(by, to, now)?;
        let standing = self.standing(id, by.id)?;
        let conversation = &mut self.loaded(id)?.conversation;
        let answered = conversation.second.said >= conversation.opened_seq;
        let placed = conversation.send(by.id, standing, now)?;
        let message = Arc::new(Message {
            conversation: id,
            seq: placed.seq,
            shop: conversation.shop().map(|shop| shop.shop.clone()),
            from: by.clone(),
            speaker: placed.speaker,
            side: placed.side,
            content: content.json.clone(),
            client_id: client_id.clone(),
            at: now,
        });
        messages::insert(self.db, &message, &content.digest)?;
        if let Some(cause) = placed.cause {
            self.opened(id, by.id, cause, now)?;
        }
        if matches!(standing, Standing::Agent(_)) && !answered {
            let conversation = self.loaded(id)?.conversation.clone();
            tickets::answered(self.db, &conversation, by.id, now)?;
        }
        let open = self.loaded(id)?;
        open.changed = true;
        open.last = Some(message.clone());
        Ok(Outcome::Stored { now: self.snapshot(id)?, message, cause: placed.cause })
    }

    /// Whether `to`, said by this sender, means this conversation.
    fn names(&mut self, by: &Arc<Person>, to: &Target, id: ConversationId) -> Result<bool, Stop> {
        let Some(open) = self.load(id)? else { return Ok(false) };
        let parties = &open.conversation.parties;
        Ok(match (to, parties) {
            (Target::Conversation(to), _) => *to == id,
            (Target::Shop(to), Parties::Support { shop, buyer }) => shop.shop == *to && buyer.id == by.id,
            (Target::User(to), Parties::Direct { first, second }) => {
                let other = if first.id == by.id { second } else { first };
                other.uid == *to
            }
            _ => false,
        })
    }

    /// The conversation that `to` means, opened where there is none.
    fn resolve(&mut self, by: &Arc<Person>, to: &Target, now: Timestamp) -> Result<ConversationId, Stop> {
        let parties = match to {
            Target::Conversation(id) => return Ok(*id),
            Target::Shop(name) => {
                let shop = shops::by_name(self.db, name)?.ok_or(Refusal::NotFound)?.shop();
                Parties::Support { shop, buyer: by.clone() }
            }
            Target::User(uid) if *uid == by.uid => return Err(Refusal::invalid("to.user").into()),
            Target::User(_) if by.is_visitor() => return Err(Refusal::Forbidden.into()),
            Target::User(uid) => {
                let known = users::by_uid(self.db, uid)?;
                if known.is_none() && uid.starts_with(VISITOR) {
                    return Err(Refusal::NotFound.into());
                }
                let other = match known {
                    Some(user) => user.person(),
                    None => users::refresh(self.db, uid, None, None, now)?.person(),
                };
                let (first, second) = if by.id < other.id { (by.clone(), other) } else { (other, by.clone()) };
                Parties::Direct { first, second }
            }
        };
        if let Some(id) = conversations::find_between(self.db, &parties)? {
            return Ok(id);
        }
        if let Parties::Support { shop, .. } = &parties
            && self.role(shop.id, by.id)?.is_some()
        {
            return Err(Refusal::Forbidden.into());
        }
        let id = conversations::next_id(self.db)?;
        let conversation = Conversation::new(id, parties, now);
        conversations::insert(self.db, &conversation)?;
        self.open.insert(id, Open::of(conversation));
        Ok(id)
    }

    /// Records a ticket that a buyer's message has opened.
    fn opened(&mut self, id: ConversationId, by: UserId, cause: Cause, now: Timestamp) -> Result<(), Stop> {
        let conversation = self.loaded(id)?.conversation.clone();
        let left_message = match conversation.shop() {
            Some(shop) => !agents::anyone_on_duty(self.db, shop.id)?,
            None => false,
        };
        // The message that opens a ticket is its first, and has been counted already.
        tickets::open(self.db, &conversation, left_message)?;
        timeline::insert(self.db, &conversation, cause, by, None, now)?;
        Ok(())
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
        let standing = self.standing(id, by.id)?;
        let conversation = &mut self.loaded(id)?.conversation;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            let (waits, delivered) = (conversation.waiting_since.is_some(), conversation.second.delivered);
            if waits {
                let acked = waiting_acks::get(self.db, id, by.id)?;
                let reach = given.reach(acked.max(delivered), seq);
                if reach > acked {
                    waiting_acks::set(self.db, id, by.id, reach)?;
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
        self.moved(by, id, side, before, moved, now)
    }

    fn read(&mut self, by: &Arc<Person>, id: ConversationId, seq: Seq, now: Timestamp) -> Result<Outcome, Stop> {
        let standing = self.standing(id, by.id)?;
        let conversation = &mut self.loaded(id)?.conversation;
        conversation.check_seq(seq)?;
        let Some(side) = conversation.cursor_side(by.id, standing) else {
            let now = Arc::new(conversation.clone());
            return Ok(Outcome::Moved { now, by: by.clone(), side: Which::Second, moved: Moved::default() });
        };
        let before = *conversation.side(side);
        let moved = conversation.read(side, seq)?;
        self.moved(by, id, side, before, moved, now)
    }

    fn moved(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        side: Which,
        before: crate::domain::cursor::Side,
        moved: Moved,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let open = self.loaded(id)?;
        let (after, said) = (*open.conversation.side(side), open.conversation.side(side.other()).said);
        if after != before {
            open.changed = true;
            open.note_moved(side, moved, now);
        }
        if after.read != before.read && after.read < said {
            let unread = messages::count_above(self.db, id, after.read, side.other())?;
            self.loaded(id)?.conversation.side_mut(side).unread = unread;
        }
        let now = Arc::new(self.loaded(id)?.conversation.clone());
        Ok(Outcome::Moved { now, by: by.clone(), side, moved })
    }

    // Claims.

    fn act(&mut self, by: &Arc<Person>, id: ConversationId, deed: Deed, now: Timestamp) -> Result<Outcome, Stop> {
        let standing = self.standing(id, by.id)?;
        let open = self.loaded(id)?;
        let (before, ticket) = (open.conversation.claimant().cloned(), open.conversation.ticket);
        let taker = match &deed {
            Deed::Claim => Some(by.id),
            Deed::Transfer(to) => Some(to.id),
            Deed::Release | Deed::Resolve => None,
        };
        let acked = match taker {
            Some(taker) if open.conversation.waiting_since.is_some() => waiting_acks::get(self.db, id, taker)?,
            _ => 0,
        };
        let open = self.loaded(id)?;
        let Some(Change { cause, moved }) = open.conversation.act(by, standing, &deed, acked, now)? else {
            return Ok(Outcome::Unchanged(self.snapshot(id)?));
        };
        open.changed = true;
        open.note_moved(Which::Second, moved, now);
        let conversation = open.conversation.clone();
        if conversation.ticket != ticket {
            tickets::open(self.db, &conversation, false)?;
        }
        if let Some(agent) = conversation.claimant() {
            tickets::claimed(self.db, &conversation, agent.id, now)?;
            waiting_acks::clear(self.db, id)?;
        }
        if cause == Cause::Resolved {
            tickets::resolved(self.db, &conversation, by.id, now)?;
        }
        timeline::insert(self.db, &conversation, cause, by.id, before.as_ref().map(|agent| agent.id), now)?;
        Ok(Outcome::Changed { now: self.snapshot(id)?, by: by.clone(), before, cause, moved })
    }

    /// Who is nothing to the conversation, or its buyer, does not learn who is an agent of the shop.
    fn transfer(&mut self, by: UserId, id: ConversationId, to: &str) -> Result<Deed, Stop> {
        if !matches!(self.standing(id, by)?, Standing::Agent(_)) {
            return Err(Refusal::Forbidden.into());
        }
        let shop = self.loaded(id)?.conversation.shop().map(|shop| shop.id);
        let agent = match (shop, users::by_uid(self.db, to)?) {
            (Some(shop), Some(user)) => self.role(shop, UserId(user.id))?.map(|_| user.person()),
            _ => None,
        };
        Ok(Deed::Transfer(agent.ok_or(Refusal::invalid("to"))?))
    }

    fn lose_claimant(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        claim_version: i64,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let open = self.load(id)?.ok_or(Refusal::NotFound)?;
        let before = open.conversation.claimant().cloned();
        if !open.conversation.lose_claimant(claim_version, now) {
            return Ok(Outcome::Unchanged(self.snapshot(id)?));
        }
        open.changed = true;
        let conversation = open.conversation.clone();
        let from = before.as_ref().map(|agent| agent.id);
        timeline::insert(self.db, &conversation, Cause::Released, by.id, from, now)?;
        Ok(Outcome::Changed {
            now: self.snapshot(id)?,
            by: by.clone(),
            before,
            cause: Cause::Released,
            moved: Moved::default(),
        })
    }

    // The rest.

    fn recall(&mut self, by: &Arc<Person>, id: ConversationId, seq: Seq, now: Timestamp) -> Result<Outcome, Stop> {
        self.standing(id, by.id)?;
        let conversation = self.loaded(id)?.conversation.clone();
        let message = messages::find(self.db, self.people, &conversation, seq)?.ok_or(Refusal::NotFound)?;
        if message.from.id != by.id {
            return Err(Refusal::Forbidden.into());
        }
        if now.since(message.at) > self.rules.recall_window_ms {
            return Err(Refusal::Conflict.into());
        }
        let first_time = messages::recall(self.db, id, seq)?;
        if seq == conversation.last_seq {
            self.loaded(id)?.last = Some(Arc::new(Message { content: RECALLED.into(), ..message }));
        }
        Ok(Outcome::Recalled { now: self.snapshot(id)?, by: by.clone(), seq, at: now, first_time })
    }

    fn rate(
        &mut self,
        by: &Arc<Person>,
        id: ConversationId,
        score: i16,
        comment: Option<&str>,
    ) -> Result<Outcome, Stop> {
        if self.standing(id, by.id)? != Standing::Buyer {
            return Err(Refusal::Forbidden.into());
        }
        let conversation = self.loaded(id)?.conversation.clone();
        tickets::rate(self.db, &conversation, score, comment)?;
        Ok(Outcome::Rated)
    }

    fn set_status(&mut self, by: &Arc<Person>, shop: &str, status: Status) -> Result<Outcome, Stop> {
        let shop: Arc<Shop> = shops::by_name(self.db, shop)?.ok_or(Refusal::NotFound)?.shop();
        let role = self.role(shop.id, by.id)?.ok_or(Refusal::NotFound)?;
        agents::set_status(self.db, shop.id, by.id, status)?;
        Ok(Outcome::StatusSet { shop, agent: Agent { person: by.clone(), role, status } })
    }

    // What the batch has in hand.

    /// What `user` is to a conversation: `NotFound` where it is nothing to it, or there is none.
    fn standing(&mut self, id: ConversationId, user: UserId) -> Result<Standing, Stop> {
        let shop = self.load(id)?.ok_or(Refusal::NotFound)?.conversation.shop().map(|shop| shop.id);
        let role = match shop {
            Some(shop) => self.role(shop, user)?,
            None => None,
        };
        let standing = self.loaded(id)?.conversation.standing(user, role);
        Ok(standing.ok_or(Refusal::NotFound)?)
    }

    fn role(&mut self, shop: ShopId, user: UserId) -> QueryResult<Option<Role>> {
        if let Some(role) = self.roles.get(&(shop, user)) {
            return Ok(*role);
        }
        let role = agents::role(self.db, shop, user)?;
        self.roles.insert((shop, user), role);
        Ok(role)
    }

    fn load(&mut self, id: ConversationId) -> QueryResult<Option<&mut Open>> {
        if !self.open.contains_key(&id) {
            let Some(conversation) = conversations::take(self.db, self.people, id)? else { return Ok(None) };
            self.open.insert(id, Open::of(conversation));
        }
        Ok(self.open.get_mut(&id))
    }

    fn loaded(&mut self, id: ConversationId) -> QueryResult<&mut Open> {
        self.load(id)?.ok_or(DbError::NotFound)
    }

    fn snapshot(&mut self, id: ConversationId) -> QueryResult<Arc<Snapshot>> {
        let open = self.loaded(id)?;
        let (conversation, last) = (open.conversation.clone(), open.last.clone());
        let last = match last {
            Some(message) => Some(message),
            None => messages::find(self.db, self.people, &conversation, conversation.last_seq)?.map(Arc::new),
        };
        self.loaded(id)?.last.clone_from(&last);
        Ok(Arc::new(Snapshot { conversation, last }))
    }

    fn write_back(&mut self) -> QueryResult<()> {
        let mut changed: Vec<Open> = self.open.drain().map(|(_, open)| open).filter(|open| open.changed).collect();
        changed.sort_unstable_by_key(|open| open.conversation.id);
        for open in changed {
            conversations::update(self.db, &open.conversation)?;
            for side in [Which::First, Which::Second] {
                let moved = open.moved[side.index() as usize];
                receipts::insert(self.db, open.conversation.id, side, moved, open.moved_at)?;
            }
        }
        Ok(())
    }
}

impl Open {
    /// Only the last movement of a batch is written.
    fn note_moved(&mut self, side: Which, moved: Moved, now: Timestamp) {
        self.moved_at = now;
        let marks = &mut self.moved[side.index() as usize];
        marks.delivered = moved.delivered.or(marks.delivered);
        marks.read = moved.read.or(marks.read);
    }

    fn of(conversation: Conversation) -> Open {
        Open { conversation, last: None, changed: false, moved: [Moved::default(); 2], moved_at: Timestamp(0) }
    }
}
