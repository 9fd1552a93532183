//! Finding: the newest messages first.
//!
//! SQLite goes through a word's messages in the order of their ids, which is that of their times, and stops when it has enough. PostgreSQL
//! finds all of a word's messages before it can order them: so it first looks at a shop's latest messages one by one, where a common word
//! is soon found often enough, and asks the index for those words only that are rare there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, SqliteConnection,
    connection::SimpleConnection,
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_query,
    sql_types::{BigInt, Nullable, SmallInt, Text},
};

use super::{
    index::first_id,
    terms::{Words, fts5, tsquery},
};
use crate::{
    domain::{
        command::Message,
        conversation::Speaker,
        cursor::Which,
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
        people::Person,
        search::Query,
    },
    store::{Db, messages::Record, people::People, receipts},
};

/// Longer than this no search goes on.
const PATIENCE: Duration = Duration::from_secs(2);
const SETTINGS: &str = "SET LOCAL statement_timeout = 2000; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";
/// How many of a shop's latest messages PostgreSQL looks at one by one.
const LATEST: i64 = 1_000;
/// So many of these, and a word is a common one.
const COMMON: usize = 50;
/// How far back SQLite looks first: thirty days; then four times as far.
const FIRST_STEP: i64 = first_id(30 * 86_400_000);
/// A query that means no more messages than these is answered by looking at all of them.
const FEW: usize = 2_000;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Sought {
    pub shop: ShopId,
    pub query: Query,
    pub sender: Option<UserId>,
    /// At or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A message that may have what is searched for. The index says so; it may have been changed a moment ago.
#[derive(Clone, Debug)]
pub struct Found {
    /// The later the message, the larger.
    pub id: i64,
    pub record: Record,
    pub buyer: Arc<Person>,
}

/// Up to `limit` messages below an id, the latest first.
///
/// # Errors
/// What the database says; also when it takes longer than two seconds.
pub fn page(db: &mut Db, sought: &Sought, below: Option<i64>, limit: usize) -> QueryResult<Vec<Found>> {
    let ids = ids(db, sought, below, limit)?;
    load(db, sought.shop, &ids)
}

/// The conversations of all messages that are meant; `None` where these are many.
///
/// # Errors
/// As [`page`].
pub fn conversations(db: &mut Db, sought: &Sought) -> QueryResult<Option<Vec<ConversationId>>> {
    let range = Range::of(sought, None);
    let found = match db {
        Db::Sqlite(db) => on_sqlite(db, sought, range, FEW + 1)?,
        Db::Postgres(db) => {
            db.batch_execute(SETTINGS)?;
            let asked = asked_of_postgres(sought);
            match among_latest(db, sought.shop, &asked, range, COMMON)? {
                latest if latest.len() == COMMON => return Ok(None),
                _ => by_index(db, &asked, range, FEW + 1)?,
            }
        }
    };
    if found.len() > FEW {
        return Ok(None);
    }
    let query = format!("SELECT DISTINCT conversation_id AS id FROM search_documents WHERE id IN ({})", listed(&found));
    let rows: Vec<Id> = sql_query(query).load(db)?;
    Ok(Some(rows.into_iter().map(|row| ConversationId(row.id)).collect()))
}

/// Whether one of a conversation's messages is meant.
///
/// # Errors
/// What the database says.
pub fn is_in(db: &mut Db, shop: ShopId, query: &Query, conversation: ConversationId) -> QueryResult<bool> {
    let words = Words(shop);
    let found: Option<Id> = match db {
        Db::Sqlite(db) => sql_query("SELECT rowid AS id FROM search_words WHERE search_words MATCH ? LIMIT 1")
            .bind::<Text, _>(fts5(words, query, &[words.conversation(conversation)]))
            .get_result(db),
        Db::Postgres(db) => sql_query(
            "SELECT w.id FROM search_documents d JOIN search_words w ON w.shop_id = $1 AND w.id = d.id \
             WHERE d.conversation_id = $2 AND w.words @@ $3::tsquery LIMIT 1",
        )
        .bind::<BigInt, _>(shop.0)
        .bind::<BigInt, _>(conversation.0)
        .bind::<Text, _>(tsquery(words, query, &[]))
        .get_result(db),
    }
    .optional()?;
    Ok(found.is_some())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Ids from the first to below the second.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: i64,
    below: i64,
}

impl Range {
    fn of(sought: &Sought, below: Option<i64>) -> Range {
        let from = sought.from.map_or(0, |at| first_id(at.0));
        let to = sought.to.map_or(i64::MAX, |at| first_id(at.0));
        Range { from, below: below.map_or(to, |below| below.min(to)) }
    }
}

fn ids(db: &mut Db, sought: &Sought, below: Option<i64>, limit: usize) -> QueryResult<Vec<i64>> {
    let range = Range::of(sought, below);
    match db {
        Db::Sqlite(db) => on_sqlite(db, sought, range, limit),
        Db::Postgres(db) => {
            db.batch_execute(SETTINGS)?;
            let asked = asked_of_postgres(sought);
            match among_latest(db, sought.shop, &asked, range, limit)? {
                latest if latest.len() == limit => Ok(latest),
                _ => by_index(db, &asked, range, limit),
            }
        }
    }
}

fn also(sought: &Sought) -> Vec<String> {
    sought.sender.map(|sender| Words(sought.shop).sender(sender)).into_iter().collect()
}

/// In steps, so that it can be broken off.
fn on_sqlite(db: &mut SqliteConnection, sought: &Sought, range: Range, limit: usize) -> QueryResult<Vec<i64>> {
    let asked = fts5(Words(sought.shop), &sought.query, &also(sought));
    let newest: Id = sql_query("SELECT COALESCE(MAX(id), 0) AS id FROM search_documents").get_result(db)?;
    let (mut below, mut step) = (range.below.min(newest.id + 1), FIRST_STEP);
    let started = Instant::now();
    let mut found = Vec::new();
    while below > range.from && found.len() < limit {
        if started.elapsed() > PATIENCE {
            let words = "a search took too long".to_owned();
            return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words)));
        }
        let from = below.saturating_sub(step).max(range.from);
        let rows: Vec<Id> = sql_query(
            "SELECT rowid AS id FROM search_words WHERE search_words MATCH ? AND rowid >= ? AND rowid < ? \
             ORDER BY rowid DESC LIMIT ?",
        )
        .bind::<Text, _>(&asked)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(below)
        .bind::<BigInt, _>((limit - found.len()) as i64)
        .load(db)?;
        found.extend(rows.into_iter().map(|row| row.id));
        (below, step) = (from, step.saturating_mul(4));
    }
    Ok(found)
}

