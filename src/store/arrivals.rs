//! What logins need to know, for many users at a time: when a node has died, all of its users come to the others at once.

use std::{collections::HashMap, sync::Arc};

use diesel::{dsl::count_star, prelude::*};

use super::{
    Db,
    agents::Row as AgentRow,
    conversations::{Due, RESOLVED},
    schema::{agents, conversations as t, messages, shops as shop_rows, users as user_rows},
    shops,
    users::User,
};
use crate::domain::{
    cursor::Which,
    ids::{ConversationId, Seq, UserId},
    people::{Agent, Shop},
};

/// A user with the shops it is an agent of, by name.
pub type Known = (User, Vec<(Arc<Shop>, Agent)>);

/// The users of these `uid`s, as far as there are any.
pub fn identities(db: &mut Db, uids: &[Arc<str>]) -> QueryResult<HashMap<Arc<str>, Known>> {
    let uids: Vec<&str> = uids.iter().map(|uid| &**uid).collect();
    let found: Vec<User> = user_rows::table.filter(user_rows::uid.eq_any(uids)).select(User::as_select()).load(db)?;
    let ids: Vec<i64> = found.iter().map(|user| user.id).collect();
    let rows: Vec<(AgentRow, shops::Row)> = agents::table
        .inner_join(shop_rows::table)
        .filter(agents::user_id.eq_any(ids).and(agents::disabled.eq(false)))
        .order(shop_rows::shop)
        .select((AgentRow::as_select(), shops::Row::as_select()))
        .load(db)?;
    let mut work: HashMap<i64, Vec<(AgentRow, shops::Row)>> = HashMap::new();
    rows.into_iter().for_each(|row| work.entry(row.0.user_id).or_default().push(row));
    let known = |user: User| {
        let rows = work.remove(&user.id).unwrap_or_default();
        let works = rows.iter().map(|(row, shop)| (shop.shop(), row.agent(&user))).collect();
        (Arc::from(user.uid.as_str()), (user, works))
    };
    Ok(found.into_iter().map(known).collect())
}

/// What awaits somebody who has just come.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Seconds since 1970: tokens issued before are refused.
    pub tokens_after: i64,
    /// The shops with which it has a conversation that is not resolved.
    pub talks: Vec<Arc<Shop>>,
    /// Everything above the cursor where it is buyer, claimant or direct user.
    pub due: Vec<Due>,
}

/// A side of a conversation that has not received everything.
struct Behind {
    user: i64,
    conversation: i64,
    side: Which,
    delivered: Seq,
    read: Seq,
    unread: i64,
    last: Seq,
}

/// What awaits these users; whoever is not there is not a user.
pub fn arrivals(db: &mut Db, users: &[UserId]) -> QueryResult<HashMap<UserId, Arrival>> {
    let ids: Vec<i64> = users.iter().map(|user| user.0).collect();
    let known: Vec<(i64, i64)> = user_rows::table
        .filter(user_rows::id.eq_any(&ids))
        .select((user_rows::id, user_rows::tokens_after))
        .load(db)?;
    let arrival = |(id, tokens_after)| (UserId(id), Arrival { tokens_after, ..Arrival::default() });
    let mut arrivals: HashMap<UserId, Arrival> = known.into_iter().map(arrival).collect();
    let mut behind = Vec::new();

    type First = (i64, i64, String, (i64, i64, i64), i64, Option<shops::Row>);
    let first: Vec<First> = t::table
        .left_join(shop_rows::table)
        .filter(t::first_user.eq_any(&ids).and(t::state.ne(RESOLVED).or(t::first_delivered.lt(t::last_seq))))
        .select((
            t::id,
            t::first_user,
            t::state,
            (t::first_delivered, t::first_read, t::first_unread),
            t::last_seq,
            Option::<shops::Row>::as_select(),
        ))
        .load(db)?;
    for (conversation, user, state, (delivered, read, unread), last, shop) in first {
        if let (Some(shop), Some(arrival)) = (shop, arrivals.get_mut(&UserId(user)))
            && state != RESOLVED
        {
            arrival.talks.push(shop.shop());
        }
        if delivered < last {
            behind.push(Behind { user, conversation, side: Which::First, delivered, read, unread, last });
        }
    }
    type Second = (i64, Option<i64>, Option<i64>, (i64, i64, i64), i64);
    let second: Vec<Second> = t::table
        .filter(t::second_user.eq_any(&ids).or(t::claimed_by.eq_any(&ids)))
        .filter(t::second_delivered.lt(t::last_seq))
        .select((
            t::id,
            t::second_user,
            t::claimed_by,
            (t::second_delivered, t::second_read, t::second_unread),
            t::last_seq,
        ))
        .load(db)?;
    for (conversation, member, claimant, (delivered, read, unread), last) in second {
        let Some(user) = member.or(claimant) else { continue };
        behind.push(Behind { user, conversation, side: Which::Second, delivered, read, unread, last });
    }

    let counts = uncounted(db, &behind)?;
    for b in behind {
        let count = counts.get(&(b.conversation, b.side.index())).copied().unwrap_or(b.unread);
        let due = Due { conversation: ConversationId(b.conversation), from: b.delivered + 1, upto: b.last, count };
        if let Some(arrival) = arrivals.get_mut(&UserId(b.user)) {
            arrival.due.push(due);
        }
    }
    Ok(arrivals)
}

/// How many messages of the other side lie above the cursor, where these are not just the unread ones.
fn uncounted(db: &mut Db, behind: &[Behind]) -> QueryResult<HashMap<(i64, i16), i64>> {
    let of_side = |side| {
        let uncounted = behind.iter().filter(move |b| b.side == side && b.read != b.delivered);
        uncounted.map(|b| b.conversation).collect::<Vec<i64>>()
    };
    let (first, second) = (of_side(Which::First), of_side(Which::Second));
    let mut counts: HashMap<(i64, i16), i64> = HashMap::new();
    counts.extend(first.iter().map(|id| ((*id, Which::First.index()), 0)));
    counts.extend(second.iter().map(|id| ((*id, Which::Second.index()), 0)));
    if counts.is_empty() {
        return Ok(counts);
    }
    let said_to_first =
        t::id.eq_any(first).and(messages::side.eq(Which::Second.index())).and(messages::seq.gt(t::first_delivered));
    let said_to_second =
        t::id.eq_any(second).and(messages::side.eq(Which::First.index())).and(messages::seq.gt(t::second_delivered));
    let rows: Vec<(i64, i16, i64)> = messages::table
        .inner_join(t::table.on(t::id.eq(messages::conversation_id)))
        .filter(said_to_first.or(said_to_second))
        .group_by((messages::conversation_id, messages::side))
        .select((messages::conversation_id, messages::side, count_star()))
        .load(db)?;
    counts
        .extend(rows.into_iter().map(|(id, said_by, count)| ((id, Which::from_index(said_by).other().index()), count)));
    Ok(counts)
}
