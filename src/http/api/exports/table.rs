//! What is exported: the columns, and the rows of each page.

use std::{io, sync::Arc};

use diesel::QueryResult;
use serde_json::Value;

use crate::{
    domain::{
        ids::{ShopId, Timestamp},
        people::Person,
    },
    export::{Cell, Table},
    store::{
        Db,
        exports::{self, Act, Place, Said, Span, Ticket},
        people::People,
    },
};

/// The rows of a page: a reading of some milliseconds.
const PAGE: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Messages,
    Tickets,
    Audit,
}

const MESSAGES: &[&str] = &[
    "conversation",
    "seq",
    "at",
    "buyer",
    "buyer_name",
    "from",
    "from_name",
    "role",
    "kind",
    "text",
    "title",
    "url",
    "delivered_at",
    "read_at",
    "edited_at",
];
const TICKETS: &[&str] = &[
    "conversation",
    "number",
    "buyer",
    "buyer_name",
    "opened_at",
    "offered_at",
    "outbound",
    "left_message",
    "claimed_at",
    "claimed_by",
    "last_claimed_by",
    "answered_at",
    "answered_by",
    "resolved_at",
    "resolved_by",
    "claim_ms",
    "first_response_ms",
    "resolution_ms",
    "messages",
    "rated_at",
    "score",
    "comment",
];
const AUDIT: &[&str] = &["id", "at", "by", "by_name", "address", "what", "subject", "before", "after"];

impl What {
    const ALL: [What; 3] = [What::Messages, What::Tickets, What::Audit];

    pub fn as_str(self) -> &'static str {
        match self {
            What::Messages => "messages",
            What::Tickets => "tickets",
            What::Audit => "audit",
        }
    }

    pub fn parse(s: &str) -> Option<What> {
        What::ALL.into_iter().find(|what| what.as_str() == s)
    }

    pub fn columns(self) -> &'static [&'static str] {
        match self {
            What::Messages => MESSAGES,
            What::Tickets => TICKETS,
            What::Audit => AUDIT,
        }
    }
}

/// Where the next page is read.
pub struct Source {
    shop: ShopId,
    span: Span,
    people: People,
    next: Next,
}

enum Next {
    Messages(Place),
    Tickets(Option<[i64; 3]>),
    Audit(i64),
    Nothing,
}

/// Rows that have been read.
pub enum Page {
    Messages(Vec<Said>),
    Tickets(Vec<Ticket>),
    Audit(Vec<(Act, Arc<Person>)>),
}

impl Source {
    pub fn new(what: What, link: &exports::Row) -> Source {
        let span = Span { from: Timestamp(link.from_at), to: Timestamp(link.to_at) };
        let next = match what {
            What::Messages => Next::Messages(Place::default()),
            What::Tickets => Next::Tickets(None),
            What::Audit => Next::Audit(0),
        };
        Source { shop: link.shop(), span, people: People::default(), next }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// The next rows; none where there are no more.
    pub fn page(&mut self, db: &mut Db) -> QueryResult<Page> {
        let Source { shop, span, people, next } = self;
        let is_full = |rows: usize| rows == PAGE;
        match *next {
            Next::Messages(place) => {
                let (said, more) = exports::messages(db, people, *shop, *span, place, PAGE)?;
                *next = more.map_or(Next::Nothing, Next::Messages);
                Ok(Page::Messages(said))
            }
            Next::Tickets(after) => {
                let tickets = exports::tickets(db, people, *shop, *span, after, PAGE)?;
                let last = tickets.last().filter(|_| is_full(tickets.len()));
                let place = last.map(|(row, ..)| [row.opened_at, row.conversation_id, row.number]);
                *next = place.map_or(Next::Nothing, |place| Next::Tickets(Some(place)));
                Ok(Page::Tickets(tickets))
            }
            Next::Audit(after) => {
                let acts = exports::acts(db, people, *shop, *span, after, PAGE)?;
                *next =
                    acts.last().filter(|_| is_full(acts.len())).map_or(Next::Nothing, |(act, _)| Next::Audit(act.id));
                Ok(Page::Audit(acts))
            }
            Next::Nothing => Ok(Page::Audit(Vec::new())),
        }
    }
}

impl Page {
    pub fn rows(&self) -> usize {
        match self {
            Page::Messages(rows) => rows.len(),
            Page::Tickets(rows) => rows.len(),
            Page::Audit(rows) => rows.len(),
        }
    }

