//! Webhooks: what happens in a shop is posted to its endpoints, signed, in order, again where it fails, and to public addresses only.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use shopbell::auth::webhook_signature::sign;
use shopbell_harness::{Hook, NodeBuilder, Posted, Rest, TestNode, Value, json};

use super::stored::Stored;

/// What a second of the schedule lasts here.
const UNIT: Duration = Duration::from_millis(20);

fn inside() -> NodeBuilder {
    TestNode::builder().set("webhooks.allow_private", true).set("webhooks.retry_unit", "20ms")
}

/// A node with a shop; REST as its admin.
async fn open(builder: NodeBuilder) -> (TestNode, Rest) {
    let node = builder.start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    node.employ("acme", "a1", "agent").await;
    let owner = node.rest("owner");
    (node, owner)
}

async fn register(owner: &Rest, hook: &Hook, types: &[&str]) -> Value {
    owner.post("/shops/acme/webhooks", json!({"url": hook.url(), "types": types})).await.expect(201)
}

async fn says(node: &TestNode, buyer: &str, texts: &[&str]) -> i64 {
    let rest = node.rest(buyer);
    let mut conversation = Value::Null;
    for text in texts {
        let message = json!({"id": text, "to": {"shop": "acme"}, "content": {"kind": "text", "text": text}});
        conversation = rest.post("/messages", message).await.expect(201)["conversation"].clone();
    }
    conversation.as_i64().unwrap()
}

/// Waits as long as a test may take.
async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The pauses after the first failures, in seconds of the schedule.
const SCHEDULE: [u32; 4] = [1, 5, 10, 30];
/// The server counts in whole milliseconds: the parts of the attempt's beginning, of how long it took, and of the pause are left out.
const PARTS: Duration = Duration::from_millis(3);

/// Whether what has failed was tried again, and will be, when the schedule says, give or take a tenth. An attempt may begin later where the
/// machine has no time for it.
fn keeps_the_schedule(failing: &Value) {
    let ms = |at: &Value| chrono::DateTime::parse_from_rfc3339(at.as_str().unwrap()).unwrap().timestamp_millis();
    let attempts = failing["attempts"].as_array().unwrap();
    let ends = attempts.iter().map(|attempt| ms(&attempt["at"]) + attempt["took_ms"].as_i64().unwrap());
    let pauses: Vec<i64> = ends
        .zip(attempts[1..].iter().map(|next| &next["at"]).chain([&failing["due_at"]]))
        .map(|(end, next)| ms(next) - end)
        .collect();
    let parts = PARTS.as_millis() as i64;
    let wanted: Vec<i64> = SCHEDULE.iter().map(|seconds| (UNIT * *seconds).as_millis() as i64).collect();
    assert!(pauses.iter().zip(&wanted).all(|(pause, wanted)| pause + parts >= wanted * 9 / 10), "{failing}");
    if let (Some(next), Some(wanted)) = (pauses.last(), wanted.get(pauses.len() - 1)) {
        assert!(*next <= wanted * 11 / 10, "{failing}");
    }
}

fn text_of(posted: &Posted) -> &str {
    posted.body["data"]["message"]["content"]["text"].as_str().unwrap_or_default()
}

/// What was taken, by conversation.
fn texts(hook: &Hook) -> BTreeMap<i64, Vec<String>> {
    let mut texts: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for posted in hook.taken() {
        let conversation = posted.body["data"]["conversation"].as_i64().expect("a conversation");
        texts.entry(conversation).or_default().push(text_of(&posted).to_owned());
    }
    texts
}

