//! A batch through the journal, on both databases: `cargo bench --bench journal`. Needs PostgreSQL's programs, as the tests do.

#[allow(dead_code, reason = "the journal's tests use all of it")]
#[path = "../tests/journal/scene.rs"]
mod scene;

use divan::{Bencher, counter::ItemsCount};
use scene::{Scene, content, given, within};
use shopbell::{
    domain::{
        command::{Act, Target},
        ids::ConversationId,
    },
    store::journal::{Answer, Entry},
};
use shopbell_harness::TestPostgres;

const TEXT: &str = "Hello, I ordered the blue jacket in size M last Tuesday and the parcel still has not arrived. Could you please check \
                    where it is? The tracking page only says that it left the warehouse in Rotterdam.";
const SIZES: [usize; 4] = [1, 10, 100, 1_000];

fn main() {
    divan::main();
}

/// On the disk, where a commit has to wait for it.
fn sqlite() -> Scene {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}", directory.path().join("bench.db").display());
    Scene::at(&url, Some(directory))
}

fn postgres() -> Scene {
    Scene::at(&TestPostgres::shared().fresh_database(), None)
}

fn sends(bencher: Bencher, mut scene: Scene, entries: usize) {
    let conversations: Vec<ConversationId> = (0..10).map(|n| scene.conversation(&format!("b{n}"))).collect();
    let mut batch = 0;
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        batch += 1;
        let entry = |n: usize| {
            let target: Target = within(conversations[n % 10]);
            let act = Act::Send { to: target, client_id: format!("{batch:08}-{n:05}").into(), content: content(TEXT) };
            scene.command(&format!("b{}", n % 10), act)
        };
        let mut entries: Vec<Entry> = (0..entries).map(entry).collect();
        let answers = scene.writer.commit(&mut entries);
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Outcome(_))));
    });
}

fn acks(bencher: Bencher, mut scene: Scene, entries: usize) {
    let conversations: Vec<ConversationId> = (0..10).map(|n| scene.conversation(&format!("b{n}"))).collect();
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let entry = |n: usize| {
            let act = Act::Ack { conversation: conversations[n % 10], seq: 1, given: given(1), viewing: false };
            scene.command("ann", act)
        };
        let mut entries: Vec<Entry> = (0..entries).map(entry).collect();
        scene.writer.commit(&mut entries).len()
    });
}

#[divan::bench(args = SIZES)]
fn messages_on_sqlite(bencher: Bencher, entries: usize) {
    sends(bencher, sqlite(), entries);
}

#[divan::bench(args = SIZES)]
fn messages_on_postgresql(bencher: Bencher, entries: usize) {
    sends(bencher, postgres(), entries);
}

#[divan::bench(args = SIZES)]
fn acks_on_sqlite(bencher: Bencher, entries: usize) {
    acks(bencher, sqlite(), entries);
}

#[divan::bench(args = SIZES)]
fn acks_on_postgresql(bencher: Bencher, entries: usize) {
    acks(bencher, postgres(), entries);
}
