//! Many entries in one transaction.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use diesel::QueryResult;
use shopbell::{
    domain::{
        command::{Act, Command, Outcome, Target},
        cursor::Which,
        ids::{ConversationId, Timestamp, UserId},
        people::{Person, Status},
    },
    store::{
        Db,
        journal::{Answer, Entry, Job},
        users,
    },
};

use super::scene::{Scene, all_told, content, given, shop, told, within};

macro_rules! on_both {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                super::$name(super::Scene::sqlite());
            })*

            #[test]
            fn a_batch_is_what_its_entries_are_one_by_one() {
                super::a_batch_is_what_its_entries_are_one_by_one(0..150, super::Scene::sqlite);
            }
        }
        mod on_postgres {
            $(#[test]
            fn $name() {
                super::$name(super::Scene::postgres());
            })*

            #[test]
            fn a_batch_is_what_its_entries_are_one_by_one() {
                super::a_batch_is_what_its_entries_are_one_by_one(200..215, super::Scene::postgres);
            }
        }
    };
}

on_both! {
    many_senders_in_one_conversation_get_their_places_in_order,
    a_key_stands_for_one_message_within_a_batch_too,
    what_would_be_refused_now_may_have_been_stored_before,
    a_round_of_service_fits_into_one_batch,
    an_entry_that_the_database_refuses_is_refused_alone,
    jobs_stand_in_their_place_among_commands,
}

fn many_senders_in_one_conversation_get_their_places_in_order(mut scene: Scene) {
    let id = scene.conversation("b0");
    let claim = scene.command("ann", Act::Claim(id));
    assert_eq!(told(&scene.one(claim)), "claimed");
    let mut batch: Vec<Entry> = (0..1_000)
        .map(|n| scene.send(if n % 2 == 0 { "b0" } else { "ann" }, within(id), &format!("n{n}"), "text"))
        .collect();
    let answers = scene.writer.commit(&mut batch);
    assert_eq!(all_told(&answers), (2..1_002).map(|seq| format!("{id}:{seq}")).collect::<Vec<_>>());
    let Some(Answer::Outcome(Outcome::Stored { now, .. })) = answers.last() else { panic!() };
    assert_eq!(now.conversation.last_seq, 1_001);
    assert_eq!(scene.dump("messages").len(), 1_001);
}

fn a_key_stands_for_one_message_within_a_batch_too(mut scene: Scene) {
    let id = scene.conversation("b0");
    let mut batch = vec![
        scene.send("b0", within(id), "k", "one"),
        scene.send("b0", within(id), "k", "one"),
        scene.send("b0", within(id), "k", "two"),
        scene.send("b0", shop(), "k", "one"),
        scene.send("b0", Target::User("b1".into()), "k", "one"),
        scene.send("b1", shop(), "k", "one"),
        scene.send("b1", shop(), "k", "one"),
        scene.send("b0", shop(), "first of b0", "hi"),
        scene.send("b0", shop(), "first of b0", "ho"),
    ];
    let expected = ["1:2", "=1:2", "!Conflict", "=1:2", "!Conflict", "2:1", "=2:1", "=1:1", "!Conflict"];
    assert_eq!(all_told(&scene.writer.commit(&mut batch)), expected);
    let expected = ["=1:2", "=1:2", "!Conflict", "=1:2", "!Conflict", "=2:1", "=2:1", "=1:1", "!Conflict"];
    assert_eq!(all_told(&scene.writer.commit(&mut batch)), expected, "and later");
}

fn what_would_be_refused_now_may_have_been_stored_before(mut scene: Scene) {
    let id = scene.conversation("b0");
    for (entry, answer) in [
        (scene.command("ann", Act::Claim(id)), "claimed"),
        (scene.send("ann", within(id), "k", "mine"), "1:2"),
        (scene.command("ann", Act::Release(id)), "released"),
    ] {
        assert_eq!(told(&scene.one(entry)), answer);
    }
    let mut batch = vec![scene.send("ann", within(id), "k", "mine"), scene.send("ann", within(id), "another", "mine")];
    assert_eq!(all_told(&scene.writer.commit(&mut batch)), ["=1:2", "!NotClaimed"]);
}