#[tokio::test]
async fn what_happens_is_posted_signed_and_in_order() {
    let (node, owner) = open(inside()).await;
    let (messages, everything) = (Hook::start(|_| 204).await, Hook::start(|_| 200).await);
    register(&owner, &everything, &[]).await;
    // What has its place among the events by then is not told to one that is made later.
    says(&node, "b0", &["before"]).await;
    until("it has its place", async || everything.taken().iter().any(|posted| text_of(posted) == "before")).await;
    let webhook = register(&owner, &messages, &["message.stored"]).await;
    let (secret, state) = (webhook["secret"].as_str().unwrap(), &webhook["state"]);
    assert!(secret.starts_with("whsec_") && state == "on", "{webhook}");
    let one = says(&node, "b1", &["1", "2", "3"]).await;
    let two = says(&node, "b2", &["4", "5"]).await;
    node.rest("a1").post(&format!("/conversations/{one}/claim"), json!({})).await.expect(200);
    let kinds = || everything.taken().iter().map(|posted| posted.body["type"].clone()).collect::<Vec<Value>>();
    let claimed = json!("conversation.claimed");
    until("all arrived", async || messages.taken().len() >= 5 && kinds().contains(&claimed)).await;
    let expected = BTreeMap::from([(one, vec!["1", "2", "3"]), (two, vec!["4", "5"])]);
    let arrived = texts(&messages);
    assert_eq!(
        arrived.iter().map(|(id, all)| (*id, all.iter().map(|t| &**t).collect())).collect::<BTreeMap<_, Vec<_>>>(),
        expected
    );
    for kind in ["conversation.opened", "message.stored"] {
        assert!(kinds().contains(&json!(kind)), "{kind}");
    }
    let mut ids = std::collections::BTreeSet::new();
    for posted in messages.posted() {
        let (id, at) = (&posted.headers["webhook-id"], posted.headers["webhook-timestamp"].parse().unwrap());
        assert_eq!(posted.headers["webhook-signature"], sign(&[secret], id, at, &posted.text));
        assert_eq!(posted.headers["content-type"], "application/json");
        assert_eq!((&posted.body["id"], &**id), (&json!(id), &*format!("evt_acme_{}", posted.body["position"])));
        assert!((at - shopbell_harness::now()).abs() < 60 && posted.body["version"] == 1, "{posted:?}");
        ids.insert(id.clone());
    }
    assert_eq!(ids.len(), 5);
    let listed = owner.get("/shops/acme/webhooks").await.expect(200);
    assert_eq!(listed["items"][0].get("secret"), None);
    until("all of it is noted", async || waiting(&owner).await == 0).await;
    assert!(!owner.get("/shops/acme/audit").await.expect(200).to_string().contains(secret));
    assert!(!node.log().contains(secret));

    // Of what is removed, nothing is posted any more; of what is off, later.
    let path = format!("/shops/acme/webhooks/{}", webhook["id"]);
    assert_eq!(owner.patch(&path, json!({"disabled": true})).await.expect(200)["state"], "off");
    says(&node, "b1", &["6"]).await;
    until("the other one has it", async || everything.taken().iter().any(|posted| text_of(posted) == "6")).await;
    assert_eq!(messages.posted().len(), 5);
    owner.patch(&path, json!({"disabled": false})).await.expect(200);
    until("it is told later", async || messages.taken().len() == 6).await;
    owner.delete(&path).await.expect(204);
    owner.delete(&path).await.refused(404, "not_found");
    says(&node, "b1", &["7"]).await;
    until("the other one has it", async || everything.taken().iter().any(|posted| text_of(posted) == "7")).await;
    assert_eq!(messages.posted().len(), 6);
}

/// How many events are to be posted to the first endpoint.
async fn waiting(owner: &Rest) -> i64 {
    owner.get("/shops/acme/webhooks").await.expect(200)["items"][0]["waiting"].as_i64().unwrap()
}

