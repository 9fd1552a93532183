//! Both kinds of offline lists against one suite: in a table, of either database, and in a real Redis.

use std::{
    collections::HashMap,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Actor;
use shopbell::{
    actors::{
        journal::{Admission, Journal},
        table_lists::TableLists,
    },
    domain::{
        ids::{ConversationId, Timestamp},
        offline::{Bounds, Entry, Fullness, Lists, Op},
        people::Person,
    },
    queue::{connect, keys::Keys, lists::RedisLists},
    store::{
        journal::{Rules, Writer},
        users,
    },
};

use crate::place::{Place, each};

fn person(db_id: i64, uid: &str) -> Arc<Person> {
    Arc::new(Person { id: shopbell::domain::ids::UserId(db_id), uid: uid.into(), name: uid.into(), avatar: None })
}

fn entry(conversation: i64, seq: i64) -> Entry {
    Entry { conversation: ConversationId(conversation), seq }
}

fn push(to: &Arc<Person>, conversation: i64, seq: i64) -> Op {
    Op::Push { to: to.clone(), entry: entry(conversation, seq) }
}

fn trim(of: &Arc<Person>, conversation: i64, seq: i64) -> Op {
    Op::Trim { of: of.clone(), entry: entry(conversation, seq) }
}

/// What holds for every kind of list, kept to 5 entries.
fn suite(lists: &mut dyn Lists, ann: &Arc<Person>, bob: &Arc<Person>) {
    assert_eq!(lists.entries(ann), Ok(vec![]));
    lists.apply(&[push(ann, 1, 1), push(ann, 1, 2), push(bob, 1, 2), push(ann, 2, 1)]).unwrap();
    assert_eq!(lists.entries(ann), Ok(vec![entry(1, 1), entry(1, 2), entry(2, 1)]), "in the order of their coming");
    assert_eq!(lists.entries(bob), Ok(vec![entry(1, 2)]), "each user has its own");
    lists.apply(&[trim(ann, 1, 1)]).unwrap();
    assert_eq!(lists.entries(ann), Ok(vec![entry(1, 2), entry(2, 1)]), "by comparison, not by count");
    lists.apply(&[trim(ann, 1, 1), trim(ann, 3, 9)]).unwrap();
    assert_eq!(lists.entries(ann), Ok(vec![entry(1, 2), entry(2, 1)]), "a second time takes nothing");
    lists.apply(&[push(ann, 1, 1), trim(ann, 1, 2), push(ann, 1, 3)]).unwrap();
    assert_eq!(lists.entries(ann), Ok(vec![entry(2, 1), entry(1, 3)]), "a late push is trimmed as well");
    std::thread::sleep(Duration::from_millis(2));
    lists.apply(&(4..=9).map(|seq| push(ann, 1, seq)).collect::<Vec<_>>()).unwrap();
    let kept = lists.entries(ann).unwrap();
    assert_eq!(kept, (5..=9).map(|seq| entry(1, seq)).collect::<Vec<_>>(), "the newest five");
    assert_eq!(lists.fullness(), Ok(Fullness::Lacking));
    lists.set(Fullness::Filling).unwrap();
    assert_eq!(lists.fullness(), Ok(Fullness::Filling));
    assert_eq!(lists.finish(), Ok(true));
    assert_eq!(lists.fullness(), Ok(Fullness::Complete));
}

const BOUNDS: Bounds = Bounds { max_messages: 5, ttl: Duration::from_secs(60) };

#[test]
fn lists_in_a_table() {
    each(|place: Place| {
        let mut db = place.writer();
        let ann = users::refresh(&mut db, "ann", None, None, Timestamp(1)).unwrap().person();
        let bob = users::refresh(&mut db, "bob", None, None, Timestamp(1)).unwrap().person();
        let readers = place.location.readers(2).unwrap();
        let writer = Writer::open(&place.location, Rules { recall_window_ms: 0, events: true }).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let system = std::thread::spawn(move || {
            let system = actix::System::new();
            system.block_on(async move {
                let journal = Journal::new(vec![writer], None, Admission::new(1)).start();
                send.send((journal, actix::System::current())).unwrap();
            });
            system.run().unwrap();
        });
        let (journal, running) = receive.recv().unwrap();
        let mut lists = TableLists {
            journal: journal.clone(),
            readers: readers.clone(),
            bounds: BOUNDS,
            fullness: Fullness::Lacking,
            pushed: HashMap::new(),
        };
        suite(&mut lists, &ann, &bob);
        let mut brief = TableLists {
            journal,
            readers,
            bounds: Bounds { ttl: Duration::from_millis(1), ..BOUNDS },
            fullness: Fullness::Lacking,
            pushed: HashMap::new(),
        };
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(brief.entries(&ann), Ok(vec![]), "gone after their time");
        running.stop();
        system.join().unwrap();
    });
}

/// A Redis of this test's own, killed when it is over.
struct Redis {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Redis {
    fn start() -> Redis {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let redis = Redis { child, url: format!("redis://127.0.0.1:{port}"), _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(10);
        while redis.client().get_connection().is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    fn place(&self) -> connect::Redis {
        connect::Redis::parse(&self.url, None).unwrap()
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.url.as_str()).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn lists_in_redis() {
    let redis = Redis::start();
    let keys = Keys::new("test:");
    let (ann, bob) = (person(1, "ann"), person(2, "bob"));
    let mut lists = RedisLists::new(redis.place(), keys.clone(), BOUNDS);
    suite(&mut lists, &ann, &bob);
    let mut connection = redis.client().get_connection().unwrap();
    let ttl: i64 = redis::cmd("PTTL").arg("test:offline:{ann}").query(&mut connection).unwrap();
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    lists.apply(&[trim(&ann, 1, 6)]).unwrap();
    let ttl: i64 = redis::cmd("PTTL").arg("test:offline:{ann}").query(&mut connection).unwrap();
    assert!((1..=60_000).contains(&ttl), "kept through a trim: {ttl}");
    let () = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
    assert_eq!(lists.fullness(), Ok(Fullness::Lacking), "Redis has lost its memory, and it shows");
    let mut brief = RedisLists::new(redis.place(), keys, Bounds { ttl: Duration::from_millis(1), ..BOUNDS });
    brief.apply(&[push(&ann, 1, 1)]).unwrap();
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(brief.entries(&ann), Ok(vec![]), "gone after their time");
}

#[test]
fn a_silent_redis_is_given_up_in_half_a_second_and_found_again() {
    let redis = Redis::start();
    let ann = person(1, "ann");
    let mut lists = RedisLists::new(redis.place(), Keys::new("test:"), BOUNDS);
    lists.apply(&[push(&ann, 1, 1)]).unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &redis.child.id().to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let asked = Instant::now();
    assert!(lists.entries(&ann).is_err());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(lists.apply(&[push(&ann, 1, 2)]).is_err());
    signal("-CONT");
    let deadline = Instant::now() + Duration::from_secs(5);
    let entries = loop {
        match lists.entries(&ann) {
            Ok(entries) => break entries,
            Err(_) => assert!(Instant::now() < deadline, "it is back, and not found"),
        }
    };
    assert_eq!(entries[0], entry(1, 1), "and an answer belongs to its own question");
}
