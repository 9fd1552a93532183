//! `prepared`: messages in two phases. Whoever decides changes the row only while it is open, in the transaction that also stores the
//! message, if there is one: so there is one decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
};

use super::{
    Db,
    backend::{Both, MultiBackend, columns},
    people::People,
    schema::{prepared as t, users},
    unnest::unnest,
};
use crate::{
    domain::{
        content::Content,
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
        prepared::{Decider, Fate, Prepared, State},
    },
    failpoint,
};

const OPEN: [&str; 2] = ["prepared", "parked"];

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = t)]
pub struct Row {
    pub id: i64,
    pub ticket: String,
    pub shop_id: i64,
    pub sender_id: i64,
    pub client_id: String,
    pub conversation_id: Option<i64>,
    pub digest: Vec<u8>,
    /// JSON; `None` as soon as it is decided.
    pub content: Option<String>,
    pub state: String,
    pub at: i64,
    /// When the shop is asked; `None`: never again.
    pub due_at: Option<i64>,
    pub asked: i32,
    /// What the last asking has come to.
    pub heard: Option<String>,
    pub decided_at: Option<i64>,
    pub decided_by: Option<String>,
    /// Of the message that it has become.
    pub seq: Option<i64>,
}

impl Row {
    fn prepared(self, db: &mut Db, people: &mut People) -> QueryResult<Prepared> {
        let (shop, sender) = (people.shop(db, ShopId(self.shop_id))?, people.person(db, UserId(self.sender_id))?);
        let conversation = self.conversation_id.map(ConversationId);
        let fate = match (self.content, conversation, self.seq, self.decided_at) {
            (Some(json), ..) => {
                Fate::Open(Content { json: json.into(), digest: self.digest.try_into().unwrap_or_default() })
            }
            (None, Some(conversation), Some(seq), Some(at)) => Fate::Committed { conversation, seq, at: Timestamp(at) },
            (None, ..) => Fate::Aborted,
        };
        let (ticket, client_id) = (self.ticket.into(), self.client_id.into());
        Ok(Prepared { ticket, shop, sender, client_id, conversation, fate })
    }
}

/// A message that is to be kept until it is decided.
#[derive(Clone, Debug)]
pub struct New<'a> {
    pub ticket: &'a str,
    pub shop: ShopId,
    pub sender: UserId,
    pub client_id: &'a str,
    pub conversation: Option<ConversationId>,
    pub content: &'a Content,
    pub at: Timestamp,
    pub due_at: Timestamp,
}

pub fn insert(db: &mut Db, new: &New<'_>) -> QueryResult<Row> {
    let values = (
        t::ticket.eq(new.ticket),
        t::shop_id.eq(new.shop.0),
        t::sender_id.eq(new.sender.0),
        t::client_id.eq(new.client_id),
        t::conversation_id.eq(new.conversation.map(|id| id.0)),
        t::digest.eq(&new.content.digest[..]),
        t::content.eq(Some(&*new.content.json)),
        t::state.eq(State::Prepared.as_str()),
        t::at.eq(new.at.0),
        t::due_at.eq(Some(new.due_at.0)),
        t::asked.eq(0),
    );
    Both(diesel::insert_into(t::table).values(values).returning(columns::<Row>())).get_result(db)
}

/// What its sender has prepared under this `id`.
pub fn by_key(db: &mut Db, shop: ShopId, sender: UserId, client_id: &str) -> QueryResult<Option<Row>> {
    let key = t::shop_id.eq(shop.0).and(t::sender_id.eq(sender.0)).and(t::client_id.eq(client_id));
    t::table.filter(key).select(Row::as_select()).first(db).optional()
}

pub fn by_ticket(db: &mut Db, ticket: &str) -> QueryResult<Option<Row>> {
    t::table.filter(t::ticket.eq(ticket)).select(Row::as_select()).first(db).optional()
}

