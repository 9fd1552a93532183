//! `conversations`: state, claim and cursors.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::{PgConnection, SqliteConnection, dsl::exists, prelude::*, sql_types::BigInt};

use super::{
    Db,
    backend::{MultiBackend, lower},
    messages,
    people::People,
    schema::{agents, conversations as t, shops as shop_rows, users},
    search, shops,
    statement::run,
    unnest::{Unnest, run_together, unnest},
    waiting_acks,
};
use crate::domain::{
    command::Snapshot,
    conversation::{Attended, Conversation, Parties, State},
    cursor::{Side, Which},
    ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
    people::{Role, Status},
    search::Query,
};

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, treat_none_as_default_value = false)]
pub struct Row {
    pub id: i64,
    pub shop_id: Option<i64>,
    pub first_user: i64,
    pub second_user: Option<i64>,
    pub state: String,
    pub claimed_by: Option<i64>,
    pub claim_version: i64,
    pub last_seq: i64,
    pub first_delivered: i64,
    pub first_read: i64,
    pub first_unread: i64,
    pub first_said: i64,
    pub second_delivered: i64,
    pub second_read: i64,
    pub second_unread: i64,
    pub second_said: i64,
    pub waiting_since: Option<i64>,
    pub opened_at: i64,
    pub opened_seq: i64,
    pub returned: bool,
    pub ticket: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub revision: i64,
    /// `updated_at` in whole seconds: what is ordered by it is, within an index, by this.
    pub updated_second: i64,
    pub offered_at: Option<i64>,
    pub attended: i16,
}

const DIRECT: &str = "direct";
const WAITING: &str = "waiting";
const CLAIMED: &str = "claimed";
pub(super) const RESOLVED: &str = "resolved";

fn state_of(c: &Conversation) -> &'static str {
    match c.state {
        State::Direct => DIRECT,
        State::Waiting => WAITING,
        State::Claimed(_) => CLAIMED,
        State::Resolved => RESOLVED,
    }
}

impl Row {
    fn of(c: &Conversation) -> Row {
        let (shop_id, first_user, second_user) = match &c.parties {
            Parties::Support { shop, buyer } => (Some(shop.id.0), buyer.id.0, None),
            Parties::Direct { first, second } => (None, first.id.0, Some(second.id.0)),
        };
        Row {
            id: c.id.0,
            shop_id,
            first_user,
            second_user,
            state: state_of(c).to_owned(),
            claimed_by: c.claimant().map(|agent| agent.id.0),
            claim_version: c.claim_version,
            revision: c.revision,
            last_seq: c.last_seq,
            first_delivered: c.first.delivered,
            first_read: c.first.read,
            first_unread: c.first.unread,
            first_said: c.first.said,
            second_delivered: c.second.delivered,
            second_read: c.second.read,
            second_unread: c.second.unread,
            second_said: c.second.said,
            waiting_since: c.waiting_since.map(|at| at.0),
            opened_at: c.opened_at.0,
            opened_seq: c.opened_seq,
            returned: c.returned,
            ticket: c.ticket,
            created_at: c.created_at.0,
            updated_at: c.updated_at.0,
            updated_second: c.updated_at.second(),
            offered_at: c.offered_at.map(|at| at.0),
            attended: c.attended.index(),
        }
    }

    fn cursor(&self) -> Cursor {
        (Timestamp(self.updated_at), ConversationId(self.id))
    }

