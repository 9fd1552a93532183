//! Who was away gets everything, once, in order: offline lists and the flush at login (the contract's section 2.3).
//! Every story runs three times: with lists in the database, in a real Redis, and with that Redis frozen at login.

use shopbell_harness::{Person, TestNode, TestRedis, To, Wire, WireFrame, json};
use std::time::{Duration, Instant};

/// Where the offline lists are.
struct Lists {
    redis: Option<TestRedis>,
    freezes: bool,
}

impl Lists {
    fn in_database() -> Self {
        Self { redis: None, freezes: false }
    }

    fn in_redis() -> Self {
        Self { redis: Some(TestRedis::start()), freezes: false }
    }

    /// Redis works while people are away, and is silent when they come back.
    fn in_redis_that_freezes() -> Self {
        Self { redis: Some(TestRedis::start()), freezes: true }
    }

    async fn node(&self) -> TestNode {
        let builder = TestNode::builder();
        match &self.redis {
            Some(redis) => builder.redis(redis).start().await,
            None => builder.start().await,
        }
    }

    /// The moment before somebody comes back.
    fn before_login(&self) {
        if let (Some(redis), true) = (&self.redis, self.freezes) {
            redis.freeze();
        }
    }
}

/// Declares each story once per kind of list.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod with_lists_in_the_database {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_database()).await; })*
        }
        mod with_lists_in_redis {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis()).await; })*
        }
        mod with_redis_frozen_at_login {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis_that_freezes()).await; })*
        }
    };
}

stories!(
    a_buyer_comes_back,
    a_claimant_comes_back,
    a_direct_user_comes_back,
    what_was_acked_does_not_come_again,
    what_is_said_during_the_flush_comes_after_it,
    a_flush_that_breaks_off_loses_nothing,
    more_than_a_window_waits,
    a_recalled_message_comes_in_its_present_form,
);

/// The flush: `welcome` counted right, these texts in this order, `flushed`; everything is acked.
async fn flushes(person: &mut Person, texts: &[&str]) {
    assert_eq!(person.welcome["queued"], json!(texts.len()), "{}", person.welcome);
    let flushed = person.expect(json!({"type": "flushed"})).await;
    assert_eq!(flushed["count"], json!(texts.len()));
    let messages = person.heard(json!({"type": "message"}));
    let heard: Vec<&str> = messages.iter().map(|message| message["content"]["text"].as_str().unwrap()).collect();
    assert_eq!(heard, texts, "before `flushed`");
    for text in texts {
        person.hears(text).await;
    }
    person.settle().await;
}

/// Shop `acme`; `a1` has claimed and both sides have acked everything.
async fn talking(node: &TestNode) -> (Person, Person, u64) {
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.acks(conversation, 1).await;
    b1.expect(json!({"type": "delivered", "seq": 1})).await;
    (a1, b1, conversation)
}

async fn a_buyer_comes_back(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for text in ["one", "two", "three"] {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    let asked = Instant::now();
    b1.come_back(node.base()).await;
    assert!(asked.elapsed() < Duration::from_millis(2_000), "the store serves after {:?}", asked.elapsed());
    flushes(&mut b1, &["one", "two", "three"]).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 4})).await;
    a1.say(conversation, "and live again").await;
    b1.hears("and live again").await;
}

async fn a_claimant_comes_back(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, _) = talking(&node).await;
    a1.leave().await;
    for text in ["one", "two"] {
        b1.say("acme", text).await;
    }
    lists.before_login();
    a1.come_back(node.base()).await;
    flushes(&mut a1, &["one", "two"]).await;
    b1.expect(json!({"type": "delivered", "by": "a1", "seq": 3})).await;
}

async fn a_direct_user_comes_back(lists: Lists) {
    let node = lists.node().await;
    let mut ann = node.buyer("ann").await;
    let mut ben = node.buyer("ben").await;
    let mut eve = node.buyer("eve").await;
    let from_ann = ann.opens(To::User("ben".into()), "0").await;
    ben.hears("0").await;
    ann.expect(json!({"type": "delivered", "seq": 1})).await;
    ben.leave().await;
    for n in 1..=3 {
        ann.say(from_ann, &format!("ann {n}")).await;
        eve.say(To::User("ben".into()), &format!("eve {n}")).await;
    }
    lists.before_login();
    ben.come_back(node.base()).await;
    assert_eq!(ben.welcome["queued"], 6);
    assert_eq!(ben.expect(json!({"type": "flushed"})).await["count"], 6);
    for name in ["ann", "eve"] {
        let messages = ben.heard(json!({"type": "message", "from": {"uid": name}}));
        let texts: Vec<&str> = messages.iter().map(|message| message["content"]["text"].as_str().unwrap()).collect();
        assert_eq!(texts, [format!("{name} 1"), format!("{name} 2"), format!("{name} 3")], "in order per conversation");
    }
}

