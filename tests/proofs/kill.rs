//! The process is killed under traffic, again and again, at random moments: what was acked is there, once, and no seq is
//! missing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::{Value, json};
use shopbell_harness::{
    TestNode,
    talker::{Gone, PATIENCE, Talker},
};
use tokio::time::{sleep, timeout};

use crate::figures::{alone, random, sized};

/// Half of them are buyers, the others talk to each other in pairs.
const SENDERS: usize = 32;
/// So many messages of one sender are under way at a time.
const WINDOW: usize = 4;

/// Somebody who sends, and remembers through all crashes what became of it.
struct Sender {
    uid: String,
    token: String,
    to: Value,
    next: u64,
    /// Sent, and not acked yet: they may be stored or not.
    unsure: BTreeSet<u64>,
    /// Conversation and seq of each message that was acked.
    acked: HashMap<u64, (u64, u64)>,
    last: Option<u64>,
    resent: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acked_survives_kill_minus_nine() {
    let _alone = alone().await;
    let rounds = sized(6, 50);
    let mut random = random("kill");
    let unlimited = 1_000_000;
    let mut node = TestNode::builder()
        .set("limits.messages_per_second", unlimited)
        .set("limits.messages_burst", unlimited)
        .set("limits.frames_per_second", unlimited)
        .start()
        .await;
    node.shop("acme").await;
    let mut senders: Vec<Sender> = (0..SENDERS).map(|at| Sender::new(&node, at)).collect();

    for round in 0..rounds {
        let acks = Arc::new(AtomicU64::new(0));
        let base = node.base().to_owned();
        let running: Vec<_> =
            senders.drain(..).map(|sender| tokio::spawn(sender.traffic(base.clone(), Arc::clone(&acks)))).collect();
        let begun = async {
            while acks.load(Ordering::Relaxed) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(timeout(PATIENCE, begun).await.is_ok(), "round {round}: no ack:\n{}", node.log());
        sleep(Duration::from_micros(random.random_range(0..400_000))).await;
        node.kill();
        senders = join_all(running).await.into_iter().map(|sender| sender.expect("no panic")).collect();
        node.restart().await;
    }

    // What is still unsure is sent once more, to its ack.
    let base = node.base().to_owned();
    let last = senders.drain(..).map(|sender| tokio::spawn(sender.settle(base.clone())));
    let senders: Vec<Sender> = join_all(last).await.into_iter().map(|sender| sender.expect("no panic")).collect();
    judge(&node, &senders, rounds).await;
}

/// The record of every conversation against what its senders were told.
async fn judge(node: &TestNode, senders: &[Sender], rounds: usize) {
    let mut expected: HashMap<u64, HashMap<u64, String>> = HashMap::new();
    let mut reader: HashMap<u64, &Sender> = HashMap::new();
    let (mut lost, mut doubled, mut holes) = (0, 0, 0);
    for sender in senders {
        assert!(sender.unsure.is_empty());
        for (number, (conversation, seq)) in &sender.acked {
            reader.entry(*conversation).or_insert(sender);
            let other = expected.entry(*conversation).or_default().insert(*seq, sender.id(*number));
            // Two messages were acked with one seq: one of them has no place of its own.
            lost += usize::from(other.is_some());
        }
    }
    let mut stored = 0;
    for (conversation, messages) in &expected {
        let sender = reader[conversation];
        let mut talker = Talker::login(node.base(), &sender.uid, &sender.token).await.expect("connected");
        let history = talker.history(*conversation).await;
        stored += history.len();
        let mut ids: HashMap<&str, u64> = HashMap::new();
        for (place, message) in (1..).zip(&history) {
            let seq = message["seq"].as_u64().expect("a number");
            holes += usize::from(seq != place);
            let id = message["client_id"].as_str().expect("an id");
            doubled += usize::from(ids.insert(id, seq).is_some());
            assert_eq!(message["content"]["text"], text_of(id), "{message}");
        }
        lost += messages.iter().filter(|(seq, id)| ids.get(id.as_str()) != Some(seq)).count();
    }
    let acked: usize = senders.iter().map(|sender| sender.acked.len()).sum();
    let resent: u64 = senders.iter().map(|sender| sender.resent).sum();
    println!(
        "figure: kill: {rounds} times kill -9 under {SENDERS} senders, {acked} messages acked, {resent} sent again; \
         {lost} lost, {doubled} stored twice, {holes} holes"
    );
    assert_eq!((lost, doubled, holes), (0, 0, 0));
    assert_eq!(stored, acked, "all that is stored was acked in the end");
}

/// What the message with this id says, so that a content under another's id would be seen.
fn text_of(id: &str) -> String {
    format!("message {id}, {}", "x".repeat(id.len() * 7 % 150))
}

impl Sender {
    fn new(node: &TestNode, at: usize) -> Self {
        let uid = format!("s{at}");
        let to = if at < SENDERS / 2 { json!({"shop": "acme"}) } else { json!({"user": format!("s{}", at ^ 1)}) };
        let (unsure, acked) = (BTreeSet::new(), HashMap::new());
        Self { token: node.token(&uid), uid, to, next: 0, unsure, acked, last: None, resent: 0 }
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.uid)
    }

    /// Sends until the connection ends.
    async fn traffic(mut self, base: String, acks: Arc<AtomicU64>) -> Self {
        // The server's death is how it always ends.
        self.talk(&base, &acks).await.err();
        self
    }

    async fn talk(&mut self, base: &str, acks: &AtomicU64) -> Result<(), Gone> {
        let mut talker = self.arrive(base).await?;
        loop {
            while self.unsure.len() < WINDOW {
                let number = self.next;
                self.next += 1;
                self.unsure.insert(number);
                self.say(&mut talker, number).await?;
            }
            self.ack(&mut talker).await?;
            acks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what is unsure to its ack, and no more.
    async fn settle(mut self, base: String) -> Self {
        self.arrive(&base).await.expect("connected");
        self
    }

    /// Logs in and sends again, with the same ids, what is unsure and the last message that was acked: that one must get
    /// the same answer.
    async fn arrive(&mut self, base: &str) -> Result<Talker, Gone> {
        let mut talker = Talker::login(base, &self.uid, &self.token).await?;
        if let Some(last) = self.last {
            let before = self.acked[&last];
            let again = talker.ask(self.frame(last)).await?;
            let place = (again["conversation"].as_u64(), again["seq"].as_u64());
            assert_eq!(place, (Some(before.0), Some(before.1)), "{again}");
            assert_eq!(again["duplicate"], true, "{again}");
        }
        let unsure: Vec<u64> = self.unsure.iter().copied().collect();
        self.resent += unsure.len() as u64;
        for number in unsure {
            self.say(&mut talker, number).await?;
        }
        while !self.unsure.is_empty() {
            self.ack(&mut talker).await?;
        }
        Ok(talker)
    }

    fn frame(&self, number: u64) -> Value {
        let id = self.id(number);
        let content = json!({"kind": "text", "text": text_of(&id)});
        json!({"type": "send", "id": id, "to": self.to, "content": content})
    }

    async fn say(&self, talker: &mut Talker, number: u64) -> Result<(), Gone> {
        talker.tell(&self.frame(number)).await
    }

    async fn ack(&mut self, talker: &mut Talker) -> Result<(), Gone> {
        let (id, reply) = talker.reply().await?;
        talker.heard.clear();
        let number = id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).expect("an id of ours");
        match (reply["type"].as_str(), reply["code"].as_str()) {
            (Some("ok"), _) => {
                let place = |key: &str| reply[key].as_u64().expect("a number");
                self.unsure.remove(&number);
                self.acked.insert(number, (place("conversation"), place("seq")));
                self.last = Some(number);
                Ok(())
            }
            (_, Some("unavailable")) => {
                sleep(Duration::from_millis(reply["retry_after_ms"].as_u64().expect("a number"))).await;
                self.say(talker, number).await
            }
            _ => panic!("refused: {reply}"),
        }
    }
}