    fn conversation(self, db: &mut Db, people: &mut People) -> QueryResult<Conversation> {
        let first = people.person(db, UserId(self.first_user))?;
        let parties = match (self.shop_id, self.second_user) {
            (Some(shop), _) => Parties::Support { shop: people.shop(db, ShopId(shop))?, buyer: first },
            (None, Some(second)) => Parties::Direct { first, second: people.person(db, UserId(second))? },
            (None, None) => return Err(diesel::result::Error::NotFound),
        };
        let state = match (self.state.as_str(), self.claimed_by) {
            (_, Some(agent)) => State::Claimed(people.person(db, UserId(agent))?),
            (DIRECT, None) => State::Direct,
            (WAITING, None) => State::Waiting,
            _ => State::Resolved,
        };
        Ok(Conversation {
            id: ConversationId(self.id),
            parties,
            state,
            claim_version: self.claim_version,
            revision: self.revision,
            last_seq: self.last_seq,
            first: Side {
                delivered: self.first_delivered,
                read: self.first_read,
                unread: self.first_unread,
                said: self.first_said,
            },
            second: Side {
                delivered: self.second_delivered,
                read: self.second_read,
                unread: self.second_unread,
                said: self.second_said,
            },
            waiting_since: self.waiting_since.map(Timestamp),
            opened_at: Timestamp(self.opened_at),
            opened_seq: self.opened_seq,
            offered_at: self.offered_at.map(Timestamp),
            attended: Attended::from_index(self.attended),
            returned: self.returned,
            ticket: self.ticket,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// With a message, or a change of state or claim, at `from` or later.
#[diesel::dsl::auto_type(no_type_alias)]
pub fn active_since(from: Timestamp) -> _ {
    let (second, at): (i64, i64) = (from.second(), from.0);
    t::updated_second.ge(second).and(t::updated_at.ge(at))
}

/// What has become of an attempt to take conversations.
#[derive(Debug, Default)]
pub struct Taken {
    /// As they are, and as they stay until the transaction ends.
    pub here: Vec<Conversation>,
    /// Those that another transaction has taken.
    pub elsewhere: Vec<ConversationId>,
    /// The shops of these that are disabled.
    pub disabled: BTreeSet<ShopId>,
    /// The roles of those who have claimed them, where these were to be had with them; `None` for who is no agent any more.
    pub roles: Vec<((ShopId, UserId), Option<Role>)>,
}

/// Takes those of `ids` that there are, for a transaction that writes. It does not wait for any that another has taken, but for those
/// that are `awaited`, and for these no longer than `lock_timeout`.
pub fn take(
    db: &mut Db,
    people: &mut People,
    ids: &BTreeSet<ConversationId>,
    awaited: &[ConversationId],
) -> QueryResult<Taken> {
    let mut taken = Taken::default();
    let Db::Postgres(postgres) = db else {
        for id in ids {
            taken.here.extend(load(db, people, *id)?);
        }
        let shops: BTreeSet<ShopId> = taken.here.iter().filter_map(Conversation::shop).map(|shop| shop.id).collect();
        for shop in shops {
            taken.disabled.extend(shops::is_disabled(db, shop)?.then_some(shop));
        }
        return Ok(taken);
    };
    if !awaited.is_empty() {
        wait_for(postgres, awaited);
    }
    let of = t::table.filter(t::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>())).order(t::id);
    let disabled = exists(shop_rows::table.filter(shop_rows::id.nullable().eq(t::shop_id).and(shop_rows::disabled)));
    let claimant = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.nullable().eq(t::claimed_by));
    let role = agents::table.filter(claimant.and(agents::disabled.eq(false))).select(agents::role).single_value();
    let found: Vec<(Row, bool, Option<String>)> =
        of.select((Row::as_select(), disabled, role)).for_no_key_update().skip_locked().load(postgres)?;
    let mut rows = Vec::with_capacity(found.len());
    for (row, disabled, role) in found {
        if let Some(shop) = row.shop_id.map(ShopId) {
            taken.disabled.extend(disabled.then_some(shop));
            let role = role.map(|role| Role::parse(&role).unwrap_or(Role::Agent));
            taken.roles.extend(row.claimed_by.map(|claimant| ((shop, UserId(claimant)), role)));
        }
        rows.push(row);
    }
    if rows.len() < ids.len() {
        let missing = ids.iter().map(|id| id.0).filter(|id| rows.binary_search_by_key(id, |row| row.id).is_err());
        let missing = t::table.filter(t::id.eq_any(missing.collect::<Vec<_>>())).select(t::id);
        taken.elsewhere = missing.load(postgres)?.into_iter().map(ConversationId).collect();
    }
    let shops = rows.iter().filter_map(|row| row.shop_id).map(ShopId);
    people.learn_shops(db, shops.collect())?;
    let users = rows.iter().flat_map(|row| [Some(row.first_user), row.second_user, row.claimed_by]);
    people.learn(db, users.flatten().map(UserId).collect())?;
    for row in rows {
        taken.here.push(row.conversation(db, people)?);
    }
    Ok(taken)
}

/// Waits until nobody has these any more, or too long; in a savepoint, which is all that is lost then.
fn wait_for(db: &mut PgConnection, ids: &[ConversationId]) {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let waited = db.transaction(|db| {
        t::table.filter(t::id.eq_any(ids)).order(t::id).select(t::id).for_no_key_update().load::<i64>(db)
    });
    if let Err(error) = waited {
        tracing::debug!(%error, "another transaction keeps conversations");
    }
}

pub fn load(db: &mut Db, people: &mut People, id: ConversationId) -> QueryResult<Option<Conversation>> {
    let row: Option<Row> = match db {
        Db::Postgres(db) => t::table.find(id.0).select(Row::as_select()).first(db).optional()?,
        Db::Sqlite(db) => t::table.find(id.0).select(Row::as_select()).get_result(db).optional()?,
    };
    row.map(|row| row.conversation(db, people)).transpose()
}

/// A conversation with its last message.
pub fn snapshot(db: &mut Db, people: &mut People, id: ConversationId) -> QueryResult<Option<Snapshot>> {
    let Some(conversation) = load(db, people, id)? else { return Ok(None) };
    with_last(db, people, conversation).map(Some)
}

fn with_last(db: &mut Db, people: &mut People, conversation: Conversation) -> QueryResult<Snapshot> {
    let last = messages::find(db, people, &conversation, conversation.last_seq)?.map(Arc::new);
    Ok(Snapshot { conversation, last })
}

/// Two who have at most one conversation with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pair {
    Support { shop: ShopId, buyer: UserId },
    Direct { first: UserId, second: UserId },
}

impl Pair {
    pub fn of(parties: &Parties) -> Pair {
        match parties {
            Parties::Support { shop, buyer } => Pair::Support { shop: shop.id, buyer: buyer.id },
            Parties::Direct { first, second } => Pair::Direct { first: first.id, second: second.id },
        }
    }
}

/// The conversations that join these, where there are any.
pub fn between(db: &mut Db, pairs: &BTreeSet<Pair>) -> QueryResult<Vec<(Pair, ConversationId)>> {
    let mut found = Vec::new();
    let Db::Postgres(db) = db else {
        for pair in pairs {
            found.extend(find_between(db, *pair)?.map(|id| (*pair, id)));
        }
        return Ok(found);
    };
    let (mut support, mut direct) = (Vec::new(), Vec::new());
    for pair in pairs {
        match *pair {
            Pair::Support { shop, buyer } => support.push((buyer.0, shop.0)),
            Pair::Direct { first, second } => direct.push((first.0, second.0)),
        }
    }
    type Rows = Vec<(i64, i64, i64)>;
    if !support.is_empty() {
        let rows: Rows = unnest::<(BigInt, BigInt, BigInt)>("SELECT c.id, c.first_user, c.shop_id FROM")
            .column(support.iter().map(|pair| pair.0))
            .column(support.iter().map(|pair| pair.1))
            .then(
                "AS k (f, s) JOIN conversations c \
                 ON c.first_user = k.f AND c.shop_id = k.s AND c.shop_id IS NOT NULL",
            )
            .load(db)?;
        let pair = |(id, first, shop)| (Pair::Support { shop: ShopId(shop), buyer: UserId(first) }, ConversationId(id));
        found.extend(rows.into_iter().map(pair));
    }
    if !direct.is_empty() {
        let rows: Rows = unnest::<(BigInt, BigInt, BigInt)>("SELECT c.id, c.first_user, c.second_user FROM")
            .column(direct.iter().map(|pair| pair.0))
            .column(direct.iter().map(|pair| pair.1))
            .then(
                "AS k (f, s) JOIN conversations c \
                 ON c.first_user = k.f AND c.second_user = k.s AND c.second_user IS NOT NULL",
            )
            .load(db)?;
        let pair =
            |(id, first, second)| (Pair::Direct { first: UserId(first), second: UserId(second) }, ConversationId(id));
        found.extend(rows.into_iter().map(pair));
    }
    Ok(found)
}

fn find_between(db: &mut Db, pair: Pair) -> QueryResult<Option<ConversationId>> {
    let first = |id: UserId| t::first_user.eq(id.0);
    let id = match pair {
        Pair::Support { shop, buyer } => {
            t::table.filter(first(buyer).and(t::shop_id.eq(shop.0))).select(t::id).first(db).optional()?
        }
        Pair::Direct { first: one, second } => {
            t::table.filter(first(one).and(t::second_user.eq(second.0))).select(t::id).first(db).optional()?
        }
    };
    Ok(id.map(ConversationId))
}

/// Numbers for `count` new conversations, those up to `given` being given already. On PostgreSQL they are taken, whether they come to
/// be used or not.
pub fn numbers(db: &mut Db, given: Option<ConversationId>, count: usize) -> QueryResult<Vec<ConversationId>> {
    let ids: Vec<i64> = match db {
        Db::Postgres(db) => {
            let numbers = diesel::sql_query("SELECT nextval('conversations_id') AS id FROM generate_series(1, $1)");
            let rows: Vec<Number> = numbers.bind::<BigInt, _>(count as i64).load(db)?;
            rows.into_iter().map(|row| row.id).collect()
        }
        Db::Sqlite(db) => {
            let last = t::table.select(diesel::dsl::max(t::id)).first::<Option<i64>>(db)?;
            let last = last.max(given.map(|id| id.0)).unwrap_or(0);
            (last + 1..).take(count).collect()
        }
    };
    Ok(ids.into_iter().map(ConversationId).collect())
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

pub fn insert(db: &mut Db, conversations: &[Arc<Conversation>]) -> QueryResult<()> {
    let rows: Vec<Row> = conversations.iter().map(|c| Row::of(c)).collect();
    match db {
        _ if rows.is_empty() => Ok(()),
        Db::Postgres(db) => diesel::insert_into(t::table).values(rows).execute(db).map(drop),
        Db::Sqlite(db) => {
            rows.into_iter().try_for_each(|row| diesel::insert_into(t::table).values(row).execute(db).map(drop))
        }
    }
}

/// Writes what can change of conversations; who is in them cannot. Of those that have `moved`, it is only the cursors.
///
/// SQLite writes every index anew that has a column which is set, changed or not: those with an index are set where one has changed.
pub fn update(db: &mut Db, changed: &[Arc<Conversation>], moved: &[Arc<Conversation>]) -> QueryResult<()> {
    match db {
        Db::Postgres(db) => run_together(db, updating(changed, moved)),
        Db::Sqlite(db) => {
            changed.iter().try_for_each(|c| set_indexed(db, c))?;
            changed.iter().chain(moved).try_for_each(|c| set_others(db, c))
        }
    }
}

/// PostgreSQL's statement for it, if there are any.
pub fn updating(changed: &[Arc<Conversation>], moved: &[Arc<Conversation>]) -> Option<Unnest<'static>> {
    let all_as_they_are = || changed.iter().chain(moved);
    let rows: Vec<Row> = all_as_they_are().map(|c| Row::of(c)).collect();
    let all = || rows.iter();
    let statement = unnest(
        "UPDATE conversations c SET state = k.state, claimed_by = k.claimed_by, claim_version = k.claim_version, \
         last_seq = k.last_seq, first_delivered = k.first_delivered, first_read = k.first_read, \
         first_unread = k.first_unread, first_said = k.first_said, second_delivered = k.second_delivered, \
         second_read = k.second_read, second_unread = k.second_unread, second_said = k.second_said, \
         waiting_since = k.waiting_since, opened_at = k.opened_at, opened_seq = k.opened_seq, returned = k.returned, \
         ticket = k.ticket, updated_at = k.updated_at, revision = k.revision, updated_second = k.updated_second, \
         offered_at = k.offered_at, attended = k.attended FROM",
    )
    .column(all().map(|row| row.id))
    .column(all_as_they_are().map(|c| state_of(c)))
    .column(all().map(|row| row.claimed_by))
    .column(all().map(|row| row.claim_version))
    .column(all().map(|row| row.last_seq))
    .column(all().map(|row| row.first_delivered))
    .column(all().map(|row| row.first_read))
    .column(all().map(|row| row.first_unread))
    .column(all().map(|row| row.first_said))
    .column(all().map(|row| row.second_delivered))
    .column(all().map(|row| row.second_read))
    .column(all().map(|row| row.second_unread))
    .column(all().map(|row| row.second_said))
    .column(all().map(|row| row.waiting_since))
    .column(all().map(|row| row.opened_at))
    .column(all().map(|row| row.opened_seq))
    .column(all().map(|row| row.returned))
    .column(all().map(|row| row.ticket))
    .column(all().map(|row| row.updated_at))
    .column(all().map(|row| row.revision))
    .column(all().map(|row| row.updated_second))
    .column(all().map(|row| row.offered_at))
    .column(all().map(|row| row.attended))
    .then(
        "AS k (id, state, claimed_by, claim_version, last_seq, first_delivered, first_read, first_unread, first_said, \
         second_delivered, second_read, second_unread, second_said, waiting_since, opened_at, opened_seq, returned, \
         ticket, updated_at, revision, updated_second, offered_at, attended) WHERE c.id = k.id",
    );
    (!rows.is_empty()).then_some(statement)
}

/// What indexes have of a conversation, where that is another now.
fn set_indexed(db: &mut SqliteConnection, c: &Conversation) -> QueryResult<()> {
    let (state, second) = (state_of(c), c.updated_at.second());
    // A claim never changes hands without its version.
    let indexed = "UPDATE conversations SET state = ?, claimed_by = ?, updated_second = ? \
                   WHERE id = ? AND (claim_version <> ? OR state <> ? OR updated_second <> ?)";
    let values = [
        state.into(),
        c.claimant().map(|agent| agent.id.0).into(),
        second.into(),
        c.id.0.into(),
        c.claim_version.into(),
        state.into(),
        second.into(),
    ];
    run(db, indexed, values)
}

/// Everything else that can change.
fn set_others(db: &mut SqliteConnection, c: &Conversation) -> QueryResult<()> {
    let others = "UPDATE conversations SET claim_version = ?, waiting_since = ?, opened_at = ?, opened_seq = ?, returned = ?, \
                  ticket = ?, offered_at = ?, attended = ?, last_seq = ?, first_said = ?, second_said = ?, updated_at = ?, first_delivered = ?, first_read = ?, \
                  first_unread = ?, second_delivered = ?, second_read = ?, second_unread = ?, revision = ? WHERE id = ?";
    let values = [
        c.claim_version.into(),
        c.waiting_since.map(|at| at.0).into(),
        c.opened_at.0.into(),
        c.opened_seq.into(),
        c.returned.into(),
        c.ticket.into(),
        c.offered_at.map(|at| at.0).into(),
        i64::from(c.attended.index()).into(),
        c.last_seq.into(),
        c.first.said.into(),
        c.second.said.into(),
        c.updated_at.0.into(),
        c.first.delivered.into(),
        c.first.read.into(),
        c.first.unread.into(),
        c.second.delivered.into(),
        c.second.read.into(),
        c.second.unread.into(),
        c.revision.into(),
        c.id.0.into(),
    ];
    run(db, others, values)
}

/// Messages that a user has not acked in a conversation for which it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub conversation: ConversationId,
    pub from: Seq,
    pub upto: Seq,
    /// How many of these are the other side's.
    pub count: i64,
}

