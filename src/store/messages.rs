//! `messages`: what was said. The key is `(conversation_id, seq)`; `(sender_id, client_id)` makes a send happen once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use diesel::{
    SqliteConnection,
    prelude::*,
    sql_types::{BigInt, Binary, Nullable, SmallInt, Text},
};

use super::{
    Db,
    people::People,
    receipts,
    schema::{conversations, messages as t},
    unnest::{Unnest, run_together, unnest},
};
use crate::domain::{
    command::Message,
    conversation::{Conversation, Speaker},
    cursor::Which,
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    people::Shop,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = t)]
struct Row {
    seq: i64,
    sender_id: i64,
    speaker: String,
    side: i16,
    client_id: String,
    content: String,
    at: i64,
    edited_at: Option<i64>,
}

/// A message with when it was delivered, read and edited.
#[derive(Clone, Debug)]
pub struct Record {
    pub message: Message,
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    pub edited_at: Option<Timestamp>,
}

impl Row {
    fn message(self, db: &mut Db, people: &mut People, conversation: &Conversation) -> QueryResult<Message> {
        self.message_of(db, people, conversation.id, conversation.shop())
    }

    fn message_of(
        self,
        db: &mut Db,
        people: &mut People,
        conversation: ConversationId,
        shop: Option<&Arc<Shop>>,
    ) -> QueryResult<Message> {
        Ok(Message {
            conversation,
            seq: self.seq,
            shop: shop.map(|shop| shop.shop.clone()),
            from: people.person(db, UserId(self.sender_id))?,
            speaker: Speaker::parse(&self.speaker).unwrap_or(Speaker::User),
            side: Which::from_index(self.side),
            content: self.content.into(),
            client_id: self.client_id.into(),
            at: Timestamp(self.at),
        })
    }
}

/// A message that is to be stored.
#[derive(Clone, Debug)]
pub struct New {
    pub message: Arc<Message>,
    /// Of the content.
    pub digest: [u8; 16],
}

/// Stores messages; in the order of the key at best.
pub fn insert(db: &mut Db, new: &[New]) -> QueryResult<()> {
    match db {
        Db::Postgres(db) => run_together(db, insertion(new)),
        Db::Sqlite(db) => new.iter().try_for_each(|new| insert_one(db, new)),
    }
}

/// PostgreSQL's statement for it, if there are any.
pub fn insertion(new: &[New]) -> Option<Unnest<'_>> {
    let messages = || new.iter().map(|new| &*new.message);
    let statement = unnest("INSERT INTO messages (conversation_id, seq, sender_id, speaker, side, client_id, digest, content, at) SELECT * FROM")
        .column(messages().map(|m| m.conversation.0))
        .column(messages().map(|m| m.seq))
        .column(messages().map(|m| m.from.id.0))
        .column(messages().map(|m| m.speaker.as_str()))
        .column(messages().map(|m| m.side.index()))
        .column(messages().map(|m| &*m.client_id))
        .column(new.iter().map(|new| &new.digest[..]))
        .column(messages().map(|m| &*m.content))
        .column(messages().map(|m| m.at.0));
    (!new.is_empty()).then_some(statement)
}

fn insert_one(db: &mut SqliteConnection, New { message, digest }: &New) -> QueryResult<()> {
    let values = (
        t::conversation_id.eq(message.conversation.0),
        t::seq.eq(message.seq),
        t::sender_id.eq(message.from.id.0),
        t::speaker.eq(message.speaker.as_str()),
        t::side.eq(message.side.index()),
        t::client_id.eq(&*message.client_id),
        t::digest.eq(&digest[..]),
        t::content.eq(&*message.content),
        t::at.eq(message.at.0),
    );
    diesel::insert_into(t::table).values(values).execute(db).map(drop)
}

/// What was stored under a sender's `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub at: Timestamp,
    pub digest: [u8; 16],
}

