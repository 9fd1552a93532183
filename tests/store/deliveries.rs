//! What waits for a webhook: of each subject one event is the first, whatever is done with them, and nobody looks through those behind it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{QueryResult, connection::SimpleConnection, prelude::*, sql_query, sql_types::BigInt};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shopbell::{
    domain::{
        event::{About, Event, Happened, Kind, Position, Types},
        ids::{ConversationId, ShopId, Timestamp, UserId},
    },
    store::{
        Db,
        deliveries::{self, Ended, Failed, Taken},
        events,
        schema::webhook_deliveries as t,
        webhooks,
    },
};

use crate::place::{Place, each};

/// A row as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    subject: i64,
    attempts: i32,
    due: i64,
    dead: Option<i64>,
}

/// An endpoint's queue, as simple as it can be said.
#[derive(Default)]
struct Model(BTreeMap<Position, Waits>);

impl Model {
    /// Of each subject the one with the lowest position that waits.
    fn first(&self) -> BTreeSet<Position> {
        let mut first: BTreeMap<i64, Position> = BTreeMap::new();
        for (position, row) in self.0.iter().filter(|(_, row)| row.dead.is_none()) {
            first.entry(row.subject).or_insert(*position);
        }
        first.into_values().collect()
    }

    /// Those that are due, the most urgent first.
    fn due(&self, now: Timestamp) -> Vec<(bool, i64)> {
        let first = self.first().into_iter().map(|position| self.0[&position]);
        let mut due: Vec<(bool, i64)> =
            first.filter(|row| row.due <= now.0).map(|row| (row.attempts == 0, row.due)).collect();
        due.sort_unstable();
        due
    }

    fn settle(&mut self, ended: &Ended) {
        let Some(failed) = &ended.failed else {
            self.0.remove(&ended.position);
            return;
        };
        let row = self.0.get_mut(&ended.position).unwrap();
        row.attempts += 1;
        match failed.again {
            Some(again) => row.due = again.0,
            None => row.dead = Some(failed.at.0),
        }
    }
}

/// An endpoint in a shop, and what is done with it.
struct Scene {
    db: Db,
    shop: ShopId,
    webhook: i64,
    model: Model,
    /// Events that have happened.
    told: Position,
    now: i64,
}

impl Scene {
    fn on(place: &Place) -> Scene {
        let mut world = place.world();
        let (shop, now) = (world.shop("acme").id, world.now());
        let new = ("https://example.com", &Types::default(), "secret");
        let webhook = webhooks::insert(&mut world.db, shop, new, 0, now).unwrap().id;
        Scene { db: world.db, shop, webhook, model: Model::default(), told: 0, now: 10_000 }
    }

    /// Events that happen now, one of each of these conversations.
    fn happened(&self, subjects: &[i64]) -> Vec<Happened> {
        let (shop, at) = (self.shop, Timestamp(self.now));
        let event = |subject: &i64| {
            let about = About::Message { conversation: ConversationId(*subject), seq: 1 };
            (shop, Event { kind: Kind::MessageStored, at, by: UserId(1), about })
        };
        subjects.iter().map(event).collect()
    }

    /// Has them happen, and takes them.
    fn take(&mut self, subjects: &[i64]) {
        let (webhook, happened) = (self.webhook, self.happened(subjects));
        self.db.write(|db| take(db, webhook, &happened)).unwrap();
        for subject in subjects {
            self.told += 1;
            self.model.0.insert(self.told, Waits { subject: *subject, attempts: 0, due: self.now, dead: None });
        }
    }

    fn settle(&mut self, ended: &[Ended]) {
        let webhook = self.webhook;
        self.db.write(|db| deliveries::settle(db, webhook, ended)).unwrap();
        ended.iter().for_each(|ended| self.model.settle(ended));
    }

    fn failed(&self, again: Option<i64>) -> Failed {
        let answer = "no".to_owned();
        Failed { at: Timestamp(self.now), took_ms: 1, status: Some(503), answer, again: again.map(Timestamp) }
    }