/// Those of these tickets.
pub fn of_tickets(db: &mut Db, people: &mut People, tickets: &BTreeSet<Arc<str>>) -> QueryResult<Vec<Prepared>> {
    let rows: Vec<Row> = match db {
        Db::Postgres(db) => {
            let tickets: Vec<&str> = tickets.iter().map(|ticket| &**ticket).collect();
            t::table.filter(t::ticket.eq_any(tickets)).select(Row::as_select()).load(db)?
        }
        Db::Sqlite(_) => {
            tickets.iter().filter_map(|ticket| by_ticket(db, ticket).transpose()).collect::<QueryResult<_>>()?
        }
    };
    people.learn(db, rows.iter().map(|row| UserId(row.sender_id)).collect())?;
    people.learn_shops(db, rows.iter().map(|row| ShopId(row.shop_id)).collect())?;
    rows.into_iter().map(|row| row.prepared(db, people)).collect()
}

/// What has become a message, where and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub at: Timestamp,
    pub by: &'static str,
}

/// Notes in the transaction that stores the messages what they were prepared as. Where somebody else has decided meanwhile it fails, and
/// the transaction is run again.
pub fn commit(db: &mut Db, committed: &BTreeMap<Arc<str>, Committed>) -> QueryResult<()> {
    if committed.is_empty() {
        return Ok(());
    }
    failpoint::pass("commit.written");
    let all = || committed.values();
    let changed = match db {
        Db::Postgres(db) => unnest::<()>(
            "UPDATE prepared p SET state = 'committed', content = NULL, due_at = NULL, conversation_id = k.c, seq = k.s, \
             decided_at = k.a, decided_by = k.b FROM",
        )
        .column(committed.keys().map(|ticket| &**ticket))
        .column(all().map(|message| message.conversation.0))
        .column(all().map(|message| message.seq))
        .column(all().map(|message| message.at.0))
        .column(all().map(|message| message.by))
        .then("AS k (t, c, s, a, b) WHERE p.ticket = k.t AND p.state IN ('prepared', 'parked')")
        .execute(db)?,
        Db::Sqlite(_) => committed.iter().try_fold(0, |changed, (ticket, message)| {
            let place = (t::conversation_id.eq(Some(message.conversation.0)), t::seq.eq(Some(message.seq)));
            let decided = decided(State::Committed, message.by, message.at);
            Ok::<usize, Error>(changed + diesel::update(t::table.filter(t::ticket.eq(&**ticket)).filter(t::state.eq_any(OPEN))).set((place, decided)).execute(db)?)
        })?,
    };
    let meanwhile = || Box::new("a prepared message has been decided meanwhile".to_owned());
    let all_were_open = changed == committed.len();
    all_were_open
        .then_some(())
        .ok_or_else(|| Error::DatabaseError(DatabaseErrorKind::SerializationFailure, meanwhile()))
}

/// Whether something is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aborted {
    Now,
    Before,
    /// It has become a message, or is not there.
    Never,
}

/// Drops it, if nobody has decided yet.
pub fn abort(db: &mut Db, ticket: &str, by: &Decider, now: Timestamp) -> QueryResult<Aborted> {
    let open = t::table.filter(t::ticket.eq(ticket)).filter(t::state.eq_any(OPEN));
    if diesel::update(open).set(decided(State::Aborted, by.as_str(), now)).execute(db)? == 1 {
        return Ok(Aborted::Now);
    }
    let is_aborted = by_ticket(db, ticket)?.is_some_and(|row| row.state == State::Aborted.as_str());
    Ok(if is_aborted { Aborted::Before } else { Aborted::Never })
}

/// Drops what a person has prepared in a shop and nobody has decided.
pub fn abort_all_of(db: &mut Db, shop: ShopId, sender: UserId, now: Timestamp) -> QueryResult<usize> {
    let theirs = t::shop_id.eq(shop.0).and(t::sender_id.eq(sender.0)).and(t::state.eq_any(OPEN));
    let aborted = decided(State::Aborted, Decider::Erasure.as_str(), now);
    diesel::update(t::table.filter(theirs)).set(aborted).execute(db)
}