/// What was stored under these keys: sender and `id`.
pub fn by_keys(db: &mut Db, keys: &BTreeSet<Key>) -> QueryResult<Vec<(Key, Stored)>> {
    type Row = (i64, String, i64, i64, i64, Vec<u8>);
    let rows: Vec<Row> = match db {
        Db::Postgres(db) => unnest::<(BigInt, Text, BigInt, BigInt, BigInt, Binary)>(
            "SELECT m.sender_id, m.client_id, m.conversation_id, m.seq, m.at, m.digest FROM",
        )
        .column(keys.iter().map(|key| key.0.0))
        .column(keys.iter().map(|key| &*key.1))
        .then("AS k (s, c) JOIN messages m ON m.sender_id = k.s AND m.client_id = k.c")
        .load(db)?,
        Db::Sqlite(db) => {
            let mut rows = Vec::new();
            for (sender, client_id) in keys {
                let row = t::table
                    .filter(t::sender_id.eq(sender.0).and(t::client_id.eq(&**client_id)))
                    .select((t::sender_id, t::client_id, t::conversation_id, t::seq, t::at, t::digest))
                    .first(db)
                    .optional()?;
                rows.extend(row);
            }
            rows
        }
    };
    let stored = |(sender, client_id, conversation, seq, at, digest): Row| {
        let digest = digest.try_into().unwrap_or_default();
        let key = (UserId(sender), client_id.into());
        (key, Stored { conversation: ConversationId(conversation), seq, at: Timestamp(at), digest })
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Whose message, and what the sender calls it.
pub type Key = (UserId, Arc<str>);

/// Messages of several conversations, each named by its place.
pub fn at(
    db: &mut Db,
    people: &mut People,
    places: &[(&Conversation, Seq)],
) -> QueryResult<Vec<((ConversationId, Seq), Message)>> {
    let mut found = Vec::new();
    let Db::Postgres(postgres) = db else {
        for (conversation, seq) in places {
            found.extend(find(db, people, conversation, *seq)?.map(|message| ((conversation.id, *seq), message)));
        }
        return Ok(found);
    };
    let rows: Vec<(i64, Row)> = unnest::<(BigInt, RowType)>(
        "SELECT k.n, m.seq, m.sender_id, m.speaker, m.side, m.client_id, m.content, m.at, m.edited_at FROM",
    )
    .column((0..).take(places.len()).map(|n: i64| n))
    .column(places.iter().map(|(conversation, _)| conversation.id.0))
    .column(places.iter().map(|(_, seq)| *seq))
    .then("AS k (n, c, s) JOIN messages m ON m.conversation_id = k.c AND m.seq = k.s")
    .load(postgres)?;
    people.learn(db, rows.iter().map(|(_, row)| UserId(row.sender_id)).collect())?;
    for (n, row) in rows {
        let Some((conversation, seq)) = usize::try_from(n).ok().and_then(|n| places.get(n)) else { continue };
        found.push(((conversation.id, *seq), row.message(db, people, conversation)?));
    }
    Ok(found)
}

/// A message, and when an admin has edited it.
#[derive(Clone, Debug)]
pub struct Said {
    pub message: Arc<Message>,
    pub edited_at: Option<Timestamp>,
}

/// Messages of a shop's conversations, by their places.
pub fn in_shop(
    db: &mut Db,
    people: &mut People,
    shop: &Arc<Shop>,
    places: &BTreeSet<(ConversationId, Seq)>,
) -> QueryResult<BTreeMap<(ConversationId, Seq), Said>> {
    let rows: Vec<(i64, Row)> = match db {
        _ if places.is_empty() => Vec::new(),
        Db::Postgres(db) => unnest::<(BigInt, RowType)>(
            "SELECT k.c, m.seq, m.sender_id, m.speaker, m.side, m.client_id, m.content, m.at, m.edited_at FROM",
        )
        .column(places.iter().map(|(conversation, _)| conversation.0))
        .column(places.iter().map(|(_, seq)| *seq))
        .then("AS k (c, s) JOIN messages m ON m.conversation_id = k.c AND m.seq = k.s")
        .load(db)?,
        Db::Sqlite(db) => {
            let mut rows = Vec::with_capacity(places.len());
            for (conversation, seq) in places {
                let row = t::table.find((conversation.0, *seq)).select(Row::as_select()).first(db).optional()?;
                rows.extend(row.map(|row| (conversation.0, row)));
            }
            rows
        }
    };
    people.learn(db, rows.iter().map(|(_, row)| UserId(row.sender_id)).collect())?;
    let mut said = BTreeMap::new();
    for (conversation, row) in rows {
        let (conversation, edited_at) = (ConversationId(conversation), row.edited_at.map(Timestamp));
        let message = Arc::new(row.message_of(db, people, conversation, Some(shop))?);
        said.insert((conversation, message.seq), Said { message, edited_at });
    }
    Ok(said)
}

/// The columns of [`Row`].
type RowType = (BigInt, BigInt, Text, SmallInt, Text, Text, BigInt, Nullable<BigInt>);

pub fn find(db: &mut Db, people: &mut People, conversation: &Conversation, seq: Seq) -> QueryResult<Option<Message>> {
    let row = t::table.find((conversation.id.0, seq)).select(Row::as_select()).first(db).optional()?;
    row.map(|row| row.message(db, people, conversation)).transpose()
}

/// How many messages one side has sent above `seq`.
pub fn count_above(db: &mut Db, conversation: ConversationId, seq: Seq, side: Which) -> QueryResult<i64> {
    t::table
        .filter(t::conversation_id.eq(conversation.0).and(t::seq.gt(seq)).and(t::side.eq(side.index())))
        .count()
        .get_result(db)
}

/// How many messages each of these conversations has of a side above a `seq`.
pub fn counts_above(db: &mut Db, asked: &BTreeSet<(ConversationId, Seq, i16)>) -> QueryResult<Vec<i64>> {
    let Db::Postgres(db) = db else {
        let count = |&(id, seq, side): &(ConversationId, Seq, i16)| count_above(db, id, seq, Which::from_index(side));
        return asked.iter().map(count).collect();
    };
    unnest::<BigInt>(
        "SELECT (SELECT count(*) FROM messages m WHERE m.conversation_id = k.c AND m.seq > k.s AND m.side = k.d) FROM",
    )
    .column((0..).take(asked.len()).map(|n: i64| n))
    .column(asked.iter().map(|(id, _, _)| id.0))
    .column(asked.iter().map(|(_, seq, _)| *seq))
    .column(asked.iter().map(|(_, _, side)| *side))
    .then("AS k (n, c, s, d) ORDER BY k.n")
    .load(db)
}

/// Messages of a conversation from `from` to `upto`, at most `limit`.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    pub conversation: &'a Conversation,
    pub from: Seq,
    pub upto: Seq,
    pub limit: usize,
}

/// The messages of each of these, in order.
pub fn ranges(db: &mut Db, people: &mut People, ranges: &[Range]) -> QueryResult<Vec<Vec<Message>>> {
    let mut rows: Vec<Vec<Row>> = Vec::new();
    match db {
        Db::Postgres(db) => {
            let found: Vec<(i64, Row)> = unnest::<(BigInt, RowType)>(
                "SELECT k.n, m.seq, m.sender_id, m.speaker, m.side, m.client_id, m.content, m.at, m.edited_at FROM",
            )
            .column((0..).take(ranges.len()).map(|n: i64| n))
            .column(ranges.iter().map(|range| range.conversation.id.0))
            .column(ranges.iter().map(|range| range.from))
            .column(ranges.iter().map(|range| range.upto))
            .column(ranges.iter().map(|range| range.limit as i64))
            .then(
                "AS k (n, c, f, u, l) CROSS JOIN LATERAL (SELECT * FROM messages \
                 WHERE conversation_id = k.c AND seq BETWEEN k.f AND k.u ORDER BY seq LIMIT k.l) m ORDER BY k.n, m.seq",
            )
            .load(db)?;
            rows.resize_with(ranges.len(), Vec::new);
            for (n, row) in found {
                if let Some(of) = usize::try_from(n).ok().and_then(|n| rows.get_mut(n)) {
                    of.push(row);
                }
            }
        }
        Db::Sqlite(db) => {
            for Range { conversation, from, upto, limit } in ranges {
                let these = t::conversation_id.eq(conversation.id.0).and(t::seq.between(from, upto));
                let query = t::table.filter(these).order(t::seq).limit(*limit as i64);
                rows.push(query.select(Row::as_select()).load(db)?);
            }
        }
    }
    people.learn(db, rows.iter().flatten().map(|row| UserId(row.sender_id)).collect())?;
    let mut messages = |of: &Range, rows: Vec<Row>| {
        rows.into_iter().map(|row| row.message(db, people, of.conversation)).collect::<QueryResult<_>>()
    };
    ranges.iter().zip(rows).map(|(of, rows)| messages(of, rows)).collect()
}

/// A page of the history, in order: below `before` and above `after`. Without `after` it is the newest such page, with it the
/// oldest. The flag says whether there are more beyond it in that direction.
pub fn history(
    db: &mut Db,
    people: &mut People,
    conversation: &Conversation,
    before: Option<Seq>,
    after: Option<Seq>,
    limit: usize,
) -> QueryResult<(Vec<Record>, bool)> {
    let within = t::conversation_id
        .eq(conversation.id.0)
        .and(t::seq.lt(before.unwrap_or(Seq::MAX)))
        .and(t::seq.gt(after.unwrap_or(0)));
    let query = t::table.filter(within).limit(limit as i64 + 1).select(Row::as_select());
    let mut rows: Vec<Row> =
        if after.is_some() { query.order(t::seq.asc()).load(db)? } else { query.order(t::seq.desc()).load(db)? };
    let more = rows.len() > limit;
    rows.truncate(limit);
    if after.is_none() {
        rows.reverse();
    }
    let marks = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => receipts::Marks::load(db, conversation.id, first.seq, last.seq)?,
        _ => receipts::Marks::default(),
    };
    let record = |row: Row, db: &mut Db, people: &mut People| {
        let edited_at = row.edited_at.map(Timestamp);
        let message = row.message(db, people, conversation)?;
        let (delivered_at, read_at) = marks.of(message.side.other(), message.seq);
        Ok(Record { message, delivered_at, read_at, edited_at })
    };
    let records = rows.into_iter().map(|row| record(row, db, people)).collect::<QueryResult<_>>()?;
    Ok((records, more))
}

