//! What a person who is there and says nothing costs.

use futures_util::{StreamExt, stream};
use shopbell_harness::{TestNode, Wire};

use crate::figures::{alone, resident, sized};

const AT_MOST: u64 = 24 << 10;
/// So many connect at a time.
const ABREAST: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_small() {
    let _alone = alone().await;
    let connections = sized(1_000, 5_000);
    // Nobody reads here, so nobody answers pings.
    let node = TestNode::builder().set("heartbeat.interval_ms", 60_000).set("heartbeat.timeout_ms", 180_000);
    let node = node.start().await;
    let warm = connect(&node, "warm", 2 * ABREAST).await;
    let before = resident(&node);
    let idle = connect(&node, "idle", connections).await;
    let at_once = resident(&node);
    // Presence settles, and timers run.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let after = resident(&node);
    let each = after.saturating_sub(before) / connections as u64;
    let peak = at_once.saturating_sub(before) / connections as u64;
    println!(
        "figure: idle connections: {connections} logged in, {:.1} KiB each ({:.1} just after the logins; the whole process {:.1} MiB)",
        each as f64 / 1_024.0,
        peak as f64 / 1_024.0,
        after as f64 / 1_048_576.0,
    );
    assert_eq!(idle.len(), connections);
    drop((warm, idle));
    assert!(each <= AT_MOST, "{each} bytes a connection");
}

/// Logs in `count` people of distinct names.
async fn connect(node: &TestNode, name: &str, count: usize) -> Vec<Wire> {
    let logins = (0..count).map(|at| async move {
        let token = node.token(&format!("{name}-{at}"));
        Wire::login(node.base(), &token).await
    });
    stream::iter(logins).buffer_unordered(ABREAST).collect().await
}
