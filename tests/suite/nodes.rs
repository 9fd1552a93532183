//! Several nodes on one database: nobody notices that there are several, whatever becomes of the link between them.

use std::time::{Duration, Instant};

use shopbell_harness::{
    Closed, Fleet, NodeBuilder, Person, TestNode, TestPostgres, TestRedis, To, Value, eventually, json,
};

/// Where nodes come from.
pub struct Cluster {
    redis: TestRedis,
    pub nodes: Vec<TestNode>,
}

impl Cluster {
    pub async fn of(size: usize) -> Cluster {
        Cluster::with(size, |builder| builder).await
    }

    async fn with(size: usize, set: impl Fn(NodeBuilder) -> NodeBuilder) -> Cluster {
        let redis = TestRedis::start();
        let database = TestPostgres::shared().fresh_database();
        let builder = || {
            let builder = TestNode::builder().database(&database).set("presence.delay", "200ms");
            set(builder.set("redis.url", redis.url()))
        };
        let mut nodes = Vec::new();
        for _ in 0..size {
            nodes.push(builder().start().await);
        }
        let cluster = Cluster { redis, nodes };
        cluster.is_joined().await;
        cluster
    }

    /// Waits until the nodes know each other.
    async fn is_joined(&self) {
        let others = (self.nodes.len() - 1).to_string();
        for node in &self.nodes {
            eventually("the nodes know each other", async || {
                let metrics = String::from_utf8_lossy(&node.anonymous().get("//metrics").await.bytes).into_owned();
                metrics.lines().any(|line| line == format!("shopbell_link_nodes {others}"))
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_conversation_over_two_nodes_is_like_one_over_one() {
    let cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut a1 = one.agent("acme", "a1").await;
    let mut a2 = two.agent("acme", "a2").await;
    let mut b1 = two.buyer("b1").await;

    let conversation = b1.opens("acme", "hi").await;
    let heard = a1.hears("hi").await;
    assert_eq!((&heard["seq"], &heard["redelivered"]), (&json!(1), &json!(false)));
    a2.hears("hi").await;
    a1.sees(conversation, "opened").await;

    a1.claim(conversation).await;
    let summary = a2.sees(conversation, "claimed").await;
    assert_eq!(summary["claimed_by"]["uid"], "a1");
    b1.sees(conversation, "claimed").await;
    let refused = a2.refused(json!({"type": "claim", "conversation": conversation}), "already_claimed").await;
    assert_eq!(refused["claimed_by"]["uid"], "a1");
    a2.cannot_say(conversation, "me too", "not_claimant").await;

    a1.tell(json!({"type": "typing", "conversation": conversation, "on": true})).await;
    b1.expect(json!({"type": "typing", "conversation": conversation, "by": "a1", "on": true})).await;
    let page = json!({"type": "page", "conversation": conversation, "url": "https://shop.example/", "title": "Tea"});
    b1.tell(page.clone()).await;
    a1.expect(page).await;
    let answer = a1.say(conversation, "hello").await;
    let heard = b1.hears("hello").await;
    assert_eq!((&heard["seq"], &heard["redelivered"]), (&json!(2), &json!(false)));
    a1.expect(json!({"type": "delivered", "by": "b1", "seq": 2})).await;
    b1.reads(conversation, 2).await;
    a1.expect(json!({"type": "read", "by": "b1", "seq": 2})).await;

    a1.ok(json!({"type": "recall", "conversation": conversation, "seq": answer["seq"]})).await;
    b1.expect(json!({"type": "recalled", "conversation": conversation, "seq": 2})).await;

    a1.transfer(conversation, "a2").await;
    a2.sees(conversation, "transferred").await;
    b1.say("acme", "who are you?").await;
    a2.hears("who are you?").await;
    a2.resolve(conversation).await;
    a1.sees(conversation, "resolved").await;
    b1.sees(conversation, "resolved").await;
    assert_eq!(a1.heard(json!({"type": "message", "seq": 3})), Vec::<Value>::new(), "not a1's any more");
}

#[tokio::test]
async fn direct_conversations_and_several_devices_cross_nodes() {
    let cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    let mut ann = one.person("ann").await;
    let mut bob = two.person("bob").await;
    let mut phone = two.person("ann").await;
    let conversation = ann.opens(To::User("bob".into()), "hi bob").await;
    bob.hears("hi bob").await;
    let copy = phone.expect(json!({"type": "message", "content": {"text": "hi bob"}})).await;
    assert_eq!(copy["from"]["uid"], "ann", "the sender's other device has a copy");
    bob.say(conversation, "hi ann").await;
    ann.hears_unacked("hi ann").await;
    let heard = phone.hears("hi ann").await;
    assert_eq!(heard["seq"], 2);
    // The ack of one device settles it for the other: nothing is repeated there.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    ann.settle().await;
    assert_eq!(ann.heard(json!({"type": "message", "redelivered": true})), Vec::<Value>::new());
}

#[tokio::test]
async fn who_comes_and_goes_is_seen_on_every_node() {
    let cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut a1 = one.agent("acme", "a1").await;
    let mut a2 = two.agent("acme", "a2").await;
    a1.expect(json!({"type": "presence", "uid": "a2", "online": true})).await;
    let mut b1 = two.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    b1.leave().await;
    a1.expect(json!({"type": "presence", "uid": "b1", "online": false})).await;
    a1.say(conversation, "are you there?").await;
    b1.come_back(two.base()).await;
    b1.hears("are you there?").await;
    a1.expect(json!({"type": "presence", "uid": "b1", "online": true})).await;
    a2.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    a1.expect(json!({"type": "presence", "uid": "a2", "online": true, "status": "away"})).await;
    let mut b2 = one.buyer("b2").await;
    b2.say("acme", "only for a1").await;
    a1.hears("only for a1").await;
    a2.settle().await;
    assert_eq!(a2.heard(json!({"type": "message", "content": {"text": "only for a1"}})), Vec::<Value>::new());
}

#[tokio::test]
async fn those_who_wait_move_up_whatever_their_node() {
    let cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut a1 = one.agent("acme", "a1").await;
    let mut first = one.buyer("first").await;
    let mut second = two.buyer("second").await;
    let at = |position: u32| json!({"type": "notice", "code": "queue_position", "position": position});
    let conversation = first.opens("acme", "one").await;
    first.expect(at(1)).await;
    a1.hears("one").await;
    second.opens("acme", "two").await;
    second.expect(at(2)).await;
    a1.claim(conversation).await;
    second.expect_within(at(1), Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_logout_ends_the_sessions_of_every_node() {
    let mut cluster = Cluster::of(2).await;
    let [one, two] = &cluster.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut there = two.person("b1").await;
    one.rest("b1").post("/logout", json!({})).await.expect(204);
    assert_eq!(there.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));

    let mut a1 = two.agent("acme", "a1").await;
    let mut b2 = two.buyer("b2").await;
    let conversation = b2.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    let boss = one.admin("acme", "boss").await;
    boss.rest.delete("/shops/acme/agents/a1").await.expect(204);
    assert_eq!(a1.closed_within(Duration::from_secs(2)).await, Closed(Some(4401)));
    b2.sees(conversation, "released").await;

    // Without the link, the store tells.
    let mut there = two.person("b3").await;
    cluster.redis.kill();
    one_of(&cluster).rest("b3").post("/logout", json!({})).await.expect(204);
    assert_eq!(there.closed_within(Duration::from_secs(5)).await, Closed(Some(4401)));
}

fn one_of(cluster: &Cluster) -> &TestNode {
    &cluster.nodes[0]
}

#[tokio::test]
async fn without_redis_people_on_two_nodes_still_hear_each_other() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[0].shop("acme").await;
    let mut a1 = cluster.nodes[0].agent("acme", "a1").await;
    let mut b1 = cluster.nodes[1].buyer("b1").await;
    let conversation = b1.opens("acme", "with redis").await;
    a1.hears("with redis").await;
    cluster.redis.kill();
    let patience = Duration::from_secs(6);
    let text = |text: &str| json!({"type": "message", "content": {"text": text}});
    b1.say("acme", "without").await;
    a1.expect_within(text("without"), patience).await;
    a1.claim(conversation).await;
    b1.expect_within(json!({"type": "conversation", "cause": "claimed"}), patience).await;
    a1.say(conversation, "one").await;
    a1.say(conversation, "two").await;
    b1.expect_within(text("one"), patience).await;
    b1.expect_within(text("two"), patience).await;
    a1.resolve(conversation).await;
    b1.expect_within(json!({"type": "conversation", "cause": "resolved"}), patience).await;
}

#[tokio::test]
async fn the_claims_of_a_dead_node_are_released_and_its_buyers_are_served_elsewhere() {
    let mut cluster = Cluster::with(2, |builder| builder.set("chat.claim_grace", "1s")).await;
    cluster.nodes[0].shop("acme").await;
    let mut a1 = cluster.nodes[0].agent("acme", "a1").await;
    let mut a2 = cluster.nodes[1].agent("acme", "a2").await;
    let mut b1 = cluster.nodes[1].buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a2.sees(conversation, "claimed").await;
    cluster.nodes[0].kill();
    let started = Instant::now();
    let released = json!({"type": "conversation", "cause": "released"});
    a2.expect_within(released, Duration::from_secs(20)).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}: not before the grace is over");
    a2.claim(conversation).await;
    a2.say(conversation, "I am here").await;
    b1.hears("I am here").await;
}

#[tokio::test]
async fn a_second_node_without_redis_is_refused() {
    let database = TestPostgres::shared().fresh_database();
    let _one = TestNode::builder().database(&database).start().await;
    let refused = TestNode::builder().database(&database).fails();
    assert!(refused.stderr.contains("redis.url"), "{}", refused.stderr);
    let redis = TestRedis::start();
    let refused = TestNode::builder().database(&database).set("redis.url", redis.url()).fails();
    assert!(refused.stderr.contains("redis.url"), "{}", refused.stderr);
}

/// Whatever comes of the link, this comes to a console by the sweep.
const SWEPT: Duration = Duration::from_secs(6);

/// Two nodes, the link of the second of which can be cut; an agent on the first who is asked by a buyer on the second.
async fn over_a_link() -> (Fleet, Person, Person, u64) {
    let fleet = Fleet::start(2, &[]).await;
    let [one, two] = &fleet.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut a1 = one.agent("acme", "a1").await;
    let mut b1 = two.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    (fleet, a1, b1, conversation)
}

fn claimed() -> Value {
    json!({"type": "conversation", "cause": "claimed"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_a_node_missed_is_told_though_a_message_shows_it() {
    let (fleet, mut a1, mut b1, conversation) = over_a_link().await;
    fleet.to_redis[1].cut();
    a1.claim(conversation).await;
    b1.say("acme", "are you there?").await;
    b1.expect_within(claimed(), SWEPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_a_node_missed_is_told_though_an_agent_comes_there() {
    let (fleet, mut a1, mut b1, conversation) = over_a_link().await;
    let [one, two] = &fleet.nodes[..] else { panic!() };
    one.employ("acme", "a2", "agent").await;
    fleet.to_redis[1].cut();
    a1.claim(conversation).await;
    let _a2 = two.person("a2").await;
    b1.expect_within(claimed(), SWEPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_a_node_missed_comes_to_those_on_duty() {
    let (fleet, ..) = over_a_link().await;
    let [one, two] = &fleet.nodes[..] else { panic!() };
    one.employ("acme", "a2", "agent").await;
    let mut a2 = two.person("a2").await;
    fleet.to_redis[1].cut();
    let mut b2 = one.buyer("b2").await;
    b2.say("acme", "first words").await;
    a2.expect_within(json!({"type": "message", "content": {"text": "first words"}}), SWEPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_goes_to_nobody_who_has_given_up_the_claim() {
    let fleet = Fleet::start(2, &[]).await;
    let [one, two] = &fleet.nodes[..] else { panic!() };
    one.shop("acme").await;
    let mut a1 = two.agent("acme", "a1").await;
    let mut b1 = one.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    b1.sees(conversation, "claimed").await;
    fleet.to_redis[1].stall();
    b1.say("acme", "too late").await;
    a1.resolve(conversation).await;
    b1.say("acme", "once more").await;
    a1.expect_within(json!({"type": "message", "content": {"text": "once more"}}), SWEPT).await;
    fleet.to_redis[1].restore();
    // Hints come over the link alone, and after what was held up.
    let typing = json!({"type": "typing", "conversation": conversation, "on": true});
    let end = Instant::now() + SWEPT;
    while a1.heard(json!({"type": "typing"})).is_empty() {
        assert!(Instant::now() < end, "the link is not back");
        b1.tell(typing.clone()).await;
        b1.settle().await;
        a1.settle().await;
    }
    let late = json!({"type": "message", "content": {"text": "too late"}});
    assert_eq!(a1.heard(late.clone()), Vec::<Value>::new(), "another ticket");
    a1.claim(conversation).await;
    a1.expect(late).await;
}
