//! Indexing: what has been said above a conversation's position in `search_positions`, and what `search_changes` names.
//!
//! Nothing is written for it when a message is: that a conversation goes beyond its position tells all there is to know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::{
    PgConnection, SqliteConnection,
    dsl::{exists, sql},
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};

use super::{
    terms::{Lexemes, spaced},
    vector::Vector,
};
use crate::{
    domain::ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    store::{
        Db,
        conversations::active_since,
        schema::{
            conversations as c, messages as m, search_changes as n, search_documents as d, search_positions as o,
        },
        unnest::unnest,
    },
};

diesel::table! {
    /// As SQLite has it.
    search_words (rowid) {
        rowid -> BigInt,
        words -> Text,
    }
}

/// The lower bits of a message's id, which tell those of one millisecond apart; above them is its time.
const LOWER: u32 = 20;
/// Puts conversations far apart there (Knuth's multiplicative hashing).
const SPREAD: i64 = 2_654_435_761;
const LATEST: i64 = i64::MAX >> LOWER;

/// A conversation that goes beyond its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    pub conversation: ConversationId,
    pub last_seq: Seq,
}

/// What has become of an attempt to index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// So many messages; `all` that there were.
    Messages { count: usize, all: bool },
    /// Another node is at it.
    Elsewhere,
}

/// Up to `limit` conversations that go beyond their position, of those changed since `since`; the latest first.
pub fn behind(db: &mut Db, since: Timestamp, limit: usize) -> QueryResult<Vec<Behind>> {
    let rows: Vec<(i64, i64)> = c::table
        .left_join(o::table.on(o::conversation_id.eq(c::id)))
        .filter(active_since(since).and(c::shop_id.is_not_null()))
        .filter(sql::<Bool>("conversations.last_seq > COALESCE(search_positions.seq, 0)"))
        .order((c::updated_second.desc(), c::updated_at.desc()))
        .limit(limit as i64)
        .select((c::id, c::last_seq))
        .load(db)?;
    Ok(rows.into_iter().map(|(id, last_seq)| Behind { conversation: ConversationId(id), last_seq }).collect())
}

/// Whether messages have been changed since they were indexed.
pub fn is_changed(db: &mut Db) -> QueryResult<bool> {
    diesel::select(exists(n::table.select(n::id))).get_result(db)
}

/// The ids of messages of a time and after begin here.
pub const fn first_id(at: i64) -> i64 {
    match at {
        ..0 => 0,
        LATEST.. => LATEST << LOWER,
        at => at << LOWER,
    }
}

/// A message that is to be indexed.
struct Document {
    id: i64,
    shop: ShopId,
    conversation: i64,
    seq: Seq,
    words: Lexemes,
}

/// Indexes up to `limit` messages, and as many changed ones, as they are now; `words` gives those of each searched part of a content.
/// Within a transaction.
pub fn index(
    db: &mut Db,
    behind: &[Behind],
    limit: usize,
    words: impl Fn(&str) -> Vec<Vec<String>>,
) -> QueryResult<Indexed> {
    if !is_ours(db)? {
        return Ok(Indexed::Elsewhere);
    }
    let notes = notes(db, limit)?;
    let behind: Vec<Behind> = notes.iter().filter_map(Note::behind).chain(behind.iter().copied()).collect();
    let New { mut places, positions, stand, mut all } = new(db, &behind, limit)?;
    // A message that is not indexed yet keeps its note until it is: whoever indexes it then knows that it is another than it was.
    let notes: Vec<Note> = notes.into_iter().filter(|note| note.is_due(&stand)).collect();
    let count = places.len() + notes.len();
    all &= notes.len() < limit;
    let changed: BTreeSet<(i64, Seq)> = notes.iter().map(|note| (note.conversation, note.seq)).collect();
    places.extend(&changed);
    if places.is_empty() {
        return Ok(Indexed::Messages { count, all });
    }
    let mut said = load(db, &places)?;
    said.sort_unstable_by_key(|row| (row.at, row.conversation_id, row.seq));
    // What goes beyond a position is not in the index.
    remove(db, &changed)?;
    let mut documents: Vec<Document> = said.into_iter().filter_map(|row| Document::of(&row, &words)).collect();
    number(db, &mut documents)?;
    match db {
        Db::Postgres(db) => insert_all(db, &documents)?,
        Db::Sqlite(db) => documents.iter().try_for_each(|document| insert(db, document))?,
    }
    set_positions(db, &positions)?;
    let ids: Vec<i64> = notes.iter().map(|note| note.id).collect();
    if !ids.is_empty() {
        diesel::delete(n::table.filter(n::id.eq_any(ids))).execute(db)?;
    }
    Ok(Indexed::Messages { count, all })
}

/// That a message is another than it was.
#[derive(Queryable)]
struct Note {
    id: i64,
    conversation: i64,
    seq: Seq,
    is_of_shop: bool,
}

