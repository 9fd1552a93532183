//! A conversation and its claim: the state machine of the contract's section 3.
//!
//! The journal loads a conversation inside its transaction, lets it decide here, and writes back what has become of it.

use std::{mem::discriminant, sync::Arc};

use super::{
    cursor::{Given, Side, Which},
    ids::{ConversationId, Seq, Timestamp, UserId},
    people::{Person, Role, Shop},
    refusal::Refusal,
};

/// Whom a conversation joins, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parties {
    Support {
        shop: Arc<Shop>,
        buyer: Arc<Person>,
    },
    /// The user with the smaller id first.
    Direct {
        first: Arc<Person>,
        second: Arc<Person>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Two users: nothing to claim.
    Direct,
    Waiting,
    Claimed(Arc<Person>),
    Resolved,
}

/// What someone is to a conversation. Who is nothing to it must not learn that it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Buyer,
    Agent(Role),
    User(Which),
}

/// Why a conversation changed, as `conversation` events and the timeline name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Opened,
    Claimed,
    Released,
    Transferred,
    Resolved,
    Reopened,
    Message,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Opened => "opened",
            Cause::Claimed => "claimed",
            Cause::Released => "released",
            Cause::Transferred => "transferred",
            Cause::Resolved => "resolved",
            Cause::Reopened => "reopened",
            Cause::Message => "message",
        }
    }

    pub fn parse(s: &str) -> Option<Cause> {
        use Cause::{Claimed, Message, Opened, Released, Reopened, Resolved, Transferred};
        let all = [Opened, Claimed, Released, Transferred, Resolved, Reopened, Message];
        all.into_iter().find(|cause| cause.as_str() == s)
    }
}

/// In which capacity a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Buyer,
    Agent,
    Bot,
    User,
}

impl Speaker {
    /// An agent with this role.
    pub fn of(role: Role) -> Speaker {
        if role == Role::Bot { Speaker::Bot } else { Speaker::Agent }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Speaker::Buyer => "buyer",
            Speaker::Agent => "agent",
            Speaker::Bot => "bot",
            Speaker::User => "user",
        }
    }

    pub fn parse(s: &str) -> Option<Speaker> {
        [Speaker::Buyer, Speaker::Agent, Speaker::Bot, Speaker::User].into_iter().find(|role| role.as_str() == s)
    }
}

/// What people of the shop have done about a ticket, bots left aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attended {
    Not,
    Claimed,
    Answered,
}

impl Attended {
    /// As the store keeps it.
    pub fn index(self) -> i16 {
        self as i16
    }

    pub fn from_index(index: i16) -> Attended {
        match index {
            0 => Attended::Not,
            1 => Attended::Claimed,
            _ => Attended::Answered,
        }
    }
}

/// What an agent asks for.
#[derive(Clone, Debug)]
pub enum Deed {
    Claim,
    Release,
    Resolve,
    /// To an agent of the shop, who has this role there, which the caller has made sure of.
    Transfer(Arc<Person>, Role),
}

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub seq: Seq,
    pub side: Which,
    pub speaker: Speaker,
    /// `Opened` or `Reopened` where a ticket begins.
    pub cause: Option<Cause>,
}

/// What a cursor has newly passed, in terms of the other side's messages; `None` where nothing moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub delivered: Option<Seq>,
    pub read: Option<Seq>,
}