    #[track_caller]
    fn is_as_the_model(&mut self) {
        let of_webhook = t::table.filter(t::webhook_id.eq(self.webhook)).order(t::position);
        let columns = (t::position, t::subject, t::attempts, t::due_at, t::dead_at, t::is_first);
        let rows: Vec<(i64, i64, i32, i64, Option<i64>, bool)> = of_webhook.select(columns).load(&mut self.db).unwrap();
        let first: BTreeSet<Position> = rows.iter().filter(|row| row.5).map(|row| row.0).collect();
        let found: BTreeMap<Position, Waits> = rows
            .into_iter()
            .map(|(position, subject, attempts, due, dead, _)| (position, Waits { subject, attempts, due, dead }))
            .collect();
        assert_eq!(found, self.model.0);
        assert_eq!(first, self.model.first());
        let now = Timestamp(self.now);
        let due = deliveries::due(&mut self.db, self.webhook, now, 1_000).unwrap();
        let due: Vec<(bool, i64)> = due.iter().map(|row| (row.attempts == 0, row.due_at)).collect();
        assert_eq!(due, self.model.due(now));
    }

    /// Does something by chance.
    fn step(&mut self, random: &mut StdRng) {
        self.now += random.random_range(0..50);
        let (webhook, now) = (self.webhook, Timestamp(self.now));
        let all: Vec<Position> = self.model.0.keys().copied().collect();
        match random.random_range(0..10) {
            0..3 => {
                let subjects: Vec<i64> = (0..random.random_range(1..8)).map(|_| random.random_range(1..6)).collect();
                self.take(&subjects);
            }
            3..7 => {
                // Most that have ended are the first; one that was, when it was sent, may be behind another or a dead letter by now.
                let first = self.model.first();
                let sent =
                    all.iter().filter(|position| random.random_ratio(if first.contains(position) { 8 } else { 1 }, 10));
                let sent: Vec<Position> = sent.copied().collect();
                let ended = sent.into_iter().map(|position| {
                    let subject = self.model.0[&position].subject;
                    let failed = match random.random_range(0..3) {
                        0 => None,
                        1 => Some(self.failed(Some(self.now + random.random_range(0..100)))),
                        _ => Some(self.failed(None)),
                    };
                    Ended { position, subject, failed }
                });
                let ended: Vec<Ended> = ended.collect();
                self.settle(&ended);
            }
            7 => {
                let before = Timestamp(self.now - random.random_range(0..200));
                self.db.write(|db| deliveries::give_up(db, webhook, before, now, 5)).unwrap();
                let lost = self.model.0.values_mut().filter(|row| row.dead.is_none() && row.due < before.0);
                lost.take(5).for_each(|row| row.dead = Some(now.0));
            }
            8 => {
                let only =
                    if all.is_empty() || random.random() { None } else { Some(all[random.random_range(0..all.len())]) };
                self.db.write(|db| deliveries::drive_again(db, webhook, only, now)).unwrap();
                let dead = self
                    .model
                    .0
                    .iter_mut()
                    .filter(|(position, row)| row.dead.is_some() && only.is_none_or(|only| only == **position));
                dead.for_each(|(_, row)| *row = Waits { attempts: 0, due: now.0, dead: None, ..*row });
            }
            _ => {
                let before = Timestamp(self.now - random.random_range(0..200));
                self.db.write(|db| deliveries::remove_dead(db, webhook, before, 1_000)).unwrap();
                self.model.0.retain(|_, row| row.dead.is_none_or(|at| at >= before.0));
            }
        }
    }
}

#[test]
fn one_of_each_subject_is_the_first_whatever_is_done() {
    each(|place| {
        let seed: u64 = rand::random();
        eprintln!("seed {seed}");
        let (mut scene, mut random) = (Scene::on(&place), StdRng::seed_from_u64(seed));
        for _ in 0..500 {
            scene.step(&mut random);
            scene.is_as_the_model();
        }
        assert!(scene.told > 100, "much has happened");
    });
}

#[test]
fn what_was_driven_again_while_the_next_was_under_way_comes_before_it() {
    each(|place| {
        let mut scene = Scene::on(&place);
        scene.take(&[1, 1, 1]);
        scene.settle(&[Ended { position: 1, subject: 1, failed: Some(scene.failed(None)) }]);
        let (webhook, now) = (scene.webhook, Timestamp(scene.now));
        let first = |scene: &mut Scene| {
            let due = deliveries::due(&mut scene.db, webhook, Timestamp(scene.now), 10).unwrap();
            due.iter().map(|row| row.position).collect::<Vec<_>>()
        };
        assert_eq!(first(&mut scene), [2]);
        scene.db.write(|db| deliveries::drive_again(db, webhook, Some(1), now)).unwrap();
        scene.settle(&[Ended { position: 2, subject: 1, failed: Some(scene.failed(Some(scene.now))) }]);
        assert_eq!(first(&mut scene), [1]);
        scene.settle(&[Ended { position: 1, subject: 1, failed: None }]);
        assert_eq!(first(&mut scene), [2]);
    });
}

