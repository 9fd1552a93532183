//! A node is killed, or told to stop, while everybody talks; its clients go to another one.

use std::time::Duration;

use shopbell_harness::{Fleet, Plan};
use tokio::time::sleep;

use crate::alone::{NODES, Scene, alone, sized};

/// There is nowhere else to go until it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_node_is_killed() {
    let _alone = alone().await;
    let mut scene = Scene::on("the only node killed", Fleet::start(1, &[]).await, Plan::default()).await;
    for _ in 0..sized(2, 20) {
        sleep(Duration::from_millis(500)).await;
        scene.fleet.restart(0).await;
        scene.recovers().await;
    }
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_is_killed() {
    let _alone = alone().await;
    let mut scene = Scene::on("a node killed", Fleet::start(NODES, &[]).await, Plan::default()).await;
    for round in 0..sized(3, 20) {
        sleep(Duration::from_millis(500)).await;
        scene.fleet.nodes[round % NODES].kill();
        // The others serve, and are ready, while it is gone.
        let repair = scene.crowd.repaired().await;
        scene.repairs.push(repair);
        scene.fleet.restart(round % NODES).await;
        scene.recovers().await;
    }
    scene.judged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_restarted_one_after_the_other() {
    let _alone = alone().await;
    let mut scene = Scene::on("rolling restart", Fleet::start(NODES, &[]).await, Plan::default()).await;
    for _ in 0..sized(1, 5) {
        for node in 0..NODES {
            scene.fleet.nodes[node].terminate();
            assert_eq!(scene.fleet.nodes[node].ended().await, Some(0), "{}", scene.fleet.nodes[node].log());
            scene.fleet.restart(node).await;
            scene.recovers().await;
        }
    }
    scene.judged().await;
}