/// Drops what was prepared in a shop before `before` and nobody has decided.
pub fn abort_older(db: &mut Db, shop: ShopId, before: Timestamp, now: Timestamp) -> QueryResult<usize> {
    let old = t::shop_id.eq(shop.0).and(t::at.lt(before.0)).and(t::state.eq_any(OPEN));
    let aborted = decided(State::Aborted, Decider::Retention.as_str(), now);
    diesel::update(t::table.filter(old)).set(aborted).execute(db)
}

/// Forgets some of those that were decided before `before`; gives how many.
pub fn remove_decided(db: &mut Db, before: Timestamp, limit: usize) -> QueryResult<usize> {
    let some = t::table.filter(t::decided_at.lt(before.0)).order(t::decided_at).limit(limit as i64);
    let some: Vec<i64> = some.select(t::id).load(db)?;
    diesel::delete(t::table.filter(t::id.eq_any(some))).execute(db)
}

type Decided = (
    diesel::dsl::Eq<t::state, &'static str>,
    diesel::dsl::Eq<t::content, Option<String>>,
    diesel::dsl::Eq<t::due_at, Option<i64>>,
    diesel::dsl::Eq<t::decided_at, Option<i64>>,
    diesel::dsl::Eq<t::decided_by, Option<&'static str>>,
);

/// What is written when it is decided: of its content nothing is left here.
fn decided(state: State, by: &'static str, now: Timestamp) -> Decided {
    (
        t::state.eq(state.as_str()),
        t::content.eq(None),
        t::due_at.eq(None),
        t::decided_at.eq(Some(now.0)),
        t::decided_by.eq(Some(by)),
    )
}

// Asking.

/// Those about which shops are to be asked now, but for those shops that are `busy`.
pub fn due(db: &mut Db, now: Timestamp, busy: &[ShopId], limit: usize) -> QueryResult<Vec<Row>> {
    let due = t::due_at.le(now.0).and(t::shop_id.ne_all(busy.iter().map(|shop| shop.0).collect::<Vec<_>>()));
    t::table.filter(due).order(t::due_at).limit(limit as i64).select(Row::as_select()).load(db)
}

/// Takes the asking about one upon oneself until `until`; false where another node has, or somebody has decided.
pub fn take(db: &mut Db, row: &Row, until: Timestamp) -> QueryResult<bool> {
    let still = t::table.find(row.id).filter(t::due_at.eq(row.due_at));
    let taken = (t::due_at.eq(Some(until.0)), t::asked.eq(row.asked + 1));
    Ok(diesel::update(still).set(taken).execute(db)? == 1)
}

/// Notes what an asking has come to, and when the next one is due; `None`: an admin decides. False where somebody has decided meanwhile.
pub fn heard(db: &mut Db, id: i64, heard: &str, next: Option<Timestamp>) -> QueryResult<bool> {
    let row = t::table.find(id).filter(t::state.eq(State::Prepared.as_str()));
    let state = if next.is_some() { State::Prepared } else { State::Parked };
    let values = (t::heard.eq(Some(heard)), t::due_at.eq(next.map(|next| next.0)), t::state.eq(state.as_str()));
    Ok(diesel::update(row).set(values).execute(db)? == 1)
}

// Reading.

/// With the sender's `uid` and name.
pub type Found = (Row, String, String);

/// A shop's, after the one of number `after`, in the order in which they were prepared.
pub fn page(db: &mut Db, shop: ShopId, state: Option<State>, after: i64, limit: i64) -> QueryResult<Vec<Found>> {
    let mut query = t::table
        .inner_join(users::table)
        .filter(t::shop_id.eq(shop.0).and(t::id.gt(after)))
        .select((Row::as_select(), users::uid, users::name))
        .into_boxed::<MultiBackend>();
    if let Some(state) = state {
        query = query.filter(t::state.eq(state.as_str()));
    }
    query.order(t::id).limit(limit).load(db)
}
