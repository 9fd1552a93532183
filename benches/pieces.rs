//! The pieces of a message's way, each by itself: `cargo bench --bench pieces`.

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::Instant,
};

use actix::prelude::*;
use divan::{Bencher, black_box, counter::ItemsCount};
use shopbell::{
    domain::{
        audience,
        batch::{Batcher, Company},
        command::Message,
        conversation::{Conversation, Deed, Parties, Speaker, Standing},
        cursor::Which,
        ids::{ConversationId, ShopId, Timestamp, UserId},
        people::{Agent, Person, Role, Shop, Status},
    },
    protocol::{event, frame},
    socket,
};

fn main() {
    divan::main();
}

const SEND: &str = r#"{"type":"send","id":"9f86d081884c7d659a2feaa0c55ad015","to":{"conversation":17},"content":{"kind":"text","text":"Hello, I ordered the blue jacket in size M last Tuesday and the parcel still has not arrived. Could you please check where it is? The tracking page only says that it left the warehouse in Rotterdam."}}"#;
const ACK: &str = r#"{"type":"ack","conversation":17,"seq":123456}"#;

fn person(id: i64, uid: &str) -> Arc<Person> {
    Arc::new(Person { id: UserId(id), uid: uid.into(), name: uid.into(), avatar: None })
}

fn conversation() -> Conversation {
    let shop = Arc::new(Shop { id: ShopId(1), shop: "acme".into(), name: "Acme".into() });
    Conversation::new(ConversationId(17), Parties::Support { shop, buyer: person(1, "buyer") }, Timestamp(1))
}

fn message() -> Message {
    let (_, content) = SEND[..SEND.len() - 1].split_once(r#""content":"#).expect("a content");
    Message {
        conversation: ConversationId(17),
        seq: 1,
        shop: Some("acme".into()),
        from: person(1, "buyer"),
        speaker: Speaker::Buyer,
        side: Which::First,
        content: content.into(),
        client_id: "9f86d081884c7d659a2feaa0c55ad015".into(),
        at: Timestamp(1_795_000_000_000_000),
    }
}

#[divan::bench(args = ["send", "ack"])]
fn parse_a_frame(bencher: Bencher, kind: &str) {
    let text = if kind == "send" { SEND } else { ACK };
    bencher.bench(|| frame::parse(black_box(text)).is_ok());
}

#[divan::bench]
fn encode_a_message(bencher: Bencher) {
    let message = message();
    bencher.bench(|| socket::encode_text(event::message(black_box(&message), false)));
}

#[divan::bench]
fn encode_an_ok() -> String {
    event::sent(black_box("9f86d081884c7d659a2feaa0c55ad015"), ConversationId(17), 123_456, Timestamp(1), false)
}

#[divan::bench]
fn the_state_machine_takes_a_message(bencher: Bencher) {
    let mut conversation = conversation();
    bencher.bench_local(|| conversation.send(UserId(1), Standing::Buyer, Timestamp(2)));
}

#[divan::bench]
fn the_state_machine_claims(bencher: Bencher) {
    let mut waiting = conversation();
    waiting.send(UserId(1), Standing::Buyer, Timestamp(2)).expect("a buyer may write");
    let agent = person(2, "agent");
    bencher.with_inputs(|| waiting.clone()).bench_refs(|conversation| {
        conversation.act(&agent, Standing::Agent(Role::Agent), &Deed::Claim, 0, Timestamp(3)).is_ok()
    });
}

#[divan::bench(args = [1, 10, 100])]
fn the_audience_of_a_message(bencher: Bencher, agents: i64) {
    let agent = |id| Agent { person: person(id, &format!("agent-{id}")), role: Role::Agent, status: Status::Online };
    let agents: Vec<Agent> = (2..2 + agents).map(agent).collect();
    let mut conversation = conversation();
    conversation.send(UserId(1), Standing::Buyer, Timestamp(2)).expect("a buyer may write");
    let message = message();
    bencher.bench(|| audience::of_message(black_box(&conversation), &message, &agents).len());
}

/// Through the queue, for each entry of a batch of so many.
#[divan::bench(args = [1, 100, 1_000])]
fn group_commit(bencher: Bencher, entries: usize) {
    let mut batcher = Batcher::new(20_000, 1_000, Company::AsMuch);
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        for entry in 0..entries {
            batcher.push(entry).expect("there is room");
        }
        let now = Instant::now();
        batcher.at_once();
        let batch = batcher.next_batch(now);
        batcher.written(now);
        batch
    });
}

/// Counts, and tells when it has been told often enough.
struct Counter(SyncSender<()>);

#[derive(Message)]
#[rtype(result = "()")]
struct Tick {
    is_last: bool,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Tick> for Counter {
    type Result = ();

    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        if tick.is_last {
            self.0.send(()).expect("somebody waits");
        }
    }
}

/// A message from this thread to an actor of another: of so many, sent together.
#[divan::bench(args = [1, 1_000])]
fn a_hop_to_an_actor(bencher: Bencher, ticks: usize) {
    let system = System::new();
    let (done, waits) = sync_channel(1);
    let arbiter = system.block_on(async { Arbiter::new() });
    let actor = Counter::start_in_arbiter(&arbiter.handle(), |_| Counter(done));
    bencher.counter(ItemsCount::new(ticks)).bench_local(|| {
        for tick in 1..=ticks {
            actor.do_send(Tick { is_last: tick == ticks });
        }
        waits.recv().expect("the actor lives");
    });
}
