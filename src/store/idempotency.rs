//! `idempotency_keys`: requests that were made under a key, and what they were answered with, for a day.

use diesel::prelude::*;

use super::{
    Db,
    backend::Both,
    schema::{
        agents,
        idempotency_keys::{self as t, dsl},
    },
};
use crate::domain::ids::{ShopId, Timestamp, UserId};

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// Whoever answers takes less; a node that has not, has died.
const UNDER_WAY_MS: i64 = 60_000;
/// The newest of a user stay.
const OF_ONE_USER: i64 = 1_000;
/// How many are removed at a time.
const REMOVED: i64 = 50;

/// A request under a key.
#[derive(Clone, Debug)]
pub struct Request {
    pub user: UserId,
    pub key: String,
    /// Of all that makes it this request.
    pub digest: String,
    pub at: Timestamp,
}

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: i16,
    pub media: Option<String>,
    /// Empty, too, once it has been erased.
    pub body: String,
}

/// What is known under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: this request is the first, and noted.
    Nothing,
    Answered(Answer),
    UnderWay,
    /// Another request.
    Other,
}

type Row = (String, i64, Option<i16>, Option<String>, Option<String>);

/// Looks whether there was such a request, and notes it if not.
pub fn begin(db: &mut Db, request: &Request) -> QueryResult<Known> {
    remove_expired(db, request.at)?;
    remove_surplus(db, request.user)?;
    let values =
        (t::user_id.eq(request.user.0), t::key.eq(&request.key), t::digest.eq(&request.digest), t::at.eq(request.at.0));
    if Both(diesel::insert_into(t::table).values(values).on_conflict_do_nothing()).execute(db)? == 1 {
        return Ok(Known::Nothing);
    }
    let row: Option<Row> = t::table
        .find((request.user.0, &request.key))
        .select((t::digest, t::at, t::status, t::media, t::body))
        .first(db)
        .optional()?;
    // It may have been forgotten in this moment: then the next try is the first.
    let Some((digest, at, status, media, body)) = row else { return Ok(Known::UnderWay) };
    let age = request.at.0 - at;
    match status {
        _ if age > DAY_MS => take_over(db, request, at),
        _ if digest != request.digest => Ok(Known::Other),
        Some(status) => Ok(Known::Answered(Answer { status, media, body: body.unwrap_or_default() })),
        None if age > UNDER_WAY_MS => take_over(db, request, at),
        None => Ok(Known::UnderWay),
    }
}

/// Puts the request in the place of one that is of no use any more.
fn take_over(db: &mut Db, request: &Request, before: i64) -> QueryResult<Known> {
    let fresh = (
        t::digest.eq(&request.digest),
        t::at.eq(request.at.0),
        t::status.eq(None::<i16>),
        t::media.eq(None::<String>),
        t::body.eq(None::<String>),
    );
    let row = t::table.find((request.user.0, &request.key)).filter(t::at.eq(before));
    let taken = diesel::update(row).set(fresh).execute(db)?;
    Ok(if taken == 1 { Known::Nothing } else { Known::UnderWay })
}

/// Keeps what a request was answered with.
pub fn finish(db: &mut Db, request: &Request, answer: &Answer) -> QueryResult<()> {
    let values = (t::status.eq(answer.status), t::media.eq(&answer.media), t::body.eq(&answer.body));
    let row = t::table.find((request.user.0, &request.key)).filter(t::at.eq(request.at.0));
    diesel::update(row).set(values).execute(db).map(drop)
}

/// The next request under this key is a first one.
pub fn forget(db: &mut Db, request: &Request) -> QueryResult<()> {
    let row = t::table.find((request.user.0, &request.key)).filter(t::at.eq(request.at.0));
    diesel::delete(row).execute(db).map(drop)
}

/// Keeps nothing of what a person was answered, nor of what a shop's agents were, who are shown what the person has said there. That there
/// were these requests is known until the day is over: none of them is done twice.
pub fn erase_answers(db: &mut Db, shop: ShopId, person: UserId) -> QueryResult<()> {
    let agents: Vec<i64> = agents::table.filter(agents::shop_id.eq(shop.0)).select(agents::user_id).load(db)?;
    agents.into_iter().map(UserId).chain([person]).try_for_each(|user| erase_answers_to(db, user))
}

/// Keeps nothing of what a user was answered.
pub fn erase_answers_to(db: &mut Db, user: UserId) -> QueryResult<()> {
    let nothing = (t::media.eq(None::<String>), t::body.eq(None::<String>));
    let answered = t::table.filter(t::user_id.eq(user.0).and(t::body.is_not_null()));
    diesel::update(answered).set(nothing).execute(db).map(drop)
}

/// Removes some of those that are older than a day; gives how many.
pub fn remove_expired(db: &mut Db, now: Timestamp) -> QueryResult<usize> {
    let expired: Vec<(i64, String)> =
        t::table.filter(t::at.lt(now.0 - DAY_MS)).order(t::at).limit(REMOVED).select((t::user_id, t::key)).load(db)?;
    for (user, key) in &expired {
        diesel::delete(t::table.find((user, key)).filter(t::at.lt(now.0 - DAY_MS))).execute(db)?;
    }
    Ok(expired.len())
}

fn remove_surplus(db: &mut Db, user: UserId) -> QueryResult<()> {
    let surplus: Option<i64> = t::table
        .filter(t::user_id.eq(user.0))
        .order(t::at.desc())
        .offset(OF_ONE_USER - 1)
        .limit(1)
        .select(t::at)
        .first(db)
        .optional()?;
    let Some(at) = surplus else { return Ok(()) };
    diesel::delete(dsl::idempotency_keys.filter(t::user_id.eq(user.0)).filter(t::at.le(at))).execute(db).map(drop)
}