fn asked_of_postgres(sought: &Sought) -> String {
    tsquery(Words(sought.shop), &sought.query, &also(sought))
}

/// Looks at a shop's latest messages, one by one.
fn among_latest(db: &mut PgConnection, shop: ShopId, asked: &str, range: Range, limit: usize) -> QueryResult<Vec<i64>> {
    let rows: Vec<Id> = sql_query(
        "SELECT latest.id FROM (SELECT id, words FROM search_words WHERE shop_id = $1 AND id >= $2 AND id < $3 \
         ORDER BY id DESC LIMIT $4) latest WHERE latest.words @@ $5::tsquery ORDER BY latest.id DESC LIMIT $6",
    )
    .bind::<BigInt, _>(shop.0)
    .bind::<BigInt, _>(range.from)
    .bind::<BigInt, _>(range.below)
    .bind::<BigInt, _>(LATEST)
    .bind::<Text, _>(asked)
    .bind::<BigInt, _>(limit as i64)
    .load(db)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Asks the index of words. The sums keep the planner from going through all messages by their ids instead.
fn by_index(db: &mut PgConnection, asked: &str, range: Range, limit: usize) -> QueryResult<Vec<i64>> {
    let rows: Vec<Id> = sql_query(
        "SELECT id FROM search_words WHERE words @@ $1::tsquery AND id + 0 >= $2 AND id + 0 < $3 \
         ORDER BY id + 0 DESC LIMIT $4",
    )
    .bind::<Text, _>(asked)
    .bind::<BigInt, _>(range.from)
    .bind::<BigInt, _>(range.below)
    .bind::<BigInt, _>(limit as i64)
    .load(db)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A message, with when the other side received and read it.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    conversation_id: i64,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = BigInt)]
    sender_id: i64,
    #[diesel(sql_type = Text)]
    speaker: String,
    #[diesel(sql_type = SmallInt)]
    side: i16,
    #[diesel(sql_type = Text)]
    client_id: String,
    #[diesel(sql_type = Text)]
    content: String,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    edited_at: Option<i64>,
    #[diesel(sql_type = BigInt)]
    buyer_id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    delivered_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    read_at: Option<i64>,
}

fn load(db: &mut Db, shop: ShopId, ids: &[i64]) -> QueryResult<Vec<Found>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let receipt = |kind: i16| {
        format!(
            "(SELECT r.at FROM receipts r WHERE r.conversation_id = m.conversation_id AND r.side = 1 - m.side \
             AND r.kind = {kind} AND r.seq >= m.seq ORDER BY r.seq LIMIT 1)"
        )
    };
    let query = format!(
        "SELECT d.id, m.conversation_id, m.seq, m.sender_id, m.speaker, m.side, m.client_id, m.content, m.at, m.edited_at, \
         c.first_user AS buyer_id, {} AS delivered_at, {} AS read_at FROM search_documents d \
         JOIN messages m ON m.conversation_id = d.conversation_id AND m.seq = d.seq \
         JOIN conversations c ON c.id = d.conversation_id WHERE d.id IN ({}) AND c.shop_id = {shop} ORDER BY d.id DESC",
        receipt(receipts::DELIVERED),
        receipt(receipts::READ),
        listed(ids),
    );
    let rows: Vec<Row> = match db {
        Db::Postgres(db) => sql_query(query).load(db)?,
        Db::Sqlite(db) => sql_query(query).load(db)?,
    };
    let mut people = People::default();
    people.learn(db, rows.iter().flat_map(|row| [UserId(row.sender_id), UserId(row.buyer_id)]).collect())?;
    let shop = people.shop(db, shop)?;
    let found = |row: Row| {
        let message = Message {
            conversation: ConversationId(row.conversation_id),
            seq: row.seq,
            shop: Some(shop.shop.clone()),
            from: people.person(db, UserId(row.sender_id))?,
            speaker: Speaker::parse(&row.speaker).unwrap_or(Speaker::User),
            side: Which::from_index(row.side),
            content: row.content.into(),
            client_id: row.client_id.into(),
            at: Timestamp(row.at),
        };
        let [delivered_at, read_at, edited_at] =
            [row.delivered_at, row.read_at, row.edited_at].map(|at| at.map(Timestamp));
        let buyer = people.person(db, UserId(row.buyer_id))?;
        Ok(Found { id: row.id, record: Record { message, delivered_at, read_at, edited_at }, buyer })
    };
    rows.into_iter().map(found).collect()
}

fn listed(ids: &[i64]) -> String {
    match ids {
        [] => "NULL".to_owned(),
        ids => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
