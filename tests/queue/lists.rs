//! Offline lists, through what may befall Redis.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shopbell::{
    domain::{
        ids::{ConversationId, UserId},
        offline::{Bounds, Entry, Fullness, Lists, Op},
        people::Person,
    },
    queue::{connect::Redis, keys::Keys, lists::RedisLists},
};

use super::{
    node::PREFIX,
    server::{Server, eventually},
};

const BOUNDS: Bounds = Bounds { max_messages: 5, ttl: Duration::from_secs(60) };

pub fn lists(redis: &Redis) -> RedisLists {
    RedisLists::new(redis.clone(), Keys::new(PREFIX), BOUNDS)
}

/// Users enough that each master of a cluster has some of their lists.
pub fn people() -> Vec<Arc<Person>> {
    let person = |n| Person { id: UserId(n), uid: format!("user-{n}").into(), name: "".into(), avatar: None };
    (0..50).map(|n| Arc::new(person(n))).collect()
}

pub fn entry(seq: i64) -> Entry {
    Entry { conversation: ConversationId(1), seq }
}

pub fn push(to: &Arc<Person>, seq: i64) -> Op {
    Op::Push { to: to.clone(), entry: entry(seq) }
}

/// Pushes to all, trims and reads, each list by its own.
pub fn work(lists: &mut RedisLists) {
    let people = people();
    let pushes: Vec<Op> = (1..=7).flat_map(|seq| people.iter().map(move |to| push(to, seq))).collect();
    lists.apply(&pushes).unwrap();
    let trims: Vec<Op> =
        people.iter().enumerate().map(|(n, of)| Op::Trim { of: of.clone(), entry: entry(n as i64 % 8) }).collect();
    lists.apply(&trims).unwrap();
    for (n, of) in people.iter().enumerate() {
        let expected: Vec<Entry> = (3..=7).filter(|seq| *seq > n as i64 % 8).map(entry).collect();
        assert_eq!(lists.entries(of), Ok(expected), "{}", of.uid);
    }
    lists.set(Fullness::Filling).unwrap();
    assert_eq!(lists.fullness(), Ok(Fullness::Filling));
    assert_eq!(lists.finish(), Ok(true));
    assert_eq!(lists.fullness(), Ok(Fullness::Complete));
}

#[test]
fn a_redis_that_was_started_again_may_lack_something() {
    let mut server = Server::start(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    let mut lists = lists(&server.place());
    work(&mut lists);
    server.kill();
    assert!(lists.fullness().is_err());
    server.again();
    assert!(server.ask::<bool>(&["EXISTS", "test:offline-complete"]), "the key is still there");
    assert_eq!(lists.fullness(), Ok(Fullness::Lacking), "and does not say that nothing was lost");
    lists.set(Fullness::Filling).unwrap();
    assert_eq!(lists.fullness(), Ok(Fullness::Filling));
    assert_eq!(lists.finish(), Ok(true));
    assert_eq!(lists.fullness(), Ok(Fullness::Complete));
}

#[test]
fn lists_on_a_frozen_redis_are_given_up_within_a_second() {
    let server = Server::start(&[]);
    let mut lists = lists(&server.place());
    work(&mut lists);
    server.freeze();
    for _ in 0..3 {
        let asked = Instant::now();
        assert!(lists.entries(&people()[0]).is_err());
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    server.thaw();
    let found = Instant::now();
    eventually("it is found again", Duration::from_secs(1), || lists.entries(&people()[0]).ok());
    assert!(found.elapsed() < Duration::from_secs(1));
    work_again(&mut lists);
}

/// What is pushed now is there.
pub fn work_again(lists: &mut RedisLists) {
    let people = people();
    lists.apply(&people.iter().map(|to| push(to, 9)).collect::<Vec<_>>()).unwrap();
    for of in &people {
        assert_eq!(lists.entries(of).unwrap().last(), Some(&entry(9)), "{}", of.uid);
    }
}
