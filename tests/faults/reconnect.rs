//! A node dies, and all of its clients come to the others at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use shopbell_harness::{Fleet, TestPostgres, json, talker::Talker};

use crate::alone::{NODES, SOON, alone, sized};

/// Agents, of whom each has some of the buyers.
const AGENTS: usize = 10;
/// So few queries a second are those of nodes that have nothing to do.
const QUIET: f64 = 50.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_of_a_dead_node_come_back_at_once() {
    let _alone = alone().await;
    let buyers = sized(500, 5_000);
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track_utility", "off"),
        ("pg_stat_statements.max", "10000"),
    ];
    let postgres = TestPostgres::start_with(&settings);
    let mut fleet = Fleet::direct(postgres, NODES).await;
    fleet.postgres.ask("postgres", "CREATE EXTENSION pg_stat_statements");
    let shop = fleet.nodes[1].shop("acme").await;
    for at in 0..AGENTS {
        fleet.nodes[1].employ(&shop, &format!("a{at}"), "agent").await;
    }

    // Everybody has a conversation with a claimant, and a session on the node that will die.
    let first = fleet.nodes[0].base().to_owned();
    let tokens: Vec<(String, String)> = (0..buyers)
        .map(|at| format!("b{at}"))
        .map(|uid| (fleet.nodes[0].token(&uid), uid))
        .map(|(token, uid)| (uid, token))
        .collect();
    let arrive = stream::iter(tokens.iter().map(|(uid, token)| Talker::login(&first, uid, token))).buffered(100);
    let mut talkers: Vec<Talker> = arrive.map(|arrived| arrived.expect("connected")).collect().await;
    let mut conversations = Vec::new();
    for (at, talker) in talkers.iter_mut().enumerate() {
        let content = json!({"kind": "text", "text": "hi"});
        talker
            .tell(&json!({"type": "send", "id": format!("b{at}-hi"), "to": {"shop": shop}, "content": content}))
            .await
            .expect("connected");
    }
    for talker in &mut talkers {
        let (_, ok) = talker.reply().await.expect("connected");
        conversations.push(ok["conversation"].as_u64().expect("a number"));
    }
    let claims = (0..AGENTS).map(|at| {
        let uid = format!("a{at}");
        let (base, token) = (fleet.nodes[1 + at % 2].base().to_owned(), fleet.nodes[1].token(&uid));
        let own: Vec<u64> = conversations.iter().skip(at).step_by(AGENTS).copied().collect();
        tokio::spawn(async move {
            let mut agent = Talker::login(&base, &uid, &token).await.expect("connected");
            for conversation in own {
                let claim = json!({"type": "claim", "conversation": conversation});
                let claimed = agent.ask(claim).await.expect("connected");
                assert_eq!(claimed["type"], "ok", "{claimed}");
            }
            agent
        })
    });
    let agents: Vec<Talker> = join_all(claims).await.into_iter().map(|agent| agent.expect("no panic")).collect();

    // What the nodes ask by themselves.
    let asked = |fleet: &Fleet| -> f64 {
        let sql = "SELECT sum(calls) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname LIKE 'test%'";
        fleet.postgres.ask("postgres", sql).parse().expect("a number")
    };
    let mut idle = f64::MAX;
    for _ in 0..10 {
        let (quiet, since) = (asked(&fleet), Instant::now());
        tokio::time::sleep(Duration::from_secs(2)).await;
        idle = (asked(&fleet) - quiet) / since.elapsed().as_secs_f64();
        // What has come of the claims is through.
        if idle < QUIET {
            break;
        }
    }

    let (before, since) = (asked(&fleet), Instant::now());
    fleet.nodes[0].kill();
    let killed = Instant::now();
    drop(talkers);
    let bases: Arc<Vec<String>> = Arc::new(fleet.nodes[1..].iter().map(|node| node.base().to_owned()).collect());
    let back = tokens.iter().enumerate().map(|(at, (uid, token))| {
        let (bases, uid, token) = (Arc::clone(&bases), uid.clone(), token.clone());
        tokio::spawn(async move { come_back(&bases[at % bases.len()], &uid, &token, killed).await })
    });
    let back: Vec<(Talker, Duration)> = join_all(back).await.into_iter().map(|back| back.expect("no panic")).collect();
    let asked_for = asked(&fleet) - before - idle * since.elapsed().as_secs_f64();
    let mut times: Vec<Duration> = back.iter().map(|(_, time)| *time).collect();
    times.sort();
    let mut talkers: Vec<Talker> = back.into_iter().map(|(talker, _)| talker).collect();

    // Everybody is really there: what is said now arrives.
    let asks = agents.into_iter().enumerate().map(|(first, mut agent)| {
        let own: Vec<(usize, u64)> = conversations.iter().copied().enumerate().skip(first).step_by(AGENTS).collect();
        tokio::spawn(async move {
            for (at, conversation) in own {
                let content = json!({"kind": "text", "text": format!("are you there, b{at}?")});
                let to = json!({"conversation": conversation});
                let send = json!({"type": "send", "id": format!("there-{at}"), "to": to, "content": content});
                let said = agent.ask(send).await.expect("connected");
                assert_eq!(said["type"], "ok", "{said}");
            }
        })
    });
    join_all(asks).await.into_iter().for_each(|asked| asked.expect("no panic"));
    let mut lost = 0;
    for (at, talker) in talkers.iter_mut().enumerate() {
        let heard = async {
            while talker.heard.is_empty() {
                talker.hear().await.expect("connected");
            }
        };
        let in_time = tokio::time::timeout(SOON, heard).await.is_ok();
        lost += usize::from(!in_time || talker.heard[0].text != format!("are you there, b{at}?"));
    }
    let each = asked_for / buyers as f64;
    println!(
        "figure: reconnect: {buyers} sockets back after {:.2} s (p50 {:.2} s), {each:.2} queries each beside {idle:.0} a second by the nodes \
         themselves; {lost} lost",
        times[times.len() - 1].as_secs_f64(),
        times[times.len() / 2].as_secs_f64(),
    );
    assert!(times[times.len() - 1] < SOON, "{:?}", times.last());
    assert_eq!(lost, 0);
    assert!(each <= 2.0, "{each} queries a reconnect");
}

/// Logs in, up to `flushed`; gives how long that took since the node had died.
async fn come_back(base: &str, uid: &str, token: &str, killed: Instant) -> (Talker, Duration) {
    loop {
        // A full backlog refuses: then again.
        if let Ok(mut talker) = Talker::login(base, uid, token).await {
            while talker.flushed == 0 {
                talker.hear().await.expect("connected");
            }
            return (talker, killed.elapsed());
        }
        assert!(killed.elapsed() < 6 * SOON, "{uid} cannot come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