impl Note {
    /// The message may not be indexed yet, and its conversation not be among those that are looked at.
    fn behind(&self) -> Option<Behind> {
        let conversation = ConversationId(self.conversation);
        self.is_of_shop.then_some(Behind { conversation, last_seq: self.seq })
    }

    /// Whether the message is indexed, or will never be.
    fn is_due(&self, stand: &HashMap<i64, Seq>) -> bool {
        !self.is_of_shop || stand.get(&self.conversation).is_some_and(|seq| *seq >= self.seq)
    }
}

fn notes(db: &mut Db, limit: usize) -> QueryResult<Vec<Note>> {
    n::table
        .left_join(c::table.on(c::id.eq(n::conversation_id)))
        .order(n::id)
        .limit(limit as i64)
        .select((n::id, n::conversation_id, n::seq, c::shop_id.nullable().is_not_null()))
        .load(db)
}

/// Puts what PostgreSQL has only taken down yet into the index itself: it goes through all that is not there for each search (up to
/// `gin_pending_list_limit`, 4 MB), and comes to it by itself only when that is full.
pub fn settle(db: &mut Db) -> QueryResult<()> {
    match db {
        Db::Postgres(db) => sql_query("SELECT gin_clean_pending_list('search_words_by_word')").execute(db).map(drop),
        Db::Sqlite(_) => Ok(()),
    }
}

/// What has been said since conversations were looked at last.
struct New {
    places: BTreeSet<(i64, Seq)>,
    /// Where conversations stand once this is indexed: those that have moved, and all that were looked at.
    positions: BTreeMap<i64, Seq>,
    stand: HashMap<i64, Seq>,
    all: bool,
}

/// A conversation has all numbers up to its last.
fn new(db: &mut Db, behind: &[Behind], limit: usize) -> QueryResult<New> {
    let mut new = New { places: BTreeSet::new(), positions: BTreeMap::new(), stand: HashMap::new(), all: true };
    if behind.is_empty() {
        return Ok(new);
    }
    let ids: BTreeSet<i64> = behind.iter().map(|behind| behind.conversation.0).collect();
    let stand: Vec<(i64, Seq)> =
        o::table.filter(o::conversation_id.eq_any(ids)).select((o::conversation_id, o::seq)).load(db)?;
    new.stand = stand.into_iter().collect();
    for Behind { conversation: ConversationId(id), last_seq } in behind {
        let from = new.stand.get(id).copied().unwrap_or(0);
        let upto = (*last_seq).min(from + (limit - new.places.len()) as i64);
        new.all &= upto >= *last_seq;
        if upto > from {
            new.places.extend((from + 1..=upto).map(|seq| (*id, seq)));
            new.positions.insert(*id, upto);
            new.stand.insert(*id, upto);
        }
    }
    Ok(new)
}

fn set_positions(db: &mut Db, positions: &BTreeMap<i64, Seq>) -> QueryResult<()> {
    match db {
        _ if positions.is_empty() => {}
        Db::Postgres(db) => {
            unnest::<()>("INSERT INTO search_positions (conversation_id, seq) SELECT * FROM")
                .column(positions.keys().copied())
                .column(positions.values().copied())
                .then("ON CONFLICT (conversation_id) DO UPDATE SET seq = EXCLUDED.seq")
                .execute(db)?;
        }
        Db::Sqlite(db) => {
            for (conversation, seq) in positions {
                let values = (o::conversation_id.eq(conversation), o::seq.eq(seq));
                diesel::replace_into(o::table).values(values).execute(db)?;
            }
        }
    }
    Ok(())
}

/// One node indexes at a time, or one could put into the index what a message was before another indexed what it is. PostgreSQL gives
/// the lock back with the transaction, however it ends.
fn is_ours(db: &mut Db) -> QueryResult<bool> {
    match db {
        Db::Sqlite(_) => Ok(true),
        Db::Postgres(db) => {
            diesel::select(sql::<Bool>("pg_try_advisory_xact_lock(727075, hashtext(current_schema()))")).get_result(db)
        }
    }
}

impl Document {
    /// `None` where there is nothing to be searched for.
    fn of(said: &Said, words: impl Fn(&str) -> Vec<Vec<String>>) -> Option<Document> {
        let shop = ShopId(said.shop_id);
        let id = ConversationId(said.conversation_id);
        let words = Lexemes::of(shop, UserId(said.sender_id), id, words(&said.content))?;
        // Seldom the same for two messages of one millisecond, and then the later one moves up.
        let lower = said.conversation_id.wrapping_mul(SPREAD).wrapping_add(said.seq) & ((1 << LOWER) - 1);
        let (conversation, seq) = (said.conversation_id, said.seq);
        Some(Document { id: first_id(said.at) | lower, shop, conversation, seq, words })
    }
}

