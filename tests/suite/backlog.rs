//! Who is behind for a moment: what waits for room in the window (the contract's section 2.3), in memory and in the store; and what is read
//! from the store while it changes.

use std::{ops::RangeInclusive, time::Duration};

use shopbell_harness::{Person, TestNode, TestPostgres, Value, json};

/// A window's messages.
const WINDOW: u64 = 256;

/// `ann` writes to `ben`, who is there and acks nothing yet.
struct Talk {
    node: TestNode,
    ann: Person,
    ben: Person,
    conversation: u64,
    said: u64,
}

impl Talk {
    async fn begins() -> Self {
        let limits = TestNode::builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
        let node = limits.start().await;
        let (mut ann, ben) = (node.buyer("ann").await, node.person("ben").await);
        let first =
            json!({"type": "send", "id": "m1", "to": {"user": "ben"}, "content": {"kind": "text", "text": "1"}});
        let conversation = ann.ok(first).await["conversation"].as_u64().unwrap();
        Self { node, ann, ben, conversation, said: 1 }
    }

    /// `ann` says the numbers up to `last`, and they are stored.
    async fn says_up_to(&mut self, last: u64) {
        for n in self.said + 1..=last {
            let content = json!({"kind": "text", "text": n.to_string()});
            self.ann
                .tell(json!({"type": "send", "id": format!("m{n}"), "to": {"user": "ben"}, "content": content}))
                .await;
        }
        self.ann.expect(json!({"type": "ok", "id": format!("m{last}")})).await;
        self.said = last;
    }

    /// `ben` gets a window of messages, and no more.
    async fn ben_gets_a_window(&mut self) {
        for seq in 1..=WINDOW {
            self.ben_gets(seq).await;
        }
        self.ben.silence(json!({"type": "message", "redelivered": false})).await;
    }

    /// The next that he gets for the first time.
    async fn ben_gets(&mut self, seq: u64) -> Value {
        let message = self.ben.expect(json!({"type": "message", "redelivered": false})).await;
        assert_eq!(message["seq"], seq, "{message}");
        message
    }

    /// He gets these in their order, and acks as he goes.
    async fn ben_takes(&mut self, seqs: RangeInclusive<u64>) {
        for seq in seqs {
            self.ben_gets(seq).await;
            if seq % 16 == 0 || seq == self.said {
                self.ben.acks(self.conversation, seq).await;
            }
        }
    }

    async fn caught_up(&self) -> u64 {
        self.node.metric("shopbell_caught_up_total").await
    }
}

#[tokio::test]
async fn what_waits_for_an_ack_is_not_read_from_the_store() {
    let mut talk = Talk::begins().await;
    talk.says_up_to(2 * WINDOW).await;
    talk.ben_gets_a_window().await;
    talk.ben.acks(talk.conversation, WINDOW).await;
    talk.ben_takes(WINDOW + 1..=2 * WINDOW).await;
    assert_eq!(talk.caught_up().await, 0);
    talk.ann.expect(json!({"type": "delivered", "by": "ben", "seq": 2 * WINDOW})).await;
}

#[tokio::test]
async fn what_is_too_much_comes_from_the_store_in_its_order() {
    let mut talk = Talk::begins().await;
    let all = 2 * WINDOW + 150;
    talk.says_up_to(all).await;
    talk.ben_gets_a_window().await;
    talk.ben.acks(talk.conversation, WINDOW).await;
    talk.ben_takes(WINDOW + 1..=all).await;
    assert!(talk.caught_up().await >= 150);
    // And who has caught up gets everything at once again.
    let before = talk.caught_up().await;
    talk.says_up_to(all + 20).await;
    talk.ben_takes(all + 1..=all + 20).await;
    assert_eq!(talk.caught_up().await, before);
}

#[tokio::test]
async fn a_message_that_is_recalled_while_it_waits_comes_as_it_is_then() {
    let mut talk = Talk::begins().await;
    talk.says_up_to(WINDOW + 40).await;
    talk.ben_gets_a_window().await;
    talk.ann.ok(json!({"type": "recall", "conversation": talk.conversation, "seq": WINDOW + 10})).await;
    talk.ben.expect(json!({"type": "recalled", "seq": WINDOW + 10})).await;
    talk.ben.acks(talk.conversation, WINDOW).await;
    for seq in WINDOW + 1..=WINDOW + 40 {
        let message = talk.ben_gets(seq).await;
        assert_eq!(message["content"]["kind"] == "recalled", seq == WINDOW + 10, "{message}");
    }
}

#[tokio::test]
async fn who_leaves_while_messages_wait_finds_them_on_coming_back() {
    let mut talk = Talk::begins().await;
    talk.says_up_to(WINDOW + 40).await;
    talk.ben.expect(json!({"type": "message", "seq": WINDOW})).await;
    talk.ben.leave().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut ben = talk.node.person("ben").await;
    assert_eq!(ben.welcome["queued"], WINDOW + 40);
    ben.expect(json!({"type": "message", "seq": WINDOW})).await;
    ben.acks(talk.conversation, WINDOW).await;
    ben.expect(json!({"type": "message", "seq": WINDOW + 40})).await;
}

#[tokio::test]
async fn what_is_read_on_another_device_does_not_wait_any_more() {
    let mut talk = Talk::begins().await;
    let mut tablet = talk.ben.second_device().await;
    talk.says_up_to(WINDOW + 40).await;
    talk.ben_gets_a_window().await;
    tablet.reads(talk.conversation, WINDOW + 40).await;
    talk.ann.expect(json!({"type": "read", "by": "ben", "seq": WINDOW + 40})).await;
    talk.says_up_to(WINDOW + 41).await;
    talk.ben_gets(WINDOW + 41).await;
}

#[tokio::test]
async fn a_message_that_is_recalled_while_it_is_read_for_a_repeat_comes_as_it_is_then() {
    let postgres = TestPostgres::shared();
    let database = postgres.fresh();
    let node = TestNode::builder().database(&postgres.url(&database)).start().await;
    let (mut ann, mut ben) = (node.buyer("ann").await, node.person("ben").await);
    let says = |text| json!({"type": "send", "to": {"user": "ben"}, "content": {"kind": "text", "text": text}});
    ann.ok(says("hi")).await;
    // With this the writer knows both, and need not ask for them again.
    let conversation = ann.ok(says("again")).await["conversation"].clone();
    let message = json!({"type": "message", "seq": 2});
    ben.expect(message.clone()).await;
    // The repeat is due after a second. Whoever reads it knows how messages are before it knows whose they are.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lock = move || postgres.ask(&database, "BEGIN; LOCK TABLE users; SELECT pg_sleep(1.5)");
    let locked = tokio::task::spawn_blocking(lock);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // On a slow machine the writer has to ask for them nevertheless; then this comes too late to show anything.
    while ann.ask(json!({"type": "recall", "conversation": conversation, "seq": 2})).await["type"] != "ok" {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ben.expect(json!({"type": "recalled", "seq": 2})).await;
    let before = ben.heard(message.clone()).len();
    locked.await.unwrap();
    let repeated = async {
        while ben.heard(message.clone()).len() == before {
            ben.settle().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), repeated).await.expect("a repeat");
    let repeats = ben.heard(message);
    assert_eq!(repeats[before]["content"]["kind"], "recalled", "{repeats:?}");
}