/// Whose conversations an inbox shows.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Those of which the user is a member.
    Own,
    Shop(ShopId),
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<&'static str>,
    pub claimed_by: Option<UserId>,
    pub buyer: Option<UserId>,
    /// Part of a name or `uid` of somebody in the conversation.
    pub q: Option<String>,
    /// Of a shop's conversations, those with a message that has these words.
    pub text: Option<Query>,
    /// Last activity at or after, and before.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Where a page ends: time of the last activity, and the conversation.
pub type Cursor = (Timestamp, ConversationId);

/// How many conversations are looked through at a time.
const LOOKED_AT: usize = 200;

/// A page of conversations, the latest activity first.
pub fn page(
    db: &mut Db,
    user: UserId,
    scope: Scope,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
) -> QueryResult<(Vec<Snapshot>, Option<Cursor>)> {
    let mut rows = match (scope, &filter.text) {
        (Scope::Shop(shop), Some(text)) => with_text(db, user, shop, filter, text, after, limit + 1)?,
        _ => rows(db, user, scope, filter, None, after, limit + 1)?,
    };
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(Row::cursor);
    Ok((with_last_of_all(db, rows)?, next))
}

/// Conversations with their last messages, everybody and everything asked for at once.
fn with_last_of_all(db: &mut Db, rows: Vec<Row>) -> QueryResult<Vec<Snapshot>> {
    let mut people = People::default();
    people.learn_shops(db, rows.iter().filter_map(|row| row.shop_id).map(ShopId).collect())?;
    let users = rows.iter().flat_map(|row| [Some(row.first_user), row.second_user, row.claimed_by]);
    people.learn(db, users.flatten().map(UserId).collect())?;
    let all = rows.into_iter().map(|row| row.conversation(db, &mut people)).collect::<QueryResult<Vec<_>>>()?;
    let places: Vec<(&Conversation, Seq)> =
        all.iter().map(|conversation| (conversation, conversation.last_seq)).collect();
    let mut last: HashMap<_, _> = messages::at(db, &mut people, &places)?.into_iter().collect();
    let snapshot = |conversation: Conversation| {
        let last = last.remove(&(conversation.id, conversation.last_seq)).map(Arc::new);
        Snapshot { conversation, last }
    };
    Ok(all.into_iter().map(snapshot).collect())
}