    /// Adds these rows to a table.
    pub fn write(&self, table: &mut dyn Table) -> io::Result<()> {
        match self {
            Page::Messages(rows) => rows.iter().try_for_each(|said| message(table, said)),
            Page::Tickets(rows) => rows.iter().try_for_each(|row| ticket(table, row)),
            Page::Audit(rows) => rows.iter().try_for_each(|row| act(table, row)),
        }
    }
}

fn time<'a>(at: Option<i64>) -> Cell<'a> {
    Cell::maybe(at, |at| Cell::Time(Timestamp(at)))
}

fn uid(person: &Person) -> Cell<'_> {
    Cell::text(&*person.uid)
}

fn name(person: &Person) -> Cell<'_> {
    Cell::text(&*person.name)
}

fn message(table: &mut dyn Table, (buyer, record): &Said) -> io::Result<()> {
    let message = &record.message;
    let content: Value = serde_json::from_str(&message.content)?;
    let word = |name: &str| Cell::maybe(content.get(name).and_then(Value::as_str), Cell::text);
    // A file has a name where a product and an order have a title.
    let title = if content.get("title").is_some() { word("title") } else { word("name") };
    table.row(&[
        Cell::Number(message.conversation.0),
        Cell::Number(message.seq),
        Cell::Time(message.at),
        uid(buyer),
        name(buyer),
        uid(&message.from),
        name(&message.from),
        Cell::text(message.speaker.as_str()),
        word("kind"),
        word("text"),
        title,
        word("url"),
        Cell::maybe(record.delivered_at, Cell::Time),
        Cell::maybe(record.read_at, Cell::Time),
        Cell::maybe(record.edited_at, Cell::Time),
    ])
}

fn ticket(table: &mut dyn Table, (row, buyer, [claimed, last_claimed, answered, resolved]): &Ticket) -> io::Result<()> {
    let since_offered =
        |at: Option<i64>| Cell::maybe(at.zip(row.offered_at), |(at, offered)| Cell::Number(at - offered));
    let who =
        |person: &'_ Option<Arc<Person>>| Cell::maybe(person.as_ref(), |person| Cell::text(person.uid.to_string()));
    table.row(&[
        Cell::Number(row.conversation_id),
        Cell::Number(row.number),
        uid(buyer),
        name(buyer),
        Cell::Time(Timestamp(row.opened_at)),
        time(row.offered_at),
        Cell::Flag(row.outbound),
        Cell::Flag(row.left_message),
        time(row.claimed_at),
        who(claimed),
        who(last_claimed),
        time(row.answered_at),
        who(answered),
        time(row.resolved_at),
        who(resolved),
        since_offered(row.claimed_at),
        since_offered(row.answered_at),
        since_offered(row.resolved_at),
        Cell::maybe(row.last_seq, |last| Cell::Number(last - row.first_seq + 1)),
        time(row.rated_at),
        Cell::maybe(row.score, |score| Cell::Number(score.into())),
        Cell::maybe(row.comment.as_deref(), Cell::text),
    ])
}

fn act(table: &mut dyn Table, (act, by): &(Act, Arc<Person>)) -> io::Result<()> {
    let text = |text: &'_ Option<String>| Cell::maybe(text.clone(), Cell::text);
    table.row(&[
        Cell::Number(act.id),
        Cell::Time(Timestamp(act.at)),
        uid(by),
        name(by),
        text(&act.address),
        Cell::text(act.what.as_str()),
        Cell::text(act.subject.as_str()),
        text(&act.before),
        text(&act.after),
    ])
}
