//! Twenty agents claim one waiting conversation at the same moment, again and again: one wins.

use std::sync::Arc;

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use shopbell_harness::{TestNode, talker::Talker};
use tokio::sync::Barrier;

use crate::figures::{alone, random, sized};

const AGENTS: usize = 20;
/// Buyers take turns, so that what one round leaves behind is not in the way of the next.
const BUYERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_claims_at_once_one_wins() {
    let _alone = alone().await;
    let rounds = sized(100, 1_000);
    let mut random = random("claim race");
    let unlimited = 1_000_000;
    let node = TestNode::builder()
        .set("limits.messages_per_second", unlimited)
        .set("limits.messages_burst", unlimited)
        .set("limits.frames_per_second", unlimited);
    let node = node.start().await;
    node.shop("acme").await;
    let mut agents = Vec::new();
    for at in 0..AGENTS {
        let uid = format!("a{at}");
        node.employ("acme", &uid, "agent").await;
        agents.push((at, Talker::login(node.base(), &uid, &node.token(&uid)).await.expect("connected")));
    }
    let mut buyers = Vec::new();
    for at in 0..BUYERS {
        let uid = format!("b{at}");
        buyers.push(Talker::login(node.base(), &uid, &node.token(&uid)).await.expect("connected"));
    }

    let mut wins = [0; AGENTS];
    for round in 0..rounds {
        let content = json!({"kind": "text", "text": format!("round {round}")});
        let send = json!({"type": "send", "id": format!("r{round}"), "to": {"shop": "acme"}, "content": content});
        let sent = buyers[round % BUYERS].ask(send).await.expect("connected");
        let conversation = sent["conversation"].clone();
        assert!(conversation.is_u64(), "{sent}");

        // In another order each time, and none before all are ready.
        agents.shuffle(&mut random);
        let ready = Arc::new(Barrier::new(AGENTS));
        let claims = agents.drain(..).map(|agent| tokio::spawn(claim(agent, conversation.clone(), ready.clone())));
        let mut replies = vec![Value::Null; AGENTS];
        for claimed in join_all(claims).await {
            let (agent, reply) = claimed.expect("no panic");
            replies[agent.0] = reply;
            agents.push(agent);
        }

        let won: Vec<usize> = (0..AGENTS).filter(|at| replies[*at]["type"] == "ok").collect();
        assert_eq!(won.len(), 1, "round {round}: {replies:#?}");
        let winner = format!("a{}", won[0]);
        assert_eq!(replies[won[0]]["conversation"]["claimed_by"]["uid"], *winner, "round {round}");
        for (_, lost) in replies.iter().enumerate().filter(|(at, _)| *at != won[0]) {
            assert_eq!(lost["code"], "already_claimed", "round {round}: {lost}");
            assert_eq!(lost["claimed_by"]["uid"], *winner, "round {round}: {lost}");
        }
        wins[won[0]] += 1;

        let resolve = json!({"type": "resolve", "conversation": conversation});
        let (_, claimant) = agents.iter_mut().find(|(at, _)| *at == won[0]).expect("one of them");
        let resolved = claimant.ask(resolve).await.expect("connected");
        assert_eq!(resolved["type"], "ok", "{resolved}");
        // Every agent takes in, and acks, what it was given while the conversation waited.
        let pings = agents.iter_mut().map(|(_, agent)| agent.ask(json!({"type": "ping"})));
        assert!(join_all(pings).await.iter().all(Result::is_ok));
        agents.iter_mut().for_each(|(_, agent)| agent.heard.clear());
    }
    println!("figure: claim race: {rounds} rounds of {AGENTS} claims, one winner each; wins by agent {wins:?}");
}

/// One agent's claim, at the moment at which all are ready.
async fn claim(mut agent: (usize, Talker), conversation: Value, ready: Arc<Barrier>) -> ((usize, Talker), Value) {
    ready.wait().await;
    let claim = json!({"type": "claim", "conversation": conversation});
    let reply = agent.1.ask(claim).await.expect("connected");
    (agent, reply)
}
