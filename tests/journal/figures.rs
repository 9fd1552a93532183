//! What the journal costs beside the bare database: rows a second through `Writer::commit`, and the same inserts without it.
//!
//! Not a test: `cargo test --release --test journal -- --ignored --nocapture figures`.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl, sql_query};
use shopbell::{
    domain::{
        command::{Act, Message},
        conversation::Speaker,
        cursor::Which,
        ids::{ConversationId, Timestamp},
    },
    store::{
        Db,
        journal::Entry,
        messages::{self, New},
    },
};
use shopbell_harness::TestPostgres;

use super::scene::{Scene, content, given, within};

const TEXT: &str = "请问这个商品什么时候发货? A text of about two hundred bytes is what people write in a chat, some write more, most \
                    of them write less, and all of them want it to arrive.";

/// Repeats `write` for a while; how many rows a second.
fn rate(rows: usize, mut write: impl FnMut(usize)) -> f64 {
    let time = Duration::from_millis(1_500);
    (0..20).for_each(&mut write);
    let start = Instant::now();
    let mut n = 20;
    while start.elapsed() < time {
        write(n);
        n += 1;
    }
    ((n - 20) * rows) as f64 / start.elapsed().as_secs_f64()
}

fn measure(name: &str, mut scene: Scene) {
    let conversations: Vec<ConversationId> = (0..10).map(|n| scene.conversation(&format!("b{n}"))).collect();
    let people: Vec<_> = (0..10).map(|n| scene.person(&format!("b{n}"))).collect();
    println!("{name:<10} {:>6} {:>12} {:>12} {:>7}", "rows", "bare/s", "journal/s", "ratio");
    for rows in [1, 10, 100, 1_000] {
        let mut seq = 1_000_000 * rows as i64;
        let bare = rate(rows, |batch| {
            let message = |n: usize| {
                seq += 1;
                let message = Message {
                    conversation: ConversationId(1_000 + (n % 10) as i64),
                    seq,
                    shop: None,
                    from: people[n % 10].clone(),
                    speaker: Speaker::Buyer,
                    side: Which::First,
                    content: content(TEXT).json,
                    client_id: format!("{rows:05}-{batch:08}-{n:05}-0123456789").into(),
                    at: Timestamp(1),
                };
                New { message: message.into(), digest: [0; 16] }
            };
            let new: Vec<New> = (0..rows).map(message).collect();
            scene.db.write(|db| messages::insert(db, &new)).unwrap();
        });
        let journal = rate(rows, |batch| {
            let entry = |n: usize| {
                let key = format!("j{rows:05}-{batch:08}-{n:05}-0123456789");
                scene.send(&format!("b{}", n % 10), within(conversations[n % 10]), &key, TEXT)
            };
            let mut entries: Vec<Entry> = (0..rows).map(entry).collect();
            let answers = scene.writer.commit(&mut entries);
            assert!(answers.iter().all(|answer| matches!(answer, shopbell::store::journal::Answer::Outcome(_))));
        });
        println!("{name:<10} {rows:>6} {bare:>12.0} {journal:>12.0} {:>7.2}", journal / bare);
    }
    // Each batch moves every buyer's cursor a hundred times.
    let last = scene.number("SELECT min(last_seq) FROM conversations");
    let mut seq = 1;
    let acks = rate(1_000, |_| {
        seq = if seq + 100 > last { 1 } else { seq + 100 };
        let entry = |n: usize| {
            let (conversation, seq) = (conversations[n % 10], seq + (n / 10) as i64);
            scene.command("ann", Act::Ack { conversation, seq, given: given(seq), viewing: false })
        };
        let mut entries: Vec<Entry> = (0..1_000).map(entry).collect();
        scene.writer.commit(&mut entries);
    });
    println!("{name:<10} {:>6} {:>12} {acks:>12.0} acks of an agent while they wait", 1_000, "");
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let scene = Scene::at(&url, None);
    if let Db::Sqlite(_) = &scene.db {
        // Bare inserts have no conversations.
        let mut scene = scene;
        sql_query("PRAGMA foreign_keys = OFF").execute(&mut scene.db).unwrap();
        measure("SQLite", scene);
    }
    measure("PostgreSQL", Scene::at(&TestPostgres::start().fresh_database(), None));
}
