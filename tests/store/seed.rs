//! `shopbell seed`: the same rows each time, and none that a server could not have written.

use std::collections::HashMap;

use diesel::prelude::*;
use sha2::{Digest, Sha256};
use shopbell::{
    app::seed::{self, SeedArgs},
    domain::ids::Timestamp,
    store::{Db, Error, conversations, migrate::migrate, schema, tickets},
};

use crate::{
    copying::contents,
    place::{Place, each},
};

const UNTIL: Timestamp = Timestamp(1_790_000_000_000);
const DAYS: i64 = 30;

fn args(seed: u64) -> SeedArgs {
    let (shops, agents_per_shop, until) = (3, 4, Some(UNTIL));
    SeedArgs { shops, conversations: 120, messages: 4_000, agents_per_shop, days: DAYS as u32, until, seed }
}

/// Of a message: who and which side, key, digest, content and time.
struct Said {
    seq: i64,
    side: i16,
    digest: Vec<u8>,
    content: String,
    at: i64,
}

#[test]
fn the_same_options_give_the_same_rows_on_either_database() {
    let places = [Place::sqlite(), Place::sqlite(), Place::postgres(), Place::sqlite()];
    for (place, seed) in places.iter().zip([1, 1, 1, 2]) {
        let told = seed::run(&place.location, &args(seed)).unwrap();
        assert!(told.contains("4000 messages in 120 conversations of 3 shops"), "{told}");
        assert!(told.contains("shopbell token --sub admin@shop-01"), "{told}");
    }
    let [first, again, postgres, other] = places.map(|place| contents(&place.location));
    assert!(first == again && first == postgres);
    assert_ne!(first, other);
}

#[test]
fn what_is_seeded_could_have_been_said() {
    each(|place| {
        seed::run(&place.location, &args(1)).unwrap();
        let mut db = place.location.writer().unwrap();
        assert_eq!(migrate(&mut db).unwrap(), 0, "a server starts on it");
        let conversations: Vec<conversations::Row> =
            schema::conversations::table.select(conversations::Row::as_select()).load(&mut db).unwrap();
        assert_eq!(conversations.len(), 120);
        let mut messages = said(&mut db);
        assert_eq!(messages.values().map(Vec::len).sum::<usize>(), 4_000);
        let mut all: HashMap<i64, Vec<tickets::Row>> = HashMap::new();
        let rows: Vec<tickets::Row> = schema::tickets::table.load(&mut db).unwrap();
        rows.into_iter().for_each(|row| all.entry(row.conversation_id).or_default().push(row));
        let mut states: HashMap<&str, usize> = HashMap::new();
        for row in &conversations {
            let said = messages.remove(&row.id).unwrap();
            is_consistent(row, &said);
            receipts_reach_the_cursors(&mut db, row, &said);
            let mut tickets = all.remove(&row.id).unwrap();
            tickets.sort_by_key(|ticket| ticket.number);
            tickets_follow_each_other(row, &tickets, &said);
            timeline_ends_where_it_stands(&mut db, row);
            *states.entry(&row.state).or_default() += 1;
        }
        assert!(states.len() == 3, "some wait, some are claimed, most are resolved: {states:?}");
        due_is_listed(&mut db, &conversations);
    });
}

fn said(db: &mut Db) -> HashMap<i64, Vec<Said>> {
    use schema::messages as t;
    type Row = (i64, i64, i16, Vec<u8>, String, i64);
    let columns = (t::conversation_id, t::seq, t::side, t::digest, t::content, t::at);
    let rows: Vec<Row> = t::table.select(columns).order((t::conversation_id, t::seq)).load(db).unwrap();
    let mut messages: HashMap<i64, Vec<Said>> = HashMap::new();
    for (conversation, seq, side, digest, content, at) in rows {
        messages.entry(conversation).or_default().push(Said { seq, side, digest, content, at });
    }
    messages
}

fn is_consistent(row: &conversations::Row, said: &[Said]) {
    let id = row.id;
    assert!(said.iter().map(|message| message.seq).eq(1..=row.last_seq), "conversation {id}: no gaps");
    assert!(said.is_sorted_by_key(|message| message.at), "conversation {id}");
    let (first, last) = (said[0].at, said[said.len() - 1].at);
    assert!(UNTIL.0 - DAYS * 86_400_000 <= first && row.created_at <= first && last <= UNTIL.0, "conversation {id}");
    assert!(last <= row.updated_at && row.updated_at <= UNTIL.0, "conversation {id}");
    assert_eq!(row.claimed_by.is_some(), row.state == "claimed", "conversation {id}");
    assert_eq!(row.waiting_since.is_some(), row.state == "waiting", "conversation {id}");
    for message in said.iter().filter(|message| message.content != r#"{"kind":"recalled"}"#) {
        assert_eq!(message.digest, Sha256::digest(&message.content)[..16], "{}", message.content);
    }
    let sides = [
        (0, row.first_delivered, row.first_read, row.first_unread, row.first_said),
        (1, row.second_delivered, row.second_read, row.second_unread, row.second_said),
    ];
    for (side, delivered, read, unread, last_said) in sides {
        let theirs_above =
            |cursor: i64| said.iter().filter(|message| message.side != side && message.seq > cursor).count() as i64;
        let own = said.iter().filter(|message| message.side == side).map(|message| message.seq).max();
        assert_eq!(own.unwrap_or(0), last_said, "conversation {id}, side {side}");
        assert_eq!(theirs_above(read), unread, "conversation {id}, side {side}");
        assert!(read <= delivered && delivered <= row.last_seq, "conversation {id}, side {side}");
        for cursor in [delivered, read] {
            let at_end = cursor == row.last_seq;
            assert_eq!(theirs_above(cursor) == 0, at_end, "conversation {id}, side {side}: nothing left is the end");
        }
    }
}

