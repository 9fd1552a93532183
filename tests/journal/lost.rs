//! Connections that are lost: between batches, within one, and at its commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{QueryResult, RunQueryDsl, connection::SimpleConnection, sql_query};
use shopbell::{
    domain::{command::Act, ids::ConversationId},
    store::{
        Db,
        journal::{Entry, Job},
    },
};
use shopbell_harness::TestPostgres;

use super::scene::{Scene, all_told, given, told, within};

/// Ends its own connection, the first time.
struct Suicide(Arc<AtomicUsize>);

impl Job for Suicide {
    fn run(&mut self, db: &mut Db) -> QueryResult<()> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            sql_query("SELECT pg_terminate_backend(pg_backend_pid())").execute(db)?;
        }
        Ok(())
    }

    fn done(self: Box<Self>, _: bool) {}
}

/// A conversation of `b0` that `ann` has claimed.
fn claimed(scene: &mut Scene) -> ConversationId {
    let id = scene.conversation("b0");
    let claim = scene.command("ann", Act::Claim(id));
    assert_eq!(told(&scene.one(claim)), "claimed");
    id
}

/// One of each kind: what may be done twice, and what may not.
fn of_all_kinds(scene: &Scene, id: ConversationId) -> Vec<Entry> {
    vec![
        scene.send("b0", within(id), "x", "two"),
        scene.command("ann", Act::Ack { conversation: id, seq: 2, given: given(2), viewing: true }),
        scene.send("ann", within(id), "y", "three"),
        scene.command("ann", Act::Recall { conversation: id, seq: 3 }),
        scene.command("ann", Act::Resolve(id)),
    ]
}

/// Ends every other session of the database that is at this; how many there were.
fn end(scene: &mut Scene, doing: &str) -> i64 {
    scene.number(&format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {doing}"
    ))
}

#[test]
fn a_connection_lost_between_batches_is_not_noticed() {
    let mut scene = Scene::postgres();
    let id = scene.conversation("b0");
    assert_eq!(end(&mut scene, "TRUE"), 1);
    let send = scene.send("b0", within(id), "x", "two");
    assert_eq!(told(&scene.one(send)), format!("{id}:2"));
}

#[test]
fn a_connection_lost_within_a_batch_is_not_noticed_either() {
    let mut scene = Scene::postgres();
    let id = claimed(&mut scene);
    let runs = Arc::new(AtomicUsize::new(0));
    let mut batch = of_all_kinds(&scene, id);
    batch.push(Entry::Job(Box::new(Suicide(runs.clone()))));
    let answers = scene.writer.commit(&mut batch);
    let expected = [&format!("{id}:2"), "Moved", &format!("{id}:3"), "Recalled", "resolved", "Job(true)"];
    assert_eq!(all_told(&answers), expected, "nothing had happened");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_commit_that_was_broken_off_is_repeated_as_far_as_it_may_be() {
    let mut scene = Scene::postgres();
    let id = claimed(&mut scene);
    // The commit stands still before it has happened.
    let slow = "CREATE SEQUENCE times; CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN IF nextval('times') = 1 THEN PERFORM pg_sleep(20); END IF; RETURN NULL; END $$; \
                CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED \
                FOR EACH ROW EXECUTE FUNCTION slow()";
    scene.db.batch_execute(slow).unwrap();
    let mut batch = of_all_kinds(&scene, id);
    let mut another = scene.another();
    let answers = thread::scope(|scope| {
        let committing = scope.spawn(|| another.commit(&mut batch));
        let deadline = Instant::now() + Duration::from_secs(10);
        while scene.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = 'COMMIT'")
            == 0
        {
            assert!(Instant::now() < deadline, "it does not come to its commit");
        }
        assert_eq!(end(&mut scene, "wait_event = 'PgSleep'"), 1);
        committing.join().unwrap()
    });
    let expected = [&format!("{id}:2"), "Moved", &format!("{id}:3"), "!Unavailable", "!Unavailable"];
    assert_eq!(all_told(&answers), expected);
    assert_eq!(scene.number("SELECT count(*) FROM messages"), 3);
}

#[test]
fn a_commit_that_has_happened_is_found() {
    let postgres = TestPostgres::start();
    let mut scene = Scene::at(&postgres.fresh_database(), None);
    let id = claimed(&mut scene);
    let mut another = scene.another();
    let mut batch = of_all_kinds(&scene, id);
    // It is on disk, and waits for a standby that does not exist: its end says nothing of that.
    let standby = |names: &str| {
        postgres.ask("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        postgres.ask("postgres", "SELECT pg_reload_conf()");
    };
    standby("nobody");
    let answers = thread::scope(|scope| {
        let committing = scope.spawn(|| another.commit(&mut batch));
        let deadline = Instant::now() + Duration::from_secs(10);
        while scene.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == 0 {
            assert!(Instant::now() < deadline, "it does not come to its commit");
        }
        postgres.ask("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        assert_eq!(end(&mut scene, "wait_event = 'SyncRep'"), 1);
        postgres.ask("postgres", "SELECT pg_reload_conf()");
        committing.join().unwrap()
    });
    // The conversation is resolved: nobody's ack moves the shop's cursor any more.
    let expected = [&format!("={id}:2"), "Settled", &format!("={id}:3"), "!Unavailable", "!Unavailable"];
    assert_eq!(all_told(&answers), expected);
    assert_eq!(scene.number("SELECT count(*) FROM messages"), 3, "nothing twice");
    assert_eq!(scene.number("SELECT count(*) FROM timeline WHERE cause = 'resolved'"), 1, "unknown was what it was");
}

#[test]
fn a_server_that_becomes_read_only_is_unavailable_until_it_is_not() {
    let postgres = TestPostgres::start();
    let database = postgres.fresh();
    let mut scene = Scene::at(&postgres.url(&database), None);
    let id = scene.conversation("b0");
    let set = |to: &str| {
        postgres.ask("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = {to}"));
        postgres
            .ask(&database, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'shopbell'");
    };
    set("on");
    let asked = Instant::now();
    let send = scene.send("b0", within(id), "x", "two");
    assert_eq!(told(&scene.one(send)), "!Unavailable");
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    set("off");
    let send = scene.send("b0", within(id), "x", "two");
    assert_eq!(told(&scene.one(send)), format!("{id}:2"));
}

#[test]
fn a_server_that_is_away_is_found_when_it_is_back() {
    let mut postgres = TestPostgres::start();
    let mut scene = Scene::at(&postgres.fresh_database(), None);
    let id = claimed(&mut scene);
    postgres.kill();
    let asked = Instant::now();
    let mut batch = of_all_kinds(&scene, id);
    assert_eq!(all_told(&scene.writer.commit(&mut batch)), ["!Unavailable"; 5]);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(!scene.writer.is_connected());
    assert!(!scene.writer.reconnect(Instant::now() + Duration::from_millis(300)));
    postgres.start_again();
    assert!(scene.writer.reconnect(Instant::now() + Duration::from_secs(1)));
    let answers = scene.writer.commit(&mut batch);
    let expected = [&format!("{id}:2"), "Moved", &format!("{id}:3"), "Recalled", "resolved"];
    assert_eq!(all_told(&answers), expected);
}
