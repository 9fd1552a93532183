//! A shop's tickets as lists: those to which something happened, the latest of it first, page by page, and how many there are.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
};

use super::Row;
use crate::{
    domain::{
        cursor::Which,
        ids::{ShopId, Timestamp, UserId},
        statistics::{
            clock::Clock,
            ticket::{Event, Ticket},
        },
    },
    store::{
        Db, Error,
        backend::MultiBackend,
        pool::Readers,
        schema::{conversations, tickets as t},
    },
};

/// So many tickets are read at a time where many are read: for some milliseconds.
pub const PAGE: i64 = 1_000;

/// Which of a shop's tickets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought {
    /// What happened to it; `from`, `to` and `agent` are about that.
    pub event: Event,
    /// At or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// On whose account it is, as [`Ticket::happened`] says; of the buyer's messages: who claimed the ticket first; of the shop's: who
    /// wrote them.
    pub agent: Option<UserId>,
    pub buyer: Option<UserId>,
    pub state: Option<State>,
    /// Who has the claim now.
    pub held_by: Option<UserId>,
    pub left_message: Option<bool>,
    pub outbound: Option<bool>,
    /// Whether only a bot has had it.
    pub by_bot: Option<bool>,
    pub within_30s: Option<bool>,
    pub score: Option<i16>,
}

/// How a ticket stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Claimed,
    Resolved,
}

impl State {
    /// As conversations have it.
    fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Claimed => "claimed",
            State::Resolved => "resolved",
        }
    }
}

/// A ticket in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    pub row: Row,
    pub buyer: UserId,
    /// How many of its messages are meant, where messages are sought.
    pub messages: i64,
    /// When that happened which is sought; of messages: when the ticket was opened.
    pub at: i64,
}

impl Listed {
    /// Where it stands in the list.
    pub fn place(&self) -> [i64; 3] {
        [self.at, self.row.conversation_id, self.row.number]
    }
}

/// A list's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub tickets: i64,
    /// In all of them, where messages are sought.
    pub messages: i64,
}

impl Sought {
    /// What the lists of this event are ordered by.
    fn column(&self) -> &'static str {
        match self.event {
            Event::Opened | Event::MessageIn | Event::MessageOut => "tickets.opened_at",
            Event::Claimed => "tickets.claimed_at",
            Event::Answered => "tickets.answered_at",
            Event::Resolved => "tickets.resolved_at",
            Event::Rated => "tickets.rated_at",
        }
    }

    /// Whose messages are sought.
    fn side(&self) -> Option<Which> {
        match self.event {
            Event::MessageIn => Some(Which::First),
            Event::MessageOut => Some(Which::Second),
            _ => None,
        }
    }

    /// The messages of a ticket that are sought, as rows `m`; there are only numbers in it. They are looked up ticket by ticket: a
    /// plan that goes through all messages for it would go through those of all shops.
    fn messages(&self, side: Which) -> String {
        let (from, to) = (self.from.map_or(i64::MIN + 1, |at| at.0), self.to.map_or(i64::MAX, |at| at.0));
        let by = match (side, self.agent) {
            (Which::Second, Some(agent)) => format!(" AND m.sender_id = {agent}"),
            _ => String::new(),
        };
        format!(
            "FROM messages m WHERE m.conversation_id = tickets.conversation_id AND m.seq >= tickets.first_seq \
             AND m.seq <= COALESCE(tickets.last_seq, {}) AND m.side = {} AND m.speaker <> 'bot' \
             AND m.at >= {from} AND m.at < {to}{by}",
            i64::MAX,
            side.index()
        )
    }

    /// What the database cannot tell.
    fn meets(&self, ticket: &Ticket, clock: &Clock) -> bool {
        self.within_30s.is_none() || self.within_30s == ticket.within_30s(clock)
    }

    fn rows(&self, shop: ShopId) -> Tickets<'_> {
        let mut query = t::table
            .inner_join(conversations::table.on(conversations::id.eq(t::conversation_id)))
            .filter(t::shop_id.eq(shop.0))
            .into_boxed::<MultiBackend>();
        let at = || sql::<BigInt>(self.column());
        match self.side() {
            None => {
                query = query.filter(sql::<Bool>(self.column()).sql(" IS NOT NULL"));
                if let Some(from) = self.from {
                    query = query.filter(at().ge(from.0));
                }
                if let Some(to) = self.to {
                    query = query.filter(at().lt(to.0));
                }
            }
            Some(side) => {
                query =
                    query.filter(sql::<Bool>(&format!("(SELECT m.seq {} LIMIT 1) IS NOT NULL", self.messages(side))));
                // Those that were open then.
                if let Some(from) = self.from {
                    query = query.filter(t::resolved_at.is_null().or(t::resolved_at.ge(from.0).assume_not_null()));
                }
                if let Some(to) = self.to {
                    query = query.filter(t::opened_at.lt(to.0));
                }
            }
        }
        if let Some(UserId(agent)) = self.agent {
            query = match self.event {
                Event::Opened | Event::Claimed | Event::MessageIn => query.filter(t::claimed_by.eq(agent)),
                Event::Answered => query.filter(t::answered_by.eq(agent)),
                Event::Resolved => query.filter(t::resolved_by.eq(agent)),
                Event::Rated => query.filter(t::last_claimed_by.eq(agent)),
                Event::MessageOut => query,
            };
        }
        if let Some(buyer) = self.buyer {
            query = query.filter(conversations::first_user.eq(buyer.0));
        }
        if let Some(state) = self.state {
            query = match state {
                State::Resolved => query.filter(t::resolved_at.is_not_null()),
                state => query.filter(t::resolved_at.is_null().and(conversations::state.eq(state.as_str()))),
            };
        }
        if let Some(UserId(agent)) = self.held_by {
            query = query.filter(t::resolved_at.is_null().and(conversations::claimed_by.eq(agent).assume_not_null()));
        }
        if let Some(left) = self.left_message {
            query = query.filter(t::left_message.eq(left));
        }
        if let Some(outbound) = self.outbound {
            query = query.filter(t::outbound.eq(outbound));
        }
        if let Some(by_bot) = self.by_bot {
            query =
                if by_bot { query.filter(t::offered_at.is_null()) } else { query.filter(t::offered_at.is_not_null()) };
        }
        if let Some(score) = self.score {
            query = query.filter(t::score.eq(score));
        }
        if self.within_30s.is_some() {
            query = query.filter(t::left_message.eq(false).and(t::outbound.eq(false)));
        }
        query
    }
}