#[tokio::test]
async fn a_failing_event_holds_back_its_conversation_at_its_endpoint_and_nothing_else() {
    let (node, owner) = open(inside()).await;
    // It fails until the other conversation has been heard, and four failures have been seen noted.
    let (is_other_heard, is_noted, failures) =
        (AtomicBool::new(false), Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let noted = is_noted.clone();
    let bad = Hook::start(move |posted| {
        is_other_heard.fetch_or(text_of(posted) == "y", SeqCst);
        if text_of(posted) != "bad" || (is_other_heard.load(SeqCst) && noted.load(SeqCst)) {
            return 200;
        }
        [404, 302, 500].get(failures.fetch_add(1, SeqCst)).copied().unwrap_or_default()
    })
    .await;
    let good = Hook::start(|_| 200).await;
    let webhook = register(&owner, &bad, &["message"]).await;
    register(&owner, &good, &["message"]).await;
    let held = says(&node, "b1", &["ok", "bad", "later", "last"]).await;
    let other = says(&node, "b2", &["x", "y"]).await;
    let path = format!("/shops/acme/webhooks/{}/deliveries?state=waiting", webhook["id"]);
    until("four failures are noted", async || {
        let items = owner.get(&path).await.expect(200)["items"].take();
        let tries = |item: &Value| item["attempts"].as_array().unwrap().len();
        let failing = items.as_array().unwrap().iter().find(|item| tries(item) > 0);
        failing.is_some_and(|failing| {
            keeps_the_schedule(failing);
            tries(failing) >= SCHEDULE.len()
        })
    })
    .await;
    is_noted.store(true, SeqCst);
    until("everything arrived", async || bad.taken().len() == 6 && good.taken().len() == 6).await;
    for hook in [&bad, &good] {
        assert_eq!(texts(hook)[&held], ["ok", "bad", "later", "last"]);
        assert_eq!(texts(hook)[&other], ["x", "y"]);
    }
    let order: Vec<String> = bad.taken().iter().map(|posted| text_of(posted).to_owned()).collect();
    let at = |text: &str| order.iter().position(|other| other == text).unwrap();
    assert!(at("y") < at("bad"), "the other conversation waited: {order:?}");
    let tried: Vec<Posted> = bad.posted().into_iter().filter(|posted| text_of(posted) == "bad").collect();
    assert!(tried.iter().all(|posted| posted.headers["webhook-id"] == tried[0].headers["webhook-id"]));
    let gaps: Vec<Duration> = tried.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    for (gap, seconds) in gaps.iter().zip(SCHEDULE) {
        assert!(*gap + PARTS >= UNIT * seconds * 9 / 10, "{gaps:?}");
    }
    until("all of it is noted", async || waiting(&owner).await == 0).await;
    let healed = owner.get("/shops/acme/webhooks").await.expect(200);
    assert_eq!(healed["items"][0]["failing_since"], Value::Null);
}

#[tokio::test]
async fn what_never_arrives_is_a_dead_letter_until_it_is_sent_again() {
    let (node, owner) = open(inside().set("webhooks.retry_unit", "1ms")).await;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let hook =
        Hook::start(move |posted| if is_broken.load(SeqCst) && text_of(posted) != "fine" { 503 } else { 200 }).await;
    let webhook = register(&owner, &hook, &["message"]).await;
    let dead = says(&node, "b1", &["dead"]).await;
    let also = says(&node, "b2", &["dead too"]).await;
    let path = format!("/shops/acme/webhooks/{}", webhook["id"]);
    let letters = async |state: &str| owner.get(&format!("{path}/deliveries?state={state}")).await.expect(200);
    until("it waits", async || letters("waiting").await["items"].as_array().unwrap().len() == 2).await;
    until("it is seen to fail", async || {
        let first = owner.get("/shops/acme/webhooks").await.expect(200)["items"][0].clone();
        first["waiting"] == 2 && first["failing_since"].is_string()
    })
    .await;
    // What comes behind a dead letter goes on.
    says(&node, "b1", &["fine"]).await;
    until("it is given up", async || letters("dead").await["items"].as_array().unwrap().len() == 2).await;
    until("what is behind it arrives", async || hook.taken().len() == 1).await;
    let listed = letters("dead").await;
    let letter = &listed["items"][0];
    assert_eq!((&letter["type"], &letter["conversation"]), (&json!("message.stored"), &json!(dead)));
    let attempts = letter["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 12);
    assert!(attempts.iter().all(|attempt| attempt["status"] == 503 && attempt["answer"] == "heard\n"), "{letter}");
    assert_eq!(owner.get("/shops/acme/webhooks").await.expect(200)["items"][0]["dead"], 2);

    broken.store(false, SeqCst);
    let retry = async |body: Value| owner.post(&format!("{path}/retry"), body).await;
    retry(json!({"position": 4_000_000_000_u64})).await.refused(404, "not_found");
    assert_eq!(retry(json!({"position": 0})).await.refused(400, "invalid")["field"], "position");
    let second = &listed["items"][1];
    assert_eq!(second["conversation"], also);
    assert_eq!(retry(json!({"position": second["position"]})).await.expect(200)["events"], 1);
    until("the one arrives", async || texts(&hook).contains_key(&also)).await;
    assert_eq!(letters("dead").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(retry(json!({})).await.expect(200)["events"], 1);
    until("all arrive", async || hook.taken().len() == 3).await;
    until("nothing is left", async || letters("dead").await["items"] == json!([])).await;
    assert_eq!(retry(json!({})).await.expect(200)["events"], 0);
}

#[tokio::test]
async fn an_endpoint_that_fails_too_long_is_switched_off_until_it_is_switched_on() {
    let (node, owner) = open(inside().set("webhooks.give_up_after", "300ms")).await;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let hook = Hook::start(move |_| if is_broken.load(SeqCst) { 500 } else { 200 }).await;
    let webhook = register(&owner, &hook, &["message"]).await;
    let conversation = says(&node, "b1", &["1", "2"]).await;
    let shown = async || owner.get("/shops/acme/webhooks").await.expect(200)["items"][0].clone();
    until("it is given up", async || shown().await["state"] == "failed").await;
    assert!(shown().await["switched_off_at"].is_string());
    until("both wait", async || shown().await["waiting"] == 2).await;
    let troubles = async || owner.get("/shops/acme/stats").await.expect(200)["now"]["webhooks"].clone();
    assert_eq!(troubles().await, json!({"failing": 0, "switched_off": 1, "dead_letters": 0}));
    says(&node, "b1", &["3"]).await;
    broken.store(false, SeqCst);
    let path = format!("/shops/acme/webhooks/{}", webhook["id"]);
    let on = owner.patch(&path, json!({"disabled": false})).await.expect(200);
    assert_eq!((&on["state"], &on["failing_since"]), (&json!("on"), &Value::Null));
    until("nothing was lost", async || hook.taken().len() == 3).await;
    until("it is well", async || troubles().await == json!({"failing": 0, "switched_off": 0, "dead_letters": 0})).await;
    assert_eq!(texts(&hook)[&conversation], ["1", "2", "3"]);
}

#[tokio::test]
async fn nothing_lies_at_an_endpoint_for_ever() {
    let builder = inside()
        .set("webhooks.retry_unit", "1h")
        .set("retention.every", "100ms")
        .set("events.retention", "30m")
        .set("webhooks.dead_retention", "30m");
    let (node, owner) = open(builder).await;
    let hook = Hook::start(|_| 503).await;
    register(&owner, &hook, &["message.stored"]).await;
    // The first is tried again in an hour, and holds back the second, which was due at once.
    says(&node, "b1", &["one", "two"]).await;
    let list = async || owner.get("/shops/acme/webhooks").await.expect(200)["items"][0].take();
    let lies = async || {
        let endpoint = list().await;
        (endpoint["waiting"].as_i64().unwrap(), endpoint["dead"].as_i64().unwrap())
    };
    until("the first has failed", async || list().await["failing_since"].is_string()).await;
    until("both wait", async || lies().await == (2, 0)).await;
    let stored = Stored::of(&node);
    stored.run("UPDATE webhook_deliveries SET due_at = due_at - 2400000");
    until("what nobody could send is a dead letter", async || lies().await == (1, 1)).await;
    assert_eq!(owner.get("/shops/acme/stats").await.expect(200)["now"]["webhooks"]["dead_letters"], 1);
    stored.run("UPDATE webhook_deliveries SET dead_at = dead_at - 2400000");
    until("it is removed", async || lies().await == (1, 0)).await;
    assert_eq!(node.metric("shopbell_webhook_dead_letters_removed_total").await, 1);
}

#[tokio::test]
async fn two_secrets_are_valid_at_once_while_they_are_changed() {
    let (node, owner) = open(inside()).await;
    let hook = Hook::start(|_| 200).await;
    let webhook = register(&owner, &hook, &["message"]).await;
    let old = webhook["secret"].as_str().unwrap();
    let path = format!("/shops/acme/webhooks/{}/secret", webhook["id"]);
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let changed = owner.post(&path, json!({"secret": own})).await.expect(200);
    assert!(changed["secret"] == own && changed["old_secret_until"].is_string(), "{changed}");
    let signed = async |text: &str, secrets: &[&str]| {
        says(&node, "b1", &[text]).await;
        until("it arrived", async || hook.taken().iter().any(|posted| text_of(posted) == text)).await;
        let posted = hook.taken().into_iter().find(|posted| text_of(posted) == text).unwrap();
        let (id, at) = (&posted.headers["webhook-id"], posted.headers["webhook-timestamp"].parse().unwrap());
        assert_eq!(posted.headers["webhook-signature"], sign(secrets, id, at, &posted.text));
    };
    signed("by both", &[own, old]).await;
    let changed = owner.post(&path, json!({"overlap_s": 0})).await.expect(200);
    assert_eq!(changed["old_secret_until"], Value::Null);
    signed("by the new one alone", &[changed["secret"].as_str().unwrap()]).await;
    for bad in ["whsec_", "x", "whsec_short", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
        let problem = owner.post(&path, json!({"secret": bad})).await.refused(400, "invalid");
        assert_eq!(problem["field"], "secret", "{bad}");
    }
}

#[tokio::test]
async fn what_was_not_sent_when_the_server_was_killed_is_sent_by_the_next() {
    let (mut node, owner) = open(inside()).await;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let hook = Hook::start(move |_| if is_broken.load(SeqCst) { 500 } else { 200 }).await;
    register(&owner, &hook, &["message"]).await;
    let said: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let (one, two) = (says(&node, "b1", &said).await, says(&node, "b2", &said).await);
    until("it is tried", async || hook.posted().len() > 3).await;
    node.restart().await;
    broken.store(false, SeqCst);
    until("all arrive", async || {
        let texts = texts(&hook);
        [one, two].iter().all(|id| texts.get(id).is_some_and(|texts| texts.contains(&"19".to_owned())))
    })
    .await;
    for conversation in [one, two] {
        let mut texts = texts(&hook)[&conversation].clone();
        texts.dedup();
        assert_eq!(texts, said);
    }
}

#[tokio::test]
async fn only_admins_register_and_only_what_is_public() {
    let (node, owner) = open(TestNode::builder()).await;
    let hook = Hook::start(|_| 200).await;
    let port = hook.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let path = "/shops/acme/webhooks";
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let body = json!({"url": format!("http://{host}:{port}/hook")});
        let problem = owner.post(path, body).await.refused(400, "invalid");
        assert_eq!(problem["field"], "url", "{host}");
    }
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "ftp://1.1.1.1/"}), "url"),
        (json!({"url": "https://1.1.1.1/", "types": "message"}), "types"),
        (json!({"url": "https://1.1.1.1/", "types": ["messages"]}), "types"),
        (json!({"url": "https://1.1.1.1/", "secret": "x"}), "secret"),
    ] {
        assert_eq!(owner.post(path, body.clone()).await.refused(400, "invalid")["field"], field, "{body}");
    }
    let public = json!({"url": "https://1.1.1.1/hook"});
    node.rest("a1").post(path, public.clone()).await.refused(403, "forbidden");
    node.rest("a1").get(path).await.refused(403, "forbidden");
    node.operator().await.post(path, public.clone()).await.refused(403, "forbidden");
    node.rest("b1").post(path, public.clone()).await.refused(404, "not_found");
    let made = owner.post(path, public).await.expect(201);
    let change = json!({"url": format!("http://127.0.0.1:{port}/")});
    owner.patch(&format!("{path}/{}", made["id"]), change).await.refused(400, "invalid");
    let acts = owner.get("/shops/acme/audit?what=webhook").await.expect(200);
    assert_eq!(acts["items"].as_array().unwrap().len(), 1, "{acts}");
    assert!(hook.posted().is_empty());
}