/// What an agent's deed has changed: a claim also counts what the claimant has acked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub cause: Cause,
    pub moved: Moved,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub parties: Parties,
    pub state: State,
    /// Counts the changes of claim.
    pub claim_version: i64,
    /// Counts all changes: of two views of a conversation, the one with the higher revision is the later.
    pub revision: i64,
    pub last_seq: Seq,
    /// The buyer, or the user with the smaller id.
    pub first: Side,
    /// The shop, or the other user.
    pub second: Side,
    /// Since when the buyer has been waiting for people; kept through release, so that nobody starts over.
    pub waiting_since: Option<Timestamp>,
    /// When the present ticket began.
    pub opened_at: Timestamp,
    /// The first message that belongs to it.
    pub opened_seq: Seq,
    /// When it came before people: as it was opened or, where a bot took it before any of them, as that let go of it. `None` while only a
    /// bot has had it.
    pub offered_at: Option<Timestamp>,
    pub attended: Attended,
    /// Lost its claimant, and therefore waits before those who have had none.
    pub returned: bool,
    /// The number of the present ticket, or of the last one: 1, 2, 3 …; 0 for direct conversations.
    pub ticket: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Conversation {
    /// A conversation without a message, which nobody but its opener knows of.
    pub fn new(id: ConversationId, parties: Parties, now: Timestamp) -> Conversation {
        let state = if matches!(parties, Parties::Direct { .. }) { State::Direct } else { State::Resolved };
        Conversation {
            id,
            parties,
            state,
            claim_version: 0,
            revision: 0,
            last_seq: 0,
            first: Side::default(),
            second: Side::default(),
            waiting_since: None,
            opened_at: now,
            opened_seq: 1,
            offered_at: None,
            attended: Attended::Not,
            returned: false,
            ticket: 0,
            created_at: now,
            updated_at: now,
        }
    }

    pub fn shop(&self) -> Option<&Arc<Shop>> {
        match &self.parties {
            Parties::Support { shop, .. } => Some(shop),
            Parties::Direct { .. } => None,
        }
    }

    /// The buyer, or the first of the two users.
    pub fn first_person(&self) -> &Arc<Person> {
        match &self.parties {
            Parties::Support { buyer, .. } => buyer,
            Parties::Direct { first, .. } => first,
        }
    }

    pub fn claimant(&self) -> Option<&Arc<Person>> {
        match &self.state {
            State::Claimed(agent) => Some(agent),
            _ => None,
        }
    }

    /// Whether another view of it shows the same ticket, in the same hands.
    pub fn is_same_claim(&self, other: &Conversation) -> bool {
        (self.ticket, self.claim_version, discriminant(&self.state))
            == (other.ticket, other.claim_version, discriminant(&other.state))
    }

    /// The person who reads for a side at this moment: nobody for a shop without a claimant.
    pub fn reader(&self, side: Which) -> Option<&Arc<Person>> {
        match (&self.parties, side) {
            (Parties::Support { buyer, .. }, Which::First) => Some(buyer),
            (Parties::Support { .. }, Which::Second) => self.claimant(),
            (Parties::Direct { first, .. }, Which::First) => Some(first),
            (Parties::Direct { second, .. }, Which::Second) => Some(second),
        }
    }

    pub fn side(&self, which: Which) -> &Side {
        match which {
            Which::First => &self.first,
            Which::Second => &self.second,
        }
    }

    pub fn side_mut(&mut self, which: Which) -> &mut Side {
        match which {
            Which::First => &mut self.first,
            Which::Second => &mut self.second,
        }
    }

    /// What `user`, who has `role` in the conversation's shop, is to it.
    pub fn standing(&self, user: UserId, role: Option<Role>) -> Option<Standing> {
        match &self.parties {
            Parties::Support { buyer, .. } if buyer.id == user => Some(Standing::Buyer),
            Parties::Support { .. } => role.map(Standing::Agent),
            Parties::Direct { first, .. } if first.id == user => Some(Standing::User(Which::First)),
            Parties::Direct { second, .. } if second.id == user => Some(Standing::User(Which::Second)),
            Parties::Direct { .. } => None,
        }
    }

    /// The side for which `user` moves cursors: none for an agent that is not the claimant.
    pub fn cursor_side(&self, user: UserId, standing: Standing) -> Option<Which> {
        match standing {
            Standing::Buyer => Some(Which::First),
            Standing::User(side) => Some(side),
            Standing::Agent(_) => self.claimant().filter(|agent| agent.id == user).map(|_| Which::Second),
        }
    }

    /// The side as whose member `user` may write.
    ///
    /// # Errors
    /// `NotClaimed` or `NotClaimant` for an agent that has not claimed the conversation, whatever its role.
    pub fn speaks_for(&self, user: UserId, standing: Standing) -> Result<Which, Refusal> {
        match (standing, &self.state) {
            (Standing::Buyer, _) => Ok(Which::First),
            (Standing::User(side), _) => Ok(side),
            (Standing::Agent(_), State::Claimed(agent)) if agent.id == user => Ok(Which::Second),
            (Standing::Agent(_), State::Claimed(agent)) => Err(Refusal::NotClaimant(agent.clone())),
            (Standing::Agent(_), _) => Err(Refusal::NotClaimed),
        }
    }

    /// Gives a message its place. A buyer's message opens a ticket where none is open.
    ///
    /// # Errors
    /// As [`Conversation::speaks_for`].
    pub fn send(&mut self, by: UserId, standing: Standing, now: Timestamp) -> Result<Placed, Refusal> {
        let side = self.speaks_for(by, standing)?;
        let cause = (standing == Standing::Buyer && self.state == State::Resolved).then(|| {
            self.open_ticket(now);
            self.state = State::Waiting;
            self.waiting_since = Some(now);
            if self.ticket == 1 { Cause::Opened } else { Cause::Reopened }
        });
        let speaker = match standing {
            Standing::Buyer => Speaker::Buyer,
            Standing::Agent(role) => Speaker::of(role),
            Standing::User(_) => Speaker::User,
        };
        Ok(Placed { seq: self.said_by(speaker, side, now), side, speaker, cause })
    }

    /// Gives a place to a message that is added on behalf of the buyer or, for the shop's side, of an agent. A record opens no ticket and
    /// needs no claim.
    pub fn add(&mut self, speaker: Speaker, now: Timestamp) -> Placed {
        let side = if speaker == Speaker::Buyer { Which::First } else { Which::Second };
        Placed { seq: self.said_by(speaker, side, now), side, speaker, cause: None }
    }

    /// The place of a side's next message.
    fn said_by(&mut self, speaker: Speaker, side: Which, now: Timestamp) -> Seq {
        // Also what an admin adds while a bot has it.
        if speaker == Speaker::Agent && self.state != State::Resolved {
            self.offered_at.get_or_insert(now);
            self.attended = Attended::Answered;
        }
        self.last_seq += 1;
        let (seq, heard) = (self.last_seq, self.side(side.other()).said);
        let own = self.side_mut(side);
        own.said = seq;
        if own.delivered >= heard {
            own.delivered = seq;
        }
        if own.read >= heard {
            own.read = seq;
        }
        self.side_mut(side.other()).unread += 1;
        self.revision += 1;
        self.updated_at = now;
        seq
    }

    /// Does what an agent asks for; `None` where that changes nothing. `acked` is what the agent who gets the claim has acked
    /// while the conversation waited.
    ///
    /// # Errors
    /// The cells of the contract's table; `Forbidden` for the buyer.
    pub fn act(
        &mut self,
        by: &Arc<Person>,
        standing: Standing,
        deed: &Deed,
        acked: Seq,
        now: Timestamp,
    ) -> Result<Option<Change>, Refusal> {
        let Standing::Agent(role) = standing else { return Err(Refusal::Forbidden) };
        if matches!(deed, Deed::Transfer(to, _) if to.id == self.first_person().id) {
            return Err(Refusal::invalid("to"));
        }
        let cause = match (deed, &self.state) {
            (Deed::Claim, State::Claimed(agent)) if agent.id == by.id => None,
            (Deed::Claim, State::Claimed(agent)) => return Err(Refusal::AlreadyClaimed(agent.clone())),
            (Deed::Claim, _) => Some(Cause::Claimed),
            (_, State::Resolved | State::Direct) => return Err(Refusal::NotClaimed),
            (_, State::Waiting) if role < Role::Supervisor => return Err(Refusal::NotClaimed),
            (_, State::Claimed(agent)) if agent.id != by.id && role < Role::Supervisor => {
                return Err(Refusal::NotClaimant(agent.clone()));
            }
            (Deed::Release, State::Waiting) => None,
            (Deed::Release, _) => Some(Cause::Released),
            (Deed::Resolve, _) => Some(Cause::Resolved),
            (Deed::Transfer(to, _), State::Claimed(agent)) if agent.id == to.id => None,
            (Deed::Transfer(..), _) => Some(Cause::Transferred),
        };
        let Some(cause) = cause else { return Ok(None) };
        self.revision += 1;
        let mut moved = Moved::default();
        match (cause, deed) {
            (Cause::Released, _) => self.unclaim(State::Waiting, false, now),
            (Cause::Resolved, _) => self.unclaim(State::Resolved, false, now),
            (_, Deed::Transfer(to, role)) => moved = self.give_to(to.clone(), *role, acked, now),
            _ => moved = self.give_to(by.clone(), role, acked, now),
        }
        Ok(Some(Change { cause, moved }))
    }

    /// Makes `agent` the claimant. A resolved conversation gets a new ticket, a waiting one goes on from what the agent has acked.
    fn give_to(&mut self, agent: Arc<Person>, role: Role, acked: Seq, now: Timestamp) -> Moved {
        let mut moved = Moved::default();
        match self.state {
            State::Resolved => self.open_ticket(now),
            State::Waiting => {
                let acked = acked.min(self.last_seq);
                moved = self.advance(Which::Second, acked, 0);
            }
            _ => {}
        }
        match role {
            Role::Bot if self.attended == Attended::Not => self.offered_at = None,
            Role::Bot => {}
            _ => {
                self.offered_at.get_or_insert(now);
                self.attended = self.attended.max(Attended::Claimed);
            }
        }
        self.state = State::Claimed(agent);
        self.claim_version += 1;
        self.waiting_since = None;
        self.returned = false;
        self.updated_at = now;
        moved
    }

    /// Takes the claim from a claimant that has been gone too long; false if the claim has changed since `claim_version`. Whoever has only
    /// had a bot waits behind those who have waited longer.
    pub fn lose_claimant(&mut self, claim_version: i64, now: Timestamp) -> bool {
        let held = self.claimant().is_some() && self.claim_version == claim_version;
        if held {
            self.revision += 1;
            self.unclaim(State::Waiting, self.offered_at.is_some(), now);
        }
        held
    }

    /// Counts an ack of `seq` from a session that has been `given` these messages.
    ///
    /// # Errors
    /// `Invalid("seq")` above the last message.
    pub fn ack(&mut self, side: Which, seq: Seq, given: &Given) -> Result<Moved, Refusal> {
        self.check_seq(seq)?;
        let reach = given.reach(self.side(side).delivered, seq);
        Ok(self.advance(side, reach, 0))
    }

    /// Counts `seq`, and all before it, as seen. The caller sets [`Side::unread`] where some messages of the other side remain.
    ///
    /// # Errors
    /// `Invalid("seq")` above the last message.
    pub fn read(&mut self, side: Which, seq: Seq) -> Result<Moved, Refusal> {
        self.check_seq(seq)?;
        Ok(self.advance(side, seq, seq))
    }

    /// # Errors
    /// `Invalid("seq")` for what is not the `seq` of a message, nor 0.
    pub fn check_seq(&self, seq: Seq) -> Result<(), Refusal> {
        if (0..=self.last_seq).contains(&seq) { Ok(()) } else { Err(Refusal::invalid("seq")) }
    }

    /// Raises a side's cursors, never lowers them.
    fn advance(&mut self, side: Which, delivered: Seq, read: Seq) -> Moved {
        let (last, said) = (self.last_seq, self.side(side.other()).said);
        let raise = |cursor: &mut Seq, to: Seq| {
            let before = (*cursor).min(said);
            *cursor = if to >= said { last.max(*cursor) } else { to.max(*cursor) };
            let after = (*cursor).min(said);
            (after > before).then_some(after)
        };
        let before = *self.side(side);
        let own = self.side_mut(side);
        let moved =
            Moved { delivered: raise(&mut own.delivered, delivered.max(read)), read: raise(&mut own.read, read) };
        if own.read >= said {
            own.unread = 0;
        }
        let changed = *own != before;
        self.revision += i64::from(changed);
        moved
    }

    fn open_ticket(&mut self, now: Timestamp) {
        self.ticket += 1;
        self.opened_at = now;
        self.opened_seq = self.last_seq + 1;
        self.offered_at = Some(now);
        self.attended = Attended::Not;
    }

    fn unclaim(&mut self, state: State, returned: bool, now: Timestamp) {
        if self.claimant().is_some() {
            self.claim_version += 1;
        }
        self.waiting_since = (state == State::Waiting).then(|| *self.offered_at.get_or_insert(now));
        self.state = state;
        self.returned = returned;
        self.updated_at = now;
    }
}

#[cfg(test)]
mod tests;