async fn what_was_acked_does_not_come_again(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for text in ["one", "two", "three"] {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    b1.come_back(node.base()).await;
    assert_eq!(b1.welcome["queued"], 3);
    for text in ["one", "two", "three"] {
        b1.hears_unacked(text).await;
    }
    b1.acks(conversation, 3).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 3})).await;
    b1.leave().await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["three"]).await;
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 4})).await;
    b1.leave().await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &[]).await;
}

async fn what_is_said_during_the_flush_comes_after_it(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    for n in 0..30 {
        a1.say(conversation, &format!("before {n}")).await;
    }
    lists.before_login();
    let (_, ()) = tokio::join!(
        async {
            for n in 0..30 {
                a1.say(conversation, &format!("during {n}")).await;
            }
        },
        b1.come_back(node.base())
    );
    // Whether a message of the second thirty is queued or live depends on the moment; order and once do not.
    let queued = b1.welcome["queued"].as_u64().unwrap();
    assert!((30..=60).contains(&queued), "{queued}");
    let mut seqs = Vec::new();
    for _ in 0..60 {
        let message = b1.expect(json!({"type": "message", "redelivered": false})).await;
        seqs.push(message["seq"].as_u64().unwrap());
        b1.tell(json!({"type": "ack", "conversation": conversation, "seq": message["seq"]})).await;
    }
    assert_eq!(seqs, (2..=61).collect::<Vec<_>>());
    assert_eq!(b1.expect(json!({"type": "flushed"})).await["count"], json!(queued));
}

async fn a_flush_that_breaks_off_loses_nothing(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    let texts: Vec<String> = (0..50).map(|n| format!("{n} {}", "x".repeat(2_000))).collect();
    for text in &texts {
        a1.say(conversation, text).await;
    }
    lists.before_login();
    for _ in 0..3 {
        // Reads a little of the flush and breaks off.
        let mut wire = Wire::open(node.base()).await;
        let login = json!({"type": "login", "token": node.token("b1")}).to_string();
        wire.send(&WireFrame::new(WireFrame::TEXT, login)).await;
        wire.frame("message").await;
        drop(wire);
    }
    b1.come_back(node.base()).await;
    flushes(&mut b1, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

async fn more_than_a_window_waits(lists: Lists) {
    let builder = TestNode::builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
    let node = match &lists.redis {
        Some(redis) => builder.redis(redis).start().await,
        None => builder.start().await,
    };
    let mut ann = node.buyer("ann").await;
    for n in 1..=600 {
        ann.tell(json!({"type": "send", "id": format!("m{n}"), "to": {"user": "ben"},
            "content": {"kind": "text", "text": n.to_string()}}))
            .await;
    }
    for n in 1..=600 {
        ann.expect(json!({"type": "ok", "id": format!("m{n}")})).await;
    }
    lists.before_login();
    let mut ben = node.buyer("ben").await;
    assert_eq!(ben.welcome["queued"], 600);
    ben.expect(json!({"type": "message", "seq": 256})).await;
    ben.silence(json!({"type": "message", "seq": 257})).await;
    for seq in (1..=600).filter(|seq| *seq != 256) {
        let message = ben.expect(json!({"type": "message", "seq": seq})).await;
        if seq % 50 == 0 || seq == 257 {
            ben.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": seq})).await;
        }
        if seq == 255 {
            ben.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": 256})).await;
        }
    }
    ben.expect(json!({"type": "flushed", "count": 600})).await;
}

async fn a_recalled_message_comes_in_its_present_form(lists: Lists) {
    let node = lists.node().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "oops").await;
    a1.say(conversation, "well").await;
    a1.ok(json!({"type": "recall", "conversation": conversation, "seq": 2})).await;
    lists.before_login();
    b1.come_back(node.base()).await;
    let recalled = b1.expect(json!({"type": "message", "seq": 2})).await;
    assert_eq!(recalled["content"], json!({"kind": "recalled"}));
    b1.hears("well").await;
    b1.expect(json!({"type": "flushed"})).await;
}

/// What follows is about waiting conversations: there the list itself decides, so Redis must answer.
macro_rules! stories_of_those_who_wait {
    ($($story:ident),* $(,)?) => {
        mod waiting_with_lists_in_the_database {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_database()).await; })*
        }
        mod waiting_with_lists_in_redis {
            $(#[tokio::test] async fn $story() { super::$story(super::Lists::in_redis()).await; })*
        }
    };
}