fn a_round_of_service_fits_into_one_batch(mut scene: Scene) {
    let id = ConversationId(1);
    let mut batch = vec![
        scene.send("b0", shop(), "a", "hi"),
        scene.command("ann", Act::Ack { conversation: id, seq: 1, given: given(1), viewing: false }),
        scene.command("bob", Act::Claim(id)),
        scene.command("ann", Act::Claim(id)),
        scene.send("ann", within(id), "b", "me!"),
        scene.send("bob", within(id), "c", "yes?"),
        scene.command("b0", Act::Ack { conversation: id, seq: 2, given: given(2), viewing: true }),
        scene.command("bob", Act::Resolve(id)),
        scene.command("b0", Act::Rate { conversation: id, score: 5, comment: Some("good".into()) }),
        scene.send("b0", within(id), "d", "and another thing"),
        scene.command("b1", Act::Claim(id)),
        scene.command("sue", Act::Transfer { conversation: id, to: "ann".into() }),
        scene.send("ann", within(id), "e", "here"),
        scene.command("b0", Act::Read { conversation: id, seq: 4 }),
    ];
    let answers = scene.writer.commit(&mut batch);
    let expected = [
        "1:1",
        "Settled",
        "claimed",
        "!AlreadyClaimed",
        "!NotClaimant",
        "1:2",
        "Moved",
        "resolved",
        "Rated",
        "1:3",
        "!NotFound",
        "transferred",
        "1:4",
        "Moved",
    ];
    assert_eq!(all_told(&answers), expected);
    let Answer::Outcome(Outcome::Moved { now, side: Which::First, moved, .. }) = &answers[13] else { panic!() };
    assert_eq!((now.first.unread, moved.read), (0, Some(4)));
    let tickets = scene.dump("tickets");
    assert_eq!(tickets.len(), 2);
    assert!(tickets[0].contains("good") && tickets[0].contains('5'), "{tickets:?}");
    assert_eq!(scene.dump("timeline").len(), 5, "opened, claimed, resolved, reopened, transferred");
    assert_eq!(scene.dump("waiting_acks"), Vec::<String>::new());
}

fn an_entry_that_the_database_refuses_is_refused_alone(mut scene: Scene) {
    let id = scene.conversation("b0");
    let mut batch: Vec<Entry> = (0..100).map(|n| scene.send("b0", within(id), &format!("n{n}"), "text")).collect();
    // SQLite has a foreign key that leads nowhere; PostgreSQL's texts hold anything but this.
    let nobody = Person { id: UserId(999_999), uid: "nobody".into(), name: "nobody".into(), avatar: None };
    let (by, client_id) = match &scene.db {
        Db::Sqlite(_) => (Arc::new(nobody), "x"),
        Db::Postgres(_) => (scene.person("b1"), "\0"),
    };
    let act = Act::Send { to: shop(), client_id: client_id.into(), content: content("boo") };
    batch.insert(37, Entry::Command(Command { by, at: Timestamp(1), act }));
    let answers = scene.writer.commit(&mut batch);
    let mut expected: Vec<String> = (2..102).map(|seq| format!("{id}:{seq}")).collect();
    expected.insert(37, "!Unavailable".into());
    assert_eq!(all_told(&answers), expected);
    assert_eq!(scene.dump("messages").len(), 101);
}

/// Gives a user a name; says how often it was run, and whether it is done.
struct Rename {
    uid: &'static str,
    fails: bool,
    runs: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
}

impl Job for Rename {
    fn run(&mut self, db: &mut Db) -> QueryResult<()> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        users::refresh(db, self.uid, Some("Another"), None, Timestamp(1))?;
        if self.fails { Err(diesel::result::Error::NotFound) } else { Ok(()) }
    }

    fn done(self: Box<Self>, committed: bool) {
        self.done.store(1 + usize::from(committed), Ordering::SeqCst);
    }
}