/// A message of a shop.
#[derive(Queryable)]
struct Said {
    conversation_id: i64,
    seq: i64,
    shop_id: i64,
    sender_id: i64,
    content: String,
    at: i64,
}

/// Those of the messages that belong to a shop: direct ones are nobody's to search in.
fn load(db: &mut Db, places: &BTreeSet<(i64, i64)>) -> QueryResult<Vec<Said>> {
    if let Db::Postgres(db) = db {
        return unnest::<(BigInt, BigInt, BigInt, BigInt, Text, BigInt)>(
            "SELECT m.conversation_id, m.seq, c.shop_id, m.sender_id, m.content, m.at FROM",
        )
        .column(places.iter().map(|place| place.0))
        .column(places.iter().map(|place| place.1))
        .then(
            "AS k (c, s) JOIN messages m ON m.conversation_id = k.c AND m.seq = k.s \
             JOIN conversations c ON c.id = k.c WHERE c.shop_id IS NOT NULL",
        )
        .load(db);
    }
    let mut said = Vec::with_capacity(places.len());
    for (conversation, seq) in places {
        let columns = (m::conversation_id, m::seq, c::shop_id.assume_not_null(), m::sender_id, m::content, m::at);
        let row: Option<Said> = m::table
            .find((conversation, seq))
            .inner_join(c::table.on(c::id.eq(m::conversation_id)))
            .filter(c::shop_id.is_not_null())
            .select(columns)
            .first(db)
            .optional()?;
        said.extend(row);
    }
    Ok(said)
}

/// Takes messages out of the index.
fn remove(db: &mut Db, places: &BTreeSet<(i64, i64)>) -> QueryResult<()> {
    match db {
        _ if places.is_empty() => {}
        Db::Postgres(db) => {
            unnest::<()>("DELETE FROM search_words w USING")
                .column(places.iter().map(|place| place.0))
                .column(places.iter().map(|place| place.1))
                .then(
                    "AS k (c, s) JOIN search_documents d ON d.conversation_id = k.c AND d.seq = k.s \
                     JOIN conversations c ON c.id = k.c WHERE w.shop_id = c.shop_id AND w.id = d.id",
                )
                .execute(db)?;
            unnest::<()>("DELETE FROM search_documents d USING")
                .column(places.iter().map(|place| place.0))
                .column(places.iter().map(|place| place.1))
                .then("AS k (c, s) WHERE d.conversation_id = k.c AND d.seq = k.s")
                .execute(db)?;
        }
        Db::Sqlite(db) => {
            for (conversation, seq) in places {
                let of = d::conversation_id.eq(conversation).and(d::seq.eq(seq));
                let Some(id) = d::table.filter(of).select(d::id).first::<i64>(db).optional()? else { continue };
                diesel::delete(search_words::table.find(id)).execute(db)?;
                diesel::delete(d::table.find(id)).execute(db)?;
            }
        }
    }
    Ok(())
}

/// Gives documents whose id is another's the next one that is free.
fn number(db: &mut Db, documents: &mut [Document]) -> QueryResult<()> {
    let ids: Vec<i64> = documents.iter().map(|document| document.id).collect();
    let mut taken: BTreeSet<i64> = d::table.filter(d::id.eq_any(ids)).select(d::id).load(db)?.into_iter().collect();
    for document in documents {
        while !taken.insert(document.id) {
            document.id += 1;
            if diesel::select(exists(d::table.find(document.id))).get_result(db)? {
                taken.insert(document.id);
            }
        }
    }
    Ok(())
}

fn insert_all(db: &mut PgConnection, documents: &[Document]) -> QueryResult<()> {
    let vectors: Vec<Vector> = documents.iter().map(|document| Vector::of(&document.words)).collect();
    unnest::<()>("INSERT INTO search_documents (id, conversation_id, seq) SELECT * FROM")
        .column(documents.iter().map(|document| document.id))
        .column(documents.iter().map(|document| document.conversation))
        .column(documents.iter().map(|document| document.seq))
        .execute(db)?;
    unnest::<()>("INSERT INTO search_words (shop_id, id, words) SELECT * FROM")
        .column(documents.iter().map(|document| document.shop.0))
        .column(documents.iter().map(|document| document.id))
        .column(vectors.iter())
        .execute(db)?;
    Ok(())
}

fn insert(db: &mut SqliteConnection, document: &Document) -> QueryResult<()> {
    let Document { id, conversation, seq, words, .. } = document;
    let values = (d::id.eq(id), d::conversation_id.eq(conversation), d::seq.eq(seq));
    diesel::insert_into(d::table).values(values).execute(db)?;
    let values = (search_words::rowid.eq(id), search_words::words.eq(spaced(words)));
    diesel::insert_into(search_words::table).values(values).execute(db).map(drop)
}