stories_of_those_who_wait!(
    agents_on_duty_find_those_who_wait,
    agents_who_are_away_find_nothing,
    what_somebody_else_claimed_is_not_flushed,
    what_an_agent_acked_while_it_waited_is_settled,
);

async fn agents_on_duty_find_those_who_wait(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    for (uid, role) in [("a1", "agent"), ("boss", "supervisor")] {
        node.employ("acme", uid, role).await;
    }
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    b1.say("acme", "one").await;
    b1.say("acme", "two").await;
    b2.say("acme", "three").await;
    for uid in ["a1", "boss"] {
        let mut agent = node.person(uid).await;
        assert_eq!(agent.welcome["queued"], 3, "{uid}: {}", agent.welcome);
        let one = agent.hears("one").await;
        assert_eq!((one["seq"].as_u64(), agent.hears("two").await["seq"].as_u64()), (Some(1), Some(2)));
        agent.hears("three").await;
        agent.expect(json!({"type": "flushed", "count": 3})).await;
    }
}

async fn agents_who_are_away_find_nothing(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    a1.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    a1.leave().await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "anybody?").await;
    a1.come_back(node.base()).await;
    assert_eq!(a1.welcome["shops"][0]["status"], "away", "the status is stored");
    flushes(&mut a1, &[]).await;
}

async fn what_somebody_else_claimed_is_not_flushed(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    node.employ("acme", "a2", "agent").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    let taken = b1.opens("acme", "taken").await;
    b2.say("acme", "free").await;
    a1.hears("taken").await;
    a1.claim(taken).await;
    let mut a2 = node.person("a2").await;
    flushes(&mut a2, &["free"]).await;
}

async fn what_an_agent_acked_while_it_waited_is_settled(lists: Lists) {
    let node = lists.node().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "one").await;
    let mut a1 = node.person("a1").await;
    flushes(&mut a1, &["one"]).await;
    a1.acks(conversation, 1).await;
    a1.leave().await;
    b1.say("acme", "two").await;
    a1.come_back(node.base()).await;
    flushes(&mut a1, &["two"]).await;
    // On the claim nothing of it comes again.
    a1.claim(conversation).await;
    b1.expect(json!({"type": "delivered", "by": "a1", "seq": 2})).await;
    a1.silence(json!({"type": "message"})).await;
}

#[tokio::test]
async fn a_redis_that_lost_everything_loses_no_message() {
    let mut redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "one").await;
    redis.lose_everything();
    a1.say(conversation, "two").await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["one", "two"]).await;
    redis.kill();
    b1.leave().await;
    a1.say(conversation, "three").await;
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["three"]).await;
}

#[tokio::test]
async fn people_talk_on_while_redis_is_silent() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    redis.freeze();
    let started = Instant::now();
    for n in 0..10 {
        b1.say("acme", &format!("q{n}")).await;
        a1.hears(&format!("q{n}")).await;
        a1.say(conversation, &format!("a{n}")).await;
        b1.hears(&format!("a{n}")).await;
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    redis.thaw();
}

#[tokio::test]
async fn lists_outlive_a_restart() {
    for lists in [Lists::in_database(), Lists::in_redis()] {
        let mut node = lists.node().await;
        node.shop("acme").await;
        node.employ("acme", "a1", "agent").await;
        let mut b1 = node.buyer("b1").await;
        b1.say("acme", "before the restart").await;
        node.restart().await;
        let mut a1 = node.person("a1").await;
        flushes(&mut a1, &["before the restart"]).await;
    }
}

#[tokio::test]
async fn keys_in_redis_begin_with_the_prefix_and_are_trimmed() {
    let redis = TestRedis::start();
    let node = TestNode::builder().redis(&redis).set("redis.prefix", "mine:").start().await;
    let (mut a1, mut b1, conversation) = talking(&node).await;
    b1.leave().await;
    a1.say(conversation, "one").await;
    shopbell_harness::eventually("the list has an entry", async || {
        redis.ask("KEYS mine:offline:{b1}").contains("mine:offline:{b1}")
    })
    .await;
    let keys = redis.ask("KEYS *");
    let foreign = keys.lines().filter(|line| !line.starts_with(['*', '$', '+']) && !line.starts_with("mine:"));
    assert_eq!(foreign.count(), 0, "{keys}");
    let lifetime = redis.ask("TTL mine:offline:{b1}");
    assert!(!lifetime.starts_with(":-"), "it expires: {lifetime}");
    b1.come_back(node.base()).await;
    flushes(&mut b1, &["one"]).await;
    shopbell_harness::eventually("the list is gone", async || {
        let length = redis.ask("LLEN mine:offline:{b1}");
        length.starts_with(":0")
    })
    .await;
}