fn jobs_stand_in_their_place_among_commands(mut scene: Scene) {
    let (runs, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let job = |fails, uid| Entry::Job(Box::new(Rename { uid, fails, runs: runs.clone(), done: done.clone() }));
    let mut batch = vec![
        scene.send("b0", shop(), "a", "hi"),
        job(false, "ann"),
        job(true, "bob"),
        scene.command("sue", Act::Transfer { conversation: ConversationId(1), to: "ann".into() }),
        scene.command("sue", Act::Transfer { conversation: ConversationId(1), to: "bob".into() }),
    ];
    let answers = scene.writer.commit(&mut batch);
    assert_eq!(all_told(&answers), ["1:1", "Job(true)", "Job(false)", "transferred", "transferred"]);
    let names: Vec<String> = answers[3..]
        .iter()
        .map(|answer| match answer {
            Answer::Outcome(Outcome::Changed { now, .. }) => now.conversation.claimant().unwrap().name.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["Another", "bob"], "what the job wrote, and what it rolled back");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

/// A small generator of numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

/// Something that somebody might do, sensible or not.
fn anything(scene: &Scene, dice: &mut Dice, now: i64) -> Entry {
    let by = dice.pick(&["b0", "b0", "b1", "b2", "ann", "ann", "bob", "sue"]);
    let conversation = ConversationId(1 + dice.roll(4) as i64);
    let seq = dice.roll(12) as i64;
    let act = match dice.roll(16) {
        0..=5 => {
            let to = match dice.roll(5) {
                0 => shop(),
                1 => Target::User(dice.pick(&["b0", "b1", "ann", "new1", "new2", "visitor:1"]).into()),
                _ => within(conversation),
            };
            let client_id = format!("k{}", dice.roll(60)).as_str().into();
            Act::Send { to, client_id, content: content(dice.pick(&["one", "one", "two"])) }
        }
        6..=7 => Act::Ack { conversation, seq, given: given(12), viewing: dice.roll(2) == 0 },
        8 => Act::Read { conversation, seq },
        9..=10 => Act::Claim(conversation),
        11 => Act::Release(conversation),
        12 => Act::Resolve(conversation),
        13 => Act::Transfer { conversation, to: dice.pick(&["ann", "bob", "b0", "ghost"]).into() },
        14 => Act::Recall { conversation, seq },
        _ => match dice.roll(3) {
            0 => Act::LoseClaimant { conversation, claim_version: dice.roll(4) as i64 },
            1 => Act::Rate { conversation, score: 1 + dice.roll(5) as i16, comment: None },
            _ => Act::SetStatus {
                shop: "acme".into(),
                status: if dice.roll(2) == 0 { Status::Away } else { Status::Online },
            },
        },
    };
    Entry::Command(Command { by: scene.person(by), at: Timestamp(now), act })
}

/// One transaction for all must come to what one transaction for each comes to. Only cursors' movements are merged.
fn a_batch_is_what_its_entries_are_one_by_one(seeds: std::ops::Range<u64>, scene: fn() -> Scene) {
    for seed in seeds {
        let (mut together, mut alone) = (scene(), scene());
        let (mut dice, mut rounds) = (Dice(seed), 0);
        while rounds < 3 {
            rounds += 1;
            let n = 1 + dice.roll(60);
            let start = dice.0;
            let make = |scene: &Scene| -> Vec<Entry> {
                let mut dice = Dice(start);
                (0..n).map(|i| anything(scene, &mut dice, 10_000 * rounds + i as i64)).collect()
            };
            let (mut batch, singles) = (make(&together), make(&alone));
            dice.roll(2);
            let at_once = together.writer.commit(&mut batch);
            let one_by_one: Vec<Answer> = singles.into_iter().map(|entry| alone.one(entry)).collect();
            for (i, (left, right)) in at_once.iter().zip(&one_by_one).enumerate() {
                assert_eq!(format!("{left:?}"), format!("{right:?}"), "seed {seed}, round {rounds}, entry {i}");
            }
        }
        let tables =
            ["users", "agents", "conversations", "messages", "waiting_acks", "tickets", "timeline", "agent_sessions"];
        for table in tables {
            assert_eq!(together.dump(table), alone.dump(table), "seed {seed}: {table}");
        }
        let merged = together.dump("receipts");
        let all = alone.dump("receipts");
        assert!(merged.len() <= all.len(), "seed {seed}");
    }
}
