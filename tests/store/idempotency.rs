//! Requests under a key: the first is noted, its answer is kept for a day, and room is made.

use shopbell::{
    domain::ids::{Timestamp, UserId},
    store::idempotency::{self, Answer, Known, Request},
};

use crate::place::{Place, each};

const DAY: i64 = 24 * 3_600 * 1_000;

fn request(user: UserId, key: &str, digest: &str, at: i64) -> Request {
    Request { user, key: key.into(), digest: digest.into(), at: Timestamp(at) }
}

#[test]
fn a_key_stands_for_one_request() {
    each(|place: Place| {
        let mut world = place.world();
        let (ann, bob) = (world.user("ann").id, world.user("bob").id);
        let db = &mut world.db;
        let mut begin = |user, key, digest, at| idempotency::begin(db, &request(user, key, digest, at)).unwrap();
        assert_eq!(begin(ann, "k", "d", 1_000), Known::Nothing);
        assert_eq!(begin(ann, "k", "d", 1_001), Known::UnderWay);
        assert_eq!(begin(ann, "k", "e", 1_001), Known::Other);
        assert_eq!(begin(bob, "k", "e", 1_001), Known::Nothing, "another user's key is another key");
        assert_eq!(begin(ann, "k", "d", 61_001), Known::Nothing, "whoever had it has died");
        assert_eq!(begin(ann, "k", "d", 61_002), Known::UnderWay);
        let answer = Answer { status: 201, media: Some("application/json".into()), body: "{}".into() };
        // The one that was taken for dead comes after all: what counts is the one in its place.
        idempotency::finish(db, &request(ann, "k", "d", 1_000), &answer).unwrap();
        let mut begin = |key, digest, at| idempotency::begin(db, &request(ann, key, digest, at)).unwrap();
        assert_eq!(begin("k", "d", 61_003), Known::UnderWay);
        idempotency::finish(db, &request(ann, "k", "d", 61_001), &answer).unwrap();
        let mut begin = |key, digest, at| idempotency::begin(db, &request(ann, key, digest, at)).unwrap();
        assert_eq!(begin("k", "d", 61_001 + DAY), Known::Answered(answer));
        assert_eq!(begin("k", "e", 61_001 + DAY), Known::Other);
        assert_eq!(begin("k", "e", 61_002 + DAY), Known::Nothing, "after a day it is any key again");
        idempotency::forget(db, &request(ann, "k", "e", 61_002 + DAY)).unwrap();
        assert_eq!(idempotency::begin(db, &request(ann, "k", "f", 61_003 + DAY)).unwrap(), Known::Nothing);
    });
}

#[test]
fn room_is_made() {
    each(|place: Place| {
        let mut world = place.world();
        let (ann, bob) = (world.user("ann").id, world.user("bob").id);
        let db = &mut world.db;
        for n in 0..120 {
            idempotency::begin(db, &request(bob, &format!("{n}"), "d", n)).unwrap();
        }
        let removed: Vec<usize> =
            (0..4).map(|_| idempotency::remove_expired(db, Timestamp(DAY + 120)).unwrap()).collect();
        assert_eq!(removed, [50, 50, 20, 0], "in small batches");
        for n in 0..1_010 {
            idempotency::begin(db, &request(ann, &format!("{n}"), "d", 1_000 + n)).unwrap();
        }
        let mut known = |key: &str| idempotency::begin(db, &request(ann, key, "other", 3_000)).unwrap();
        assert_eq!(known("1009"), Known::Other);
        assert_eq!(known("20"), Known::Other);
        assert_eq!(known("0"), Known::Nothing, "a thousand of one user are kept");
    });
}