/// What a message says from now on.
#[derive(Clone, Debug)]
pub struct Rewritten {
    pub content: Arc<str>,
    /// When an admin has edited it; `None` leaves what is stored.
    pub edited_at: Option<Timestamp>,
    /// Who has changed it, and when, where that is told live.
    pub changed: Option<(UserId, Timestamp)>,
}

/// Gives messages another content. Key and digest stay: they are of what was sent.
pub fn rewrite(db: &mut Db, contents: &BTreeMap<(ConversationId, Seq), Rewritten>) -> QueryResult<()> {
    if contents.is_empty() {
        return Ok(());
    }
    let all = || contents.values();
    let Db::Postgres(db) = db else {
        return contents.iter().try_for_each(|((id, seq), rewritten)| {
            let message = t::table.find((id.0, *seq));
            if let Some(at) = rewritten.edited_at {
                diesel::update(message).set(t::edited_at.eq(at.0)).execute(db)?;
            }
            let (by, at) = rewritten.changed.unzip();
            let change = (t::changed_by.eq(by.map(|by| by.0)), t::changed_at.eq(at.map(|at| at.0)));
            diesel::update(message).set((t::content.eq(&*rewritten.content), change)).execute(db).map(drop)
        });
    };
    unnest::<()>(
        "UPDATE messages m SET content = k.content, edited_at = COALESCE(k.edited_at, m.edited_at), changed_by = k.changed_by, \
         changed_at = k.changed_at FROM",
    )
        .column(contents.keys().map(|(id, _)| id.0))
        .column(contents.keys().map(|(_, seq)| *seq))
        .column(all().map(|rewritten| &*rewritten.content))
        .column(all().map(|rewritten| rewritten.edited_at.map(|at| at.0)))
        .column(all().map(|rewritten| rewritten.changed.map(|(by, _)| by.0)))
        .column(all().map(|rewritten| rewritten.changed.map(|(_, at)| at.0)))
        .then("AS k (c, s, content, edited_at, changed_by, changed_at) WHERE m.conversation_id = k.c AND m.seq = k.s")
        .execute(db)
        .map(drop)
}

/// Messages of a person in a shop's conversations, by their keys: those after the key `after`.
pub fn of_sender(
    db: &mut Db,
    shop: ShopId,
    sender: UserId,
    after: &str,
    limit: usize,
) -> QueryResult<Vec<(ConversationId, Seq, String)>> {
    let rows: Vec<(i64, i64, String)> = t::table
        .inner_join(conversations::table.on(conversations::id.eq(t::conversation_id)))
        .filter(t::sender_id.eq(sender.0).and(t::client_id.gt(after)).and(conversations::shop_id.eq(shop.0)))
        .order(t::client_id)
        .limit(limit as i64)
        .select((t::conversation_id, t::seq, t::client_id))
        .load(db)?;
    Ok(rows.into_iter().map(|(id, seq, key)| (ConversationId(id), seq, key)).collect())
}