type Joined = diesel::dsl::InnerJoin<
    t::table,
    diesel::dsl::On<conversations::table, diesel::dsl::Eq<conversations::id, t::conversation_id>>,
>;
type Tickets<'a> = diesel::dsl::IntoBoxed<'a, Joined, MultiBackend>;

/// A page of tickets after this place; what only a clock can tell is not looked at.
pub fn page(
    db: &mut Db,
    shop: ShopId,
    sought: &Sought,
    after: Option<[i64; 3]>,
    limit: i64,
) -> QueryResult<Vec<Listed>> {
    let mut query = sought.rows(shop);
    let at = || sql::<BigInt>(sought.column());
    if let Some([when, conversation, number]) = after {
        let earlier =
            t::conversation_id.lt(conversation).or(t::conversation_id.eq(conversation).and(t::number.lt(number)));
        // The first of these says nothing new, and is what an index understands.
        query = query.filter(at().le(when)).filter(at().lt(when).or(at().eq(when).and(earlier)));
    }
    let messages = match sought.side() {
        Some(side) => format!("(SELECT count(*) {})", sought.messages(side)),
        None => "CAST(0 AS BIGINT)".to_owned(),
    };
    let rows: Vec<(Row, i64, i64, i64)> = query
        .order((at().desc(), t::conversation_id.desc(), t::number.desc()))
        .limit(limit)
        .select((Row::as_select(), conversations::first_user, sql::<BigInt>(&messages), at()))
        .load(db)?;
    let listed = |(row, buyer, messages, at)| Listed { row, buyer: UserId(buyer), messages, at };
    Ok(rows.into_iter().map(listed).collect())
}

/// A page of a list, the latest first, after this place. Blocks; reads in short pieces.
///
/// # Errors
/// What the store says.
pub fn find(
    readers: &Readers,
    shop: ShopId,
    sought: &Sought,
    clock: &Clock,
    mut after: Option<[i64; 3]>,
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let size = if sought.within_30s.is_some() { PAGE } else { limit as i64 };
    let mut found = Vec::new();
    loop {
        let rows = readers.read(|db| page(db, shop, sought, after, size))?;
        let is_last = (rows.len() as i64) < size;
        after = rows.last().map(Listed::place);
        found.extend(rows.into_iter().filter(|listed| sought.meets(&listed.row.ticket(), clock)));
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

/// How long a list is. Blocks; reads in short pieces.
///
/// # Errors
/// What the store says.
pub fn count(readers: &Readers, shop: ShopId, sought: &Sought, clock: &Clock) -> Result<Count, Error> {
    if sought.side().is_none() && sought.within_30s.is_none() {
        let tickets = readers.read(|db| sought.rows(shop).count().get_result(db))?;
        return Ok(Count { tickets, messages: 0 });
    }
    let (mut count, mut after) = (Count::default(), None);
    loop {
        let rows = readers.read(|db| page(db, shop, sought, after, PAGE))?;
        for listed in rows.iter().filter(|listed| sought.meets(&listed.row.ticket(), clock)) {
            count.tickets += 1;
            count.messages += listed.messages;
        }
        match rows.last() {
            Some(last) if rows.len() as i64 == PAGE => after = Some(last.place()),
            _ => return Ok(count),
        }
    }
}