/// Up to `limit` of a shop's conversations with a message that has these words. Where few messages have them, these say which
/// conversations; where many have, conversations are looked through, of which many have one.
fn with_text(
    db: &mut Db,
    user: UserId,
    shop: ShopId,
    filter: &Filter,
    text: &Query,
    mut after: Option<Cursor>,
    limit: usize,
) -> QueryResult<Vec<Row>> {
    let scope = Scope::Shop(shop);
    let sought = search::Sought { shop, query: text.clone(), sender: None, from: None, to: None };
    if let Some(few) = search::conversations(db, &sought)? {
        return rows(db, user, scope, filter, Some(&few), after, limit);
    }
    let mut found = Vec::new();
    loop {
        let looked_at = rows(db, user, scope, filter, None, after, LOOKED_AT)?;
        let is_last = looked_at.len() < LOOKED_AT;
        after = looked_at.last().map(Row::cursor);
        for row in looked_at {
            if search::is_in(db, shop, text, ConversationId(row.id))? {
                found.push(row);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Up to `limit` conversations; where it is given, of `among`.
fn rows(
    db: &mut Db,
    user: UserId,
    scope: Scope,
    filter: &Filter,
    among: Option<&[ConversationId]>,
    after: Option<Cursor>,
    limit: usize,
) -> QueryResult<Vec<Row>> {
    let mut query = t::table.select(Row::as_select()).into_boxed::<MultiBackend>();
    query = match scope {
        Scope::Own => query.filter(t::first_user.eq(user.0).or(t::second_user.eq(user.0)).or(t::claimed_by.eq(user.0))),
        Scope::Shop(shop) => query.filter(t::shop_id.eq(shop.0)),
    };
    if let Some(among) = among {
        query = query.filter(t::id.eq_any(among.iter().map(|id| id.0).collect::<Vec<_>>()));
    }
    if let Some(state) = filter.state {
        query = query.filter(t::state.eq(state));
    }
    if let Some(agent) = filter.claimed_by {
        query = query.filter(t::claimed_by.eq(agent.0));
    }
    if let Some(buyer) = filter.buyer {
        query = query.filter(t::first_user.eq(buyer.0));
    }
    if let Some(from) = filter.from {
        query = query.filter(active_since(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(t::updated_second.le(to.second()).and(t::updated_at.lt(to.0)));
    }
    if let Some(q) = &filter.q {
        let q = q.to_ascii_lowercase();
        let like = format!("%{}%", q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let id = users::id.nullable();
        let party = id.eq(t::first_user.nullable()).or(id.eq(t::second_user)).or(id.eq(t::claimed_by));
        let named = lower(users::name).like(like.clone()).escape('\\').or(lower(users::uid).like(like).escape('\\'));
        query = query.filter(exists(users::table.filter(party.and(named).and(users::id.ne(user.0)))));
    }
    if let Some((at, id)) = after {
        let before = t::updated_at.lt(at.0).or(t::updated_at.eq(at.0).and(t::id.lt(id.0)));
        query = query.filter(t::updated_second.le(at.second()).and(before));
    }
    query.order((t::updated_second.desc(), t::updated_at.desc(), t::id.desc())).limit(limit as i64).load(db)
}

/// The conversations of a shop that are not resolved.
pub fn open(db: &mut Db, shop: ShopId) -> QueryResult<Vec<Conversation>> {
    let rows: Vec<Row> = t::table
        .filter(t::shop_id.eq(shop.0).and(t::state.eq_any([WAITING, CLAIMED])))
        .select(Row::as_select())
        .load(db)?;
    let mut people = People::default();
    rows.into_iter().map(|row| row.conversation(db, &mut people)).collect()
}

/// Claims of those who are no agents of the conversation's shop.
pub fn orphaned_claims(db: &mut Db) -> QueryResult<Vec<(ConversationId, i64, UserId)>> {
    let its_agent = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.nullable().eq(t::claimed_by));
    let its_agent = its_agent.and(agents::disabled.eq(false));
    let rows: Vec<(i64, i64, Option<i64>)> = t::table
        .filter(t::claimed_by.is_not_null().and(diesel::dsl::not(exists(agents::table.filter(its_agent)))))
        .select((t::id, t::claim_version, t::claimed_by))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(id, version, by)| Some((ConversationId(id), version, UserId(by?)))).collect())
}

/// The conversations of a shop that `agent` has claimed.
pub fn claimed_in(db: &mut Db, shop: ShopId, agent: UserId) -> QueryResult<Vec<(ConversationId, i64)>> {
    let rows: Vec<(i64, i64)> = t::table
        .filter(t::shop_id.eq(shop.0).and(t::claimed_by.eq(agent.0)))
        .select((t::id, t::claim_version))
        .load(db)?;
    Ok(rows.into_iter().map(|(id, version)| (ConversationId(id), version)).collect())
}

/// How a conversation that waits stands for one of its shop's agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub conversation: ConversationId,
    /// What the shop has received, or this agent has acked while it waits.
    pub cursor: Seq,
    pub last: Seq,
    /// The buyer's messages above the cursor.
    pub count: i64,
}

/// Those of `among` that wait, in shops where `agent` works; or all that wait in shops where it is on duty.
pub fn waiting_for(db: &mut Db, agent: UserId, among: Option<&[ConversationId]>) -> QueryResult<Vec<Waits>> {
    let mine = agents::shop_id.nullable().eq(t::shop_id).and(agents::user_id.eq(agent.0));
    let mine = mine.and(agents::disabled.eq(false));
    let mut query = t::table
        .inner_join(agents::table.on(mine))
        .filter(t::state.eq(WAITING).and(t::first_user.ne(agent.0)))
        .select((t::id, t::second_delivered, t::last_seq))
        .into_boxed::<MultiBackend>();
    query = match among {
        Some(ids) => query.filter(t::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>())),
        None => query.filter(agents::status.eq(Status::Online.as_str())),
    };
    let rows: Vec<(i64, i64, i64)> = query.load(db)?;
    let mut waits = Vec::with_capacity(rows.len());
    for (id, delivered, last) in rows {
        let conversation = ConversationId(id);
        let cursor = delivered.max(waiting_acks::get(db, conversation, agent)?);
        let count = messages::count_above(db, conversation, cursor, Which::First)?;
        waits.push(Waits { conversation, cursor, last, count });
    }
    Ok(waits)
}
