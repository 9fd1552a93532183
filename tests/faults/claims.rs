//! A hundred agents on all nodes claim one waiting conversation at the same moment, again and again: one wins, and every console says who.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use shopbell_harness::{Fleet, Person, json};
use tokio::sync::Barrier;

use crate::alone::{NODES, alone, sized};

/// How soon all consoles show the winner.
const AGREED: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_claims_over_three_nodes_one_wins() {
    let _alone = alone().await;
    let (rounds, agents) = (sized(10, 100), sized(30, 100));
    let fleet = Fleet::start(NODES, &[]).await;
    let shop = fleet.nodes[0].shop("acme").await;
    let mut consoles = Vec::new();
    for at in 0..agents {
        let uid = format!("a{at}");
        fleet.nodes[0].employ(&shop, &uid, "agent").await;
        consoles.push(fleet.nodes[at % NODES].person(&uid).await);
    }
    let mut buyer = fleet.nodes[0].buyer("b1").await;
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let conversation = buyer.opens(&shop, &format!("round {round}")).await;
        let ready = Arc::new(Barrier::new(agents));
        let claims = consoles.drain(..).map(|console| tokio::spawn(claim(console, conversation, Arc::clone(&ready))));
        let claimed: Vec<_> = join_all(claims).await.into_iter().map(|claimed| claimed.expect("no panic")).collect();
        let won: Vec<_> = claimed.iter().filter(|(_, reply, _)| reply["type"] == "ok").collect();
        assert_eq!(won.len(), 1, "round {round}: {:#?}", claimed.iter().map(|(_, reply, _)| reply).collect::<Vec<_>>());
        let (winner, since) = (won[0].0.uid.clone(), won[0].2);
        for (_, reply, _) in claimed.iter().filter(|(_, reply, _)| reply["type"] != "ok") {
            assert_eq!(reply["code"], "already_claimed", "round {round}: {reply}");
            assert_eq!(reply["claimed_by"]["uid"], *winner, "round {round}: {reply}");
        }
        let agree =
            claimed.into_iter().map(|(console, ..)| tokio::spawn(agrees(console, conversation, winner.clone())));
        for agreed in join_all(agree).await {
            let (console, at) = agreed.expect("no panic");
            slowest = slowest.max(at.saturating_duration_since(since));
            consoles.push(console);
        }
        let claimant = consoles.iter_mut().find(|console| console.uid == winner).expect("one of them");
        claimant.resolve(conversation).await;
        // The next round is not answered by what this one has left behind.
        for console in &mut consoles {
            console.sees(conversation, "resolved").await;
            console.take_all(json!({})).await;
        }
    }
    println!(
        "figure: claims over {NODES} nodes: {rounds} rounds of {agents} claims, one winner each; all consoles agree within {:.0} ms at most",
        slowest.as_secs_f64() * 1_000.0
    );
    assert!(slowest <= AGREED, "{slowest:?}");
}

async fn claim(
    mut agent: Person,
    conversation: u64,
    ready: Arc<Barrier>,
) -> (Person, shopbell_harness::Value, Instant) {
    ready.wait().await;
    let reply = agent.ask(json!({"type": "claim", "conversation": conversation})).await;
    (agent, reply, Instant::now())
}

/// Waits until a console shows the winner.
async fn agrees(mut agent: Person, conversation: u64, winner: String) -> (Person, Instant) {
    let claimed = json!({"type": "conversation", "conversation": {"id": conversation, "claimed_by": {"uid": winner}}});
    agent.expect(claimed).await;
    (agent, Instant::now())
}
