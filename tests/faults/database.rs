//! PostgreSQL is killed, stands still, or is replaced by its standby, while everybody talks.

use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, Plan, TestPostgres};
use tokio::time::sleep;

use crate::alone::{NODES, Scene, alone, sized};

/// Nothing is stored while it is away, and `/readyz` says so: within two seconds, so away it has to be for three times that.
fn was_true(scene: &Scene, whole: Instant, away: std::ops::Range<Instant>, back: Instant) {
    for node in scene.nodes() {
        let answers = scene.watch.was_true(node, whole, away.clone(), back);
        assert!(answers > 0, "n{node} did not answer while the database was away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_killed_and_comes_back() {
    let _alone = alone().await;
    let mut scene = Scene::on("PostgreSQL killed", Fleet::start(NODES, &[]).await, Plan::default()).await;
    sleep(Duration::from_secs(1)).await;
    let whole = Instant::now();
    scene.fleet.postgres.kill();
    let lost = Instant::now();
    sleep(Duration::from_secs(sized(7, 20))).await;
    let found = Instant::now();
    scene.fleet.postgres.start_again();
    let back = Instant::now();
    scene.recovers().await;
    was_true(&scene, whole, lost..found, back);
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stands_still() {
    let _alone = alone().await;
    let mut scene = Scene::on("PostgreSQL stopped", Fleet::start(NODES, &[]).await, Plan::default()).await;
    sleep(Duration::from_secs(1)).await;
    let whole = Instant::now();
    scene.fleet.postgres.freeze();
    let lost = Instant::now();
    sleep(Duration::from_secs(sized(6, 30))).await;
    let found = Instant::now();
    scene.fleet.postgres.thaw();
    let back = Instant::now();
    scene.recovers().await;
    was_true(&scene, whole, lost..found, back);
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_synchronous_standby_takes_over() {
    let _alone = alone().await;
    let primary = TestPostgres::start();
    let standby = primary.standby();
    let url = |primary: &TestPostgres, database: &str| TestPostgres::url_of_any(&[primary, &standby], database);
    let fleet = Fleet::start_on(primary, NODES, &[], Some(&url)).await;
    let mut scene = Scene::on("standby promoted", fleet, Plan::default()).await;
    sleep(Duration::from_secs(1)).await;
    let whole = Instant::now();
    scene.fleet.postgres.kill();
    let lost = Instant::now();
    sleep(Duration::from_secs(sized(7, 10))).await;
    let found = Instant::now();
    standby.promote();
    let back = Instant::now();
    scene.recovers().await;
    was_true(&scene, whole, lost..found, back);
    scene.judged().await;
}