/// Has events happen, and an endpoint take them.
fn take(db: &mut Db, webhook: i64, happened: &[Happened]) -> QueryResult<Taken> {
    events::append(db, happened)?;
    if db.is_postgres() {
        events::sequence(db, 100)?;
    }
    let row = webhooks::lock(db, webhook)?.expect("an endpoint");
    deliveries::take(db, &row, 1_000)
}

/// Rows of the queue that PostgreSQL has looked at in this transaction.
fn visited(db: &mut Db) -> i64 {
    #[derive(QueryableByName)]
    struct Visited {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let Db::Postgres(db) = db else { panic!("PostgreSQL counts them") };
    let counted = "SELECT COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables \
                   WHERE relname = 'webhook_deliveries'";
    sql_query(counted).get_result::<Visited>(db).unwrap().rows
}

#[test]
fn nobody_looks_at_what_waits_behind_another() {
    let mut scene = Scene::on(&Place::postgres());
    for _ in 0..40 {
        scene.take(&Vec::from_iter((1..=100).map(|n| n % 10)));
    }
    scene.now += 1;
    let ended: Vec<Ended> = (1..=10)
        .map(|position| Ended { position, subject: position % 10, failed: Some(scene.failed(Some(scene.now))) })
        .collect();
    scene.settle(&ended);
    let Db::Postgres(db) = &mut scene.db else { panic!("PostgreSQL") };
    sql_query("ANALYZE webhook_deliveries").execute(db).unwrap();
    let (webhook, now) = (scene.webhook, Timestamp(scene.now));
    let (found, seen) = scene
        .db
        .write(|db| {
            let before = visited(db);
            let due = deliveries::due(db, webhook, now, 32)?;
            deliveries::next_due(db, webhook, now)?;
            QueryResult::Ok((due.len(), visited(db) - before))
        })
        .unwrap();
    assert_eq!(found, 10);
    assert!((10..=20).contains(&seen), "{seen} rows of 4,000 were looked at");
    // And whether what is taken is behind another is seen from one of them.
    let happened = scene.happened(&Vec::from_iter(1..=30));
    let (taken, seen) = scene
        .db
        .write(|db| {
            let before = visited(db);
            let taken = take(db, webhook, &happened)?;
            QueryResult::Ok((taken.events, visited(db) - before))
        })
        .unwrap();
    assert_eq!(taken, 30);
    assert!((1..=30).contains(&seen), "{seen} rows of 4,000 were looked at");
}

#[test]
fn what_waited_before_there_was_a_first_has_one_after_the_migration() {
    each(|place| {
        let seed: u64 = rand::random();
        eprintln!("seed {seed}");
        let (mut scene, mut random) = (Scene::on(&place), StdRng::seed_from_u64(seed));
        let all_sorts = |model: &Model| {
            let (first, waits) = (model.first(), model.0.iter().filter(|(_, row)| row.dead.is_none()));
            let again = first.iter().any(|position| model.0[position].attempts > 0);
            let behind_a_dead_one = first.iter().any(|position| {
                model.0.range(..position).any(|(_, row)| row.dead.is_some() && row.subject == model.0[position].subject)
            });
            first.len() > 2 && waits.count() > first.len() && again && behind_a_dead_one
        };
        while !all_sorts(&scene.model) {
            scene.step(&mut random);
        }
        let (down, up) = match scene.db.is_postgres() {
            true => (
                include_str!("../../migrations/postgres/2026-11-21-001200_first_deliveries/down.sql"),
                include_str!("../../migrations/postgres/2026-11-21-001200_first_deliveries/up.sql"),
            ),
            false => (
                include_str!("../../migrations/sqlite/2026-11-21-001200_first_deliveries/down.sql"),
                include_str!("../../migrations/sqlite/2026-11-21-001200_first_deliveries/up.sql"),
            ),
        };
        scene.db.batch_execute(down).unwrap();
        scene.db.batch_execute(up).unwrap();
        scene.is_as_the_model();
        // And so it goes on.
        for _ in 0..50 {
            scene.step(&mut random);
            scene.is_as_the_model();
        }
    });
}
