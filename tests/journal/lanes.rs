//! The journal as dispatchers see it, while its database stands still or is away.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix::prelude::*;
use diesel::connection::SimpleConnection;
use shopbell::{
    actors::{
        journal::{Admission, Append, Drain, Journal, Permit, write},
        mail::{Asked, Written, answer},
    },
    domain::{
        command::{Act, Command, Outcome, Target},
        ids::{ConversationId, ShopId, Timestamp},
        people::Person,
        refusal::Refusal,
    },
};
use shopbell_harness::TestPostgres;
use tokio::sync::oneshot;

use super::scene::{Scene, content, within};

/// What a dispatcher was told: where a message was stored, or the refusal, and whether somebody waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    what: Result<i64, Refusal>,
    asked: bool,
}

#[derive(Clone, Default)]
struct Dispatcher(Arc<Mutex<Vec<Told>>>);

impl Actor for Dispatcher {
    type Context = Context<Self>;
}

impl Handler<Written> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Written(all): Written, _: &mut Self::Context) {
        let told = all.iter().map(|(reply, asked)| {
            let what = match reply {
                Ok(Outcome::Stored { message, .. }) => Ok(message.seq),
                Ok(Outcome::Duplicate { seq, .. }) => Ok(*seq),
                Ok(other) => panic!("{other:?}"),
                Err(refusal) => Err(refusal.clone()),
            };
            Told { what, asked: !matches!(asked, Asked::Nobody) }
        });
        self.0.lock().unwrap().extend(told);
        answer(all);
    }
}

struct World {
    journal: Addr<Journal>,
    admission: Admission,
    told: Dispatcher,
    dispatcher: Addr<Dispatcher>,
    by: Arc<Person>,
    id: ConversationId,
}

impl World {
    fn new(scene: &mut Scene) -> World {
        let id = scene.conversation("b0");
        let lanes = (0..3).map(|_| scene.another()).collect();
        let admission = Admission::new(3);
        let journal = Journal::new(lanes, Some(scene.another()), admission.clone()).start();
        let told = Dispatcher::default();
        World { journal, admission, dispatcher: told.clone().start(), told, by: scene.person("b0"), id }
    }

    fn send(&self, key: &str) -> oneshot::Receiver<Result<Outcome, Refusal>> {
        self.send_to(within(self.id), key)
    }

    fn send_to(&self, to: Target, key: &str) -> oneshot::Receiver<Result<Outcome, Refusal>> {
        let (waiting, reply) = oneshot::channel();
        let act = Act::Send { to, client_id: key.into(), content: content("x") };
        let command = Command { by: self.by.clone(), at: Timestamp(10_000), act };
        let to = self.dispatcher.clone().recipient();
        let permit = self.admission.admit(Some(ShopId(1))).ok();
        self.journal.do_send(Append { command, shop: Some(ShopId(1)), to, asked: Asked::Call(waiting), permit });
        reply
    }

    /// Sends under new keys until one is stored; how long that took.
    async fn until_stored(&self, name: &str) -> Duration {
        let asked = Instant::now();
        for n in 0.. {
            match self.send(&format!("{name}{n}")).await.unwrap() {
                Ok(_) => break,
                Err(refusal) => assert!(is_unavailable(&refusal), "{refusal:?}"),
            }
            assert!(asked.elapsed() < Duration::from_secs(15), "the journal does not come back");
            actix::clock::sleep(Duration::from_millis(20)).await;
        }
        asked.elapsed()
    }
}

fn is_unavailable(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Unavailable { retry_after_ms: 1.. })
}

#[actix::test]
async fn a_database_that_stands_still_is_unavailable_and_its_late_outcomes_are_told_to_all_but_who_asked() {
    let postgres = TestPostgres::start();
    let mut scene = Scene::at(&postgres.fresh_database(), None);
    let world = World::new(&mut scene);
    assert!(world.send("before").await.unwrap().is_ok());
    postgres.freeze();
    let asked = Instant::now();
    // The first is in flight; the second waits behind it.
    let (first, second) = (world.send("first"), world.send("second"));
    let job = write(&world.journal, |_| Ok(()));
    let (first, second, job) = tokio::join!(first, second, job);
    for reply in [first.unwrap().map(drop), second.unwrap().map(drop), job] {
        assert!(is_unavailable(&reply.unwrap_err()));
    }
    // Until then the lane has got another writer, too.
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    postgres.thaw();
    let back = world.until_stored("after").await;
    assert!(back < Duration::from_secs(1), "{back:?}");
    let told = world.told.0.lock().unwrap().clone();
    let late: Vec<_> = told.iter().filter(|told| !told.asked).collect();
    assert_eq!(late, [&Told { what: Ok(3), asked: false }], "{told:?}");
    assert_eq!(scene.number("SELECT count(*) FROM messages WHERE client_id = 'first'"), 1);
    assert_eq!(
        scene.number("SELECT count(*) FROM messages WHERE client_id = 'second'"),
        0,
        "what was refused is not done"
    );
}

