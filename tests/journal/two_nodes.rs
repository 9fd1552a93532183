//! Several writers on one PostgreSQL, as several nodes are.

use std::{
    sync::{Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection, QueryResult, RunQueryDsl, connection::SimpleConnection, sql_query};
use shopbell::{
    domain::{
        command::{Act, Target},
        ids::ConversationId,
        refusal::Refusal,
    },
    store::journal::{Answer, Entry, Writer},
};
use shopbell_harness::PATIENCE;

use super::scene::{Scene, all_told, shop, told, within};

/// Commits until nothing is left over, as a lane does: what is put off leads the next batch. What is unavailable on a machine that stands
/// still is sent again, as clients do.
fn finish(writer: &mut Writer, batch: Vec<Entry>) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = batch.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Entry)> = batch.into_iter().enumerate().collect();
    let end = Instant::now() + PATIENCE;
    while !waiting.is_empty() {
        let (places, mut entries): (Vec<usize>, Vec<Entry>) = waiting.drain(..).unzip();
        let came = writer.commit(&mut entries);
        for ((place, entry), answer) in places.into_iter().zip(entries).zip(came) {
            match answer {
                Answer::Later => waiting.push((place, entry)),
                Answer::Refused(Refusal::Unavailable { .. }) if Instant::now() < end => waiting.push((place, entry)),
                answer => answers[place] = Some(answer),
            }
        }
    }
    answers.into_iter().flatten().collect()
}

fn is_granted(answer: &Answer) -> bool {
    matches!(answer, Answer::Outcome(_))
}

#[test]
fn one_conversation_written_by_three_nodes_has_every_seq_once_and_each_senders_in_order() {
    let mut scene = Scene::postgres();
    let id = scene.conversation("b0");
    let claim = scene.command("ann", Act::Claim(id));
    assert_eq!(told(&scene.one(claim)), "claimed");
    let mut writers: Vec<Writer> = (0..3).map(|_| scene.another()).collect();
    let all: Vec<Vec<String>> = thread::scope(|scope| {
        let write = |(node, writer)| {
            let scene = &scene;
            let batch = move |round: usize| -> Vec<Entry> {
                let one = |n| {
                    let by = if n % 2 == 0 { "b0" } else { "ann" };
                    scene.send(by, within(id), &format!("{node} {round} {n}"), "text")
                };
                (0..20).map(one).collect()
            };
            let batches: Vec<Vec<Entry>> = (0..20).map(batch).collect();
            let writer: &mut Writer = writer;
            scope.spawn(move || batches.into_iter().flat_map(|batch| all_told(&finish(writer, batch))).collect())
        };
        let running: Vec<_> = writers.iter_mut().enumerate().map(write).collect();
        running.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let seqs = |told: &Vec<String>| -> Vec<i64> {
        told.iter().map(|told| told.split_once(':').expect("stored").1.parse().unwrap()).collect()
    };
    let mut every: Vec<i64> = Vec::new();
    for node in &all {
        let seqs = seqs(node);
        assert!(seqs.is_sorted(), "{seqs:?}");
        every.extend(seqs);
    }
    every.sort_unstable();
    assert_eq!(every, (2..=1_201).collect::<Vec<_>>());
    assert_eq!(scene.number("SELECT last_seq FROM conversations"), 1_201);
}

#[test]
fn a_claim_has_one_winner() {
    let mut scene = Scene::postgres();
    let mut writers: Vec<Writer> = (0..3).map(|_| scene.another()).collect();
    for round in 0..10 {
        let id = scene.conversation(&format!("b{round}"));
        let start = Barrier::new(3);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let claims = ["ann", "bob", "sue"].map(|by| scene.command(by, Act::Claim(id)));
            let start = &start;
            let mut running = Vec::new();
            for (writer, claim) in writers.iter_mut().zip(claims) {
                running.push(scope.spawn(move || {
                    start.wait();
                    finish(writer, vec![claim]).pop().unwrap()
                }));
            }
            running.into_iter().map(|claim| claim.join().unwrap()).collect()
        });
        let winners = answers.iter().filter(|answer| is_granted(answer)).count();
        assert_eq!(winners, 1, "{:?}", all_told(&answers));
    }
}

#[test]
fn two_nodes_that_open_a_conversation_at_once_open_one() {
    let mut scene = Scene::postgres();
    let mut others = [scene.another(), scene.another()];
    for buyer in 0..10 {
        let start = Barrier::new(2);
        let told: Vec<Vec<String>> = thread::scope(|scope| {
            let [one, two] = &mut others;
            let open = |node: usize, writer| {
                let by = format!("b{buyer}");
                let batch = vec![
                    scene.send(&by, shop(), "the same", "hello"),
                    scene.send(&by, shop(), &format!("of {node}"), "hello"),
                    scene.send(
                        &by,
                        Target::User(format!("friend of {buyer}").replace(' ', "_").as_str().into()),
                        &format!("to {node}"),
                        "hi",
                    ),
                ];
                let (start, writer): (&Barrier, &mut Writer) = (&start, writer);
                scope.spawn(move || {
                    start.wait();
                    all_told(&finish(writer, batch))
                })
            };
            let running = [open(1, one), open(2, two)];
            running.into_iter().map(|node| node.join().unwrap()).collect()
        });
        assert!(told.iter().flatten().all(|told| !told.starts_with('!')), "{told:?}");
        let repeats = told.iter().flatten().filter(|told| told.starts_with('=')).count();
        assert_eq!(repeats, 1, "{told:?}");
    }
    assert_eq!(scene.number("SELECT count(*) FROM conversations"), 20);
    assert_eq!(scene.number("SELECT count(*) FROM messages"), 50);
    assert_eq!(scene.number("SELECT count(*) FROM tickets"), 10);
}

