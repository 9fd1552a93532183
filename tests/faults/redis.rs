//! Redis loses everything, stands still, or cannot be reached, while everybody talks. It decides nothing: what is said is stored and
//! delivered, on the same node at once.

use std::time::{Duration, Instant};

use shopbell_harness::{Fleet, Plan};
use tokio::time::sleep;

use crate::alone::{NODES, Scene, alone, sized};

/// All are served while it is away.
async fn serves(scene: &Scene) {
    let before = scene.crowd.ledger().count();
    scene.crowd.repaired().await;
    assert!(scene.crowd.ledger().count() > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_killed_and_empty_afterwards() {
    let _alone = alone().await;
    let mut scene = Scene::on("Redis killed and emptied", Fleet::start(NODES, &[]).await, Plan::default()).await;
    for _ in 0..sized(2, 10) {
        sleep(Duration::from_secs(1)).await;
        scene.fleet.redis.kill();
        let lost = Instant::now();
        serves(&scene).await;
        sleep(Duration::from_secs(1)).await;
        let found = Instant::now();
        scene.fleet.redis.start_again();
        scene.recovers().await;
        for node in scene.nodes() {
            scene.watch.was_true_between(node, lost..found);
        }
    }
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stands_still() {
    let _alone = alone().await;
    let mut scene = Scene::on("Redis stopped", Fleet::start(NODES, &[]).await, Plan::default()).await;
    sleep(Duration::from_secs(1)).await;
    let whole = Instant::now();
    scene.fleet.redis.freeze();
    let lost = Instant::now();
    serves(&scene).await;
    sleep(Duration::from_secs(sized(5, 30)).saturating_sub(lost.elapsed())).await;
    let found = Instant::now();
    scene.fleet.redis.thaw();
    let back = Instant::now();
    scene.recovers().await;
    for node in scene.nodes() {
        scene.watch.was_true(node, whole, lost..found, back);
    }
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_cannot_reach_it() {
    let _alone = alone().await;
    let mut scene = Scene::on("a link to Redis cut", Fleet::start(NODES, &[]).await, Plan::default()).await;
    for stalled in [false, true] {
        sleep(Duration::from_secs(1)).await;
        let link = &scene.fleet.to_redis[1];
        if stalled {
            link.stall()
        } else {
            link.cut()
        }
        let lost = Instant::now();
        serves(&scene).await;
        sleep(Duration::from_secs(sized(4, 30)).saturating_sub(lost.elapsed())).await;
        let found = Instant::now();
        scene.fleet.to_redis[1].restore();
        scene.recovers().await;
        scene.watch.was_true_between(1, lost..found);
        for other in [0, 2] {
            scene.watch.was_ready(other, lost..found);
        }
    }
    scene.judged().await;
}
