//! Nodes and Redis are killed at random, all the time, while everybody talks through all nodes.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use shopbell_harness::{Fleet, Plan, Repair};
use tokio::time::sleep;

use crate::alone::{NODES, SOON, Scene, alone, sized};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_lose_nothing() {
    let _alone = alone().await;
    let plan = Plan {
        shops: sized(6, 50),
        buyers: sized(10, 20),
        agents: 2,
        // More is all that two cores can bear in a slow hour, clients and all: nothing repairs what has too much to do anyway.
        every: Duration::from_millis(sized(400, 2_500)),
        ping: Duration::from_millis(sized(500, 1_000)),
        messages: sized(4_000, 200_000),
        ..Plan::default()
    };
    let messages = plan.messages as u64;
    let conversations = plan.shops * plan.buyers;
    let mut scene = Scene::on("kills at random", Fleet::start(NODES, &[]).await, plan).await;
    let mut random = StdRng::seed_from_u64(scene.seed);
    let (mut nodes, mut redis) = (0, 0);
    while scene.crowd.ledger().count() < messages * 9 / 10 {
        sleep(Duration::from_millis(random.random_range(200..1_500))).await;
        let away = Duration::from_millis(random.random_range(0..1_500));
        if random.random_bool(0.7) {
            let victim = random.random_range(0..NODES);
            scene.fleet.nodes[victim].kill();
            nodes += 1;
            scene.repairs.push(repaired(&scene, "a node").await);
            sleep(away).await;
            scene.fleet.restart(victim).await;
        } else {
            scene.fleet.redis.kill();
            redis += 1;
            sleep(away).await;
            scene.fleet.redis.start_again();
            scene.repairs.push(repaired(&scene, "Redis").await);
        }
    }
    scene.crowd.acked(messages).await;
    let mut repairs: Vec<Duration> = scene.repairs.iter().map(|repair| repair.whole()).collect();
    repairs.sort();
    let at = |share: f64| repairs[((repairs.len() - 1) as f64 * share).ceil() as usize].as_secs_f64();
    println!(
        "figure: kills at random: {conversations} conversations, {messages} messages, {nodes} times a node and {redis} times Redis killed; time \
         to repair p50 {:.2} s, p99 {:.2} s",
        at(0.5),
        at(0.99)
    );
    let slowest = at(0.99);
    scene.judged().await;
    assert!(slowest <= SOON.as_secs_f64(), "p99 of the time to repair is {slowest:.2} s");
}

/// Waits until all is well after a kill; says so where that has taken too long.
async fn repaired(scene: &Scene, killed: &str) -> Repair {
    let repair = scene.crowd.repaired_within(4 * SOON).await;
    if repair.whole() > SOON {
        let (served, delivered) = (repair.served.as_secs_f64(), repair.delivered.as_secs_f64());
        let acked = scene.crowd.ledger().count();
        println!(
            "figure: kills at random: {killed} killed, {acked} acked: served after {served:.2} s, delivered after {delivered:.2} s"
        );
    }
    repair
}