#[test]
fn a_key_used_on_two_nodes_for_two_messages_is_one_and_a_conflict() {
    let mut scene = Scene::postgres();
    let (id, direct) = (scene.conversation("b0"), Target::User("b1".into()));
    let mut others = [scene.another(), scene.another()];
    for round in 0..30 {
        let (start, key) = (Barrier::new(2), format!("k{round}"));
        let mut told: Vec<String> = thread::scope(|scope| {
            let [one, two] = &mut others;
            let send = |writer, to: Target| {
                let batch = vec![scene.send("b0", to, &key, "hello")];
                let (start, writer): (&Barrier, &mut Writer) = (&start, writer);
                scope.spawn(move || {
                    start.wait();
                    told(&finish(writer, batch)[0])
                })
            };
            let running = [send(one, within(id)), send(two, direct.clone())];
            running.into_iter().map(|node| node.join().unwrap()).collect()
        });
        told.sort();
        assert_eq!(told[0], "!Conflict", "{told:?}");
        assert!(told[1].contains(':'), "{told:?}");
    }
}

/// Another session that has a conversation's row, until it is told to let go.
fn hold(scene: &Scene, id: ConversationId) -> impl FnOnce() + use<> {
    let (mut db, (held, is_held), (go, may_go)) = (scene.location.writer().unwrap(), mpsc::channel(), mpsc::channel());
    let holder = thread::spawn(move || {
        let kept = db.transaction(|db| {
            sql_query(format!("SELECT id FROM conversations WHERE id = {id} FOR UPDATE")).execute(db)?;
            held.send(()).unwrap();
            may_go.recv().unwrap();
            QueryResult::Ok(())
        });
        drop(kept); // It may have been ended for standing still.
    });
    is_held.recv().unwrap();
    move || {
        go.send(()).unwrap();
        holder.join().unwrap();
    }
}

#[test]
fn what_another_node_has_waits_its_turn_while_the_others_get_on() {
    let mut scene = Scene::postgres();
    let (held, free) = (scene.conversation("b0"), scene.conversation("b1"));
    let release = hold(&scene, held);
    let batch = |scene: &Scene, round: usize| {
        vec![
            scene.send("b0", within(held), &format!("a{round}"), "one"),
            scene.send("b1", within(free), &format!("b{round}"), "one"),
            scene.send("b0", within(held), &format!("c{round}"), "two"),
        ]
    };
    let asked = Instant::now();
    let mut put_off = batch(&scene, 0);
    let answers = scene.writer.commit(&mut put_off);
    assert_eq!(all_told(&answers), ["Later", &format!("{free}:2"), "Later"]);
    assert!(asked.elapsed() < Duration::from_millis(400), "nobody waits: {:?}", asked.elapsed());
    release();
    put_off.remove(1);
    assert_eq!(all_told(&scene.writer.commit(&mut put_off)), [format!("{held}:2"), format!("{held}:3")], "in order");
}

#[test]
fn what_is_never_given_back_is_refused_alone_and_holds_nobody_up() {
    let mut scene = Scene::postgres();
    let (held, free) = (scene.conversation("b0"), scene.conversation("b1"));
    let release = hold(&scene, held);
    let batch = |scene: &Scene, round: usize| {
        let (to_held, to_free) = (format!("a{round}"), format!("b{round}"));
        vec![scene.send("b0", within(held), &to_held, "x"), scene.send("b1", within(free), &to_free, "x")]
    };
    let asked = Instant::now();
    let mut of_held = Vec::new();
    for round in 0..4 {
        let mut batch = batch(&scene, round);
        let answers = scene.writer.commit(&mut batch);
        assert_eq!(told(&answers[1]), format!("{free}:{}", round + 2));
        of_held.push(told(&answers[0]));
    }
    assert_eq!(of_held, ["Later", "!Unavailable", "!Unavailable", "!Unavailable"]);
    let took = asked.elapsed();
    assert!((Duration::from_millis(400)..Duration::from_millis(1_500)).contains(&took), "waited for once: {took:?}");
    let asked = Instant::now();
    let mut next = batch(&scene, 9);
    let answers = scene.writer.commit(&mut next);
    assert_eq!(all_told(&answers), ["!Unavailable".to_owned(), format!("{free}:6")]);
    assert!(asked.elapsed() < Duration::from_millis(300), "and not again so soon: {:?}", asked.elapsed());
    release();
    let mut again = batch(&scene, 9);
    let answers = scene.writer.commit(&mut again);
    assert_eq!(all_told(&answers), [format!("{held}:2"), format!("={free}:6")]);
}

#[test]
fn a_node_that_stands_still_inside_a_transaction_loses_its_rows() {
    let mut scene = Scene::postgres();
    let id = scene.conversation("b0");
    let mut frozen = scene.location.writer().unwrap();
    frozen.batch_execute(&format!("BEGIN; SELECT id FROM conversations WHERE id = {id} FOR UPDATE")).unwrap();
    let asked = Instant::now();
    let mut n = 0;
    let stored = loop {
        n += 1;
        let send = scene.send("b0", within(id), &format!("k{n}"), "x");
        let answer = finish(&mut scene.writer, vec![send]).pop().unwrap();
        if is_granted(&answer) {
            break told(&answer);
        }
        assert_eq!(told(&answer), "!Unavailable");
        assert!(asked.elapsed() < Duration::from_secs(8), "the row is never free");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(stored, format!("{id}:2"));
    assert!(frozen.batch_execute("COMMIT").is_err(), "it was ended");
}