/// The last receipt of each kind is where the cursor stands, in terms of the other side's messages.
fn receipts_reach_the_cursors(db: &mut Db, row: &conversations::Row, said: &[Said]) {
    use schema::receipts as t;
    let rows: Vec<(i16, i16, i64, i64)> = t::table
        .filter(t::conversation_id.eq(row.id))
        .order((t::side, t::kind, t::seq))
        .select((t::side, t::kind, t::seq, t::at))
        .load(db)
        .unwrap();
    let cursors =
        [(0, 0, row.first_delivered), (0, 1, row.first_read), (1, 0, row.second_delivered), (1, 1, row.second_read)];
    for (side, kind, cursor) in cursors {
        let of_it: Vec<_> = rows.iter().filter(|row| (row.0, row.1) == (side, kind)).collect();
        assert!(of_it.is_sorted_by_key(|row| row.3), "conversation {}", row.id);
        let theirs =
            said.iter().filter(|message| message.side != side && message.seq <= cursor).map(|message| message.seq);
        let (last, of_cursor) = (of_it.last().map(|row| row.2), theirs.max());
        assert_eq!(last, of_cursor, "conversation {}, side {side}, kind {kind}", row.id);
    }
}

fn tickets_follow_each_other(row: &conversations::Row, tickets: &[tickets::Row], said: &[Said]) {
    let id = row.id;
    assert!(tickets.iter().map(|ticket| ticket.number).eq(1..=row.ticket), "conversation {id}");
    let mut next = 1;
    for ticket in tickets {
        assert_eq!(ticket.first_seq, next, "conversation {id}");
        assert_eq!(said[next as usize - 1].at, ticket.opened_at, "a ticket opens with its first message");
        let times = [Some(ticket.opened_at), ticket.claimed_at, ticket.answered_at, ticket.resolved_at];
        assert!(times.iter().flatten().is_sorted(), "conversation {id}: {ticket:?}");
        assert!(ticket.score.is_none_or(|score| (1..=5).contains(&score)));
        next = ticket.last_seq.map_or(0, |last| last + 1);
    }
    let last = &tickets[tickets.len() - 1];
    assert_eq!((last.first_seq, last.opened_at), (row.opened_seq, row.opened_at), "conversation {id}");
    assert_eq!(last.resolved_at.is_some(), row.state == "resolved", "conversation {id}");
    assert!(tickets[..tickets.len() - 1].iter().all(|ticket| ticket.resolved_at.is_some()), "conversation {id}");
}

fn timeline_ends_where_it_stands(db: &mut Db, row: &conversations::Row) {
    use schema::timeline as t;
    let rows: Vec<(i64, String, Option<i64>, i64, i64)> = t::table
        .filter(t::conversation_id.eq(row.id))
        .order(t::position)
        .select((t::position, t::cause, t::to_user, t::claim_version, t::ticket))
        .load(db)
        .unwrap();
    assert!(rows.iter().map(|row| row.0).eq(1..=rows.len() as i64), "conversation {}", row.id);
    let (_, _, to, version, ticket) = &rows[rows.len() - 1];
    assert_eq!((*to, *version, *ticket), (row.claimed_by, row.claim_version, row.ticket), "conversation {}", row.id);
    let claims = rows.iter().filter(|row| ["claimed", "transferred", "resolved"].contains(&&*row.1)).count();
    assert_eq!(claims as i64, row.claim_version, "each change of claim counts");
}

/// What waits is in the offline list of everybody on duty, and nothing else is.
fn due_is_listed(db: &mut Db, conversations: &[conversations::Row]) {
    use schema::{agents, offline as t};
    let listed: Vec<(i64, i64)> = t::table.select((t::user_id, t::conversation_id)).load(db).unwrap();
    for row in conversations {
        let of_it = listed.iter().filter(|(_, conversation)| *conversation == row.id).count() as i64;
        let on_duty: i64 = agents::table
            .filter(agents::shop_id.nullable().eq(row.shop_id).and(agents::status.eq("online")))
            .count()
            .get_result(db)
            .unwrap();
        let due = if row.state == "waiting" { row.second_unread } else { 0 };
        assert_eq!(of_it, due * on_duty, "conversation {}", row.id);
    }
}

#[test]
fn a_database_that_holds_anything_is_refused_and_left_alone() {
    each(|place| {
        place.world().user("ann");
        let refused = seed::run(&place.location, &args(1)).unwrap_err();
        assert!(matches!(refused, seed::Error::Store(Error::NotEmpty("users"))), "{refused}");
        let held = place.location.lock(false).unwrap();
        let refused = seed::run(&place.location, &args(1)).unwrap_err();
        assert!(matches!(refused, seed::Error::Store(Error::InUse(_))), "{refused}");
        drop(held);
        let few = SeedArgs { messages: 100, ..args(1) };
        assert!(matches!(seed::run(&place.location, &few), Err(seed::Error::TooFew { .. })));
        let users: Vec<String> = schema::users::table.select(schema::users::uid).load(&mut place.writer()).unwrap();
        assert_eq!(users, ["ann"]);
    });
}