#[actix::test]
async fn what_is_under_way_is_what_is_not_written_or_refused_yet() {
    let postgres = TestPostgres::start();
    let mut scene = Scene::at(&postgres.fresh_database(), None);
    let world = World::new(&mut scene);
    let fill = || std::iter::from_fn(|| world.admission.admit(Some(ShopId(1))).ok()).collect::<Vec<Permit>>();
    let room = fill().len();
    assert!(world.send("before").await.unwrap().is_ok());
    assert_eq!(fill().len(), room, "it is written");
    postgres.freeze();
    let waiting = [world.send("first"), world.send("second")];
    let began = Instant::now();
    while fill().len() != room - 2 {
        assert!(began.elapsed() < Duration::from_secs(1), "they are under way");
        actix::clock::sleep(Duration::from_millis(10)).await;
    }
    // The second is refused after two seconds; what has become of the first, nobody knows.
    let [first, second] = waiting;
    assert!(is_unavailable(&second.await.unwrap().unwrap_err()));
    assert_eq!(fill().len(), room - 1);
    postgres.thaw();
    first.await.unwrap().ok();
    while fill().len() != room {
        assert!(began.elapsed() < Duration::from_secs(8), "it is dealt with");
        actix::clock::sleep(Duration::from_millis(10)).await;
    }
}

#[actix::test]
async fn a_database_that_is_away_is_unavailable_at_once_and_found_within_a_second() {
    let mut postgres = TestPostgres::start();
    let mut scene = Scene::at(&postgres.fresh_database(), None);
    let world = World::new(&mut scene);
    postgres.kill();
    let asked = Instant::now();
    assert!(is_unavailable(&world.send("first").await.unwrap().unwrap_err()));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let asked = Instant::now();
    assert!(is_unavailable(&world.send("second").await.unwrap().unwrap_err()));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let (drained, is_drained) = oneshot::channel();
    world.journal.do_send(Drain(drained));
    is_drained.await.unwrap();
    postgres.start_again();
    let back = world.until_stored("after").await;
    assert!(back < Duration::from_secs(1), "{back:?}");
}

#[actix::test]
async fn a_standby_takes_over_from_a_server_that_stands_still() {
    let primary = TestPostgres::start();
    let database = primary.fresh();
    let standby = primary.standby();
    let mut scene = Scene::at(&TestPostgres::url_of_any(&[&primary, &standby], &database), None);
    let world = World::new(&mut scene);
    assert!(world.send("before").await.unwrap().is_ok());
    primary.freeze();
    let first = world.send("first");
    assert!(is_unavailable(&first.await.unwrap().unwrap_err()));
    standby.promote();
    standby.ask("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    standby.ask("postgres", "SELECT pg_reload_conf()");
    let back = world.until_stored("after").await;
    assert!(back < Duration::from_secs(8), "{back:?}");
    assert_eq!(standby.ask(&database, "SELECT count(*) FROM messages WHERE client_id = 'before'"), "1");
    primary.thaw();
}

#[actix::test]
async fn what_waits_for_another_node_comes_before_what_came_later() {
    let mut scene = Scene::postgres();
    let world = World::new(&mut scene);
    let held = format!("BEGIN; SELECT id FROM conversations WHERE id = {} FOR UPDATE", world.id);
    scene.db.batch_execute(&held).unwrap();
    let replies: Vec<_> = (0..50).map(|n| world.send(&format!("k{n}"))).collect();
    actix::clock::sleep(Duration::from_millis(100)).await;
    scene.db.batch_execute("COMMIT").unwrap();
    for (n, reply) in replies.into_iter().enumerate() {
        match reply.await.unwrap() {
            Ok(Outcome::Stored { message, .. }) => assert_eq!(message.seq, n as i64 + 2),
            other => panic!("{other:?}"),
        }
    }
}
