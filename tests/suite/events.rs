//! What happens in a shop, as its own systems are told (docs/events.md).

use std::time::{Duration, Instant};

use shopbell_harness::{Method, NodeBuilder, PATIENCE, Rest, SECRET, TestNode, Value, eventually, json, now, sign};

fn types(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn positions(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|event| event["position"].as_i64().unwrap()).collect()
}

/// Everything there is, once there is so much of it.
async fn events(rest: &Rest, count: i64) -> Value {
    eventually("events have their places", async || {
        rest.get("/shops/acme/events").await.expect(200)["last"].as_i64().unwrap() >= count
    })
    .await;
    rest.get("/shops/acme/events?limit=100").await.expect(200)
}

#[tokio::test]
async fn a_round_of_service_is_told_in_its_order() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.say(conversation, "hello").await;
    let path = format!("/conversations/{conversation}/messages/1");
    boss.rest.patch(&path, json!({"content": {"kind": "text", "text": "hi!"}})).await.expect(200);
    boss.rest.delete(&format!("/conversations/{conversation}/messages/2")).await.expect(204);
    a1.resolve(conversation).await;
    let rating = json!({"score": 5, "comment": "good"});
    b1.rest.post(&format!("/conversations/{conversation}/rating"), rating).await.expect(200);
    a1.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let file = b1.rest.upload("a.txt", "text/plain", b"kept".to_vec()).await.expect(201);
    let content = json!({"kind": "file", "url": file["url"], "name": "a.txt", "size": 4});
    b1.ok(json!({"type": "send", "to": {"shop": "acme"}, "content": content})).await;
    boss.rest.delete("/shops/acme/agents/a1").await.expect(204);

    let expected = [
        "agent.on_duty",
        "agent.on_duty",
        "conversation.opened",
        "message.stored",
        "conversation.claimed",
        "message.stored",
        "message.edited",
        "message.deleted",
        "conversation.resolved",
        "conversation.rated",
        "agent.off_duty",
        "conversation.reopened",
        "message.stored",
        "file.added",
    ];
    let page = events(&boss.rest, expected.len() as i64).await;
    assert_eq!(types(&page), expected, "an agent that is away goes off duty no more");
    assert_eq!(positions(&page), (1..=14).collect::<Vec<_>>());
    assert_eq!((&page["position"], &page["last"]), (&json!(14), &json!(14)));
    let first = &page["items"][0];
    assert_eq!((&first["version"], &first["shop"]), (&json!(1), &json!("acme")));
    assert_eq!((&first["by"], &first["data"]), (&json!({"uid": "boss", "name": "boss"}), &json!({})));
    let stored = &page["items"][3];
    assert!(stored["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(stored["data"]["message"]["from"], json!({"uid": "b1", "name": "b1", "role": "buyer"}));
    assert_eq!(stored["data"]["message"]["content"]["text"], "hi!", "as it is now");
    assert_eq!((&stored["data"]["conversation"], &stored["data"]["message"]["seq"]), (&json!(conversation), &json!(1)));
    let claimed = &page["items"][4]["data"];
    assert_eq!(
        (&claimed["from"], &claimed["to"]["uid"], &page["items"][4]["by"]["uid"]),
        (&Value::Null, &json!("a1"), &json!("a1"))
    );
    assert_eq!((&claimed["buyer"]["uid"], &claimed["ticket"]), (&json!("b1"), &json!(1)));
    assert_eq!(page["items"][5]["data"]["message"]["content"], json!({"kind": "deleted"}));
    assert_eq!(page["items"][7]["by"]["uid"], "boss");
    assert_eq!((&page["items"][9]["data"]["score"], &page["items"][9]["data"]["comment"]), (&json!(5), &json!("good")));
    let shown = &page["items"][13]["data"]["files"][0];
    assert_eq!(*shown, json!({"url": file["url"], "name": "a.txt", "mime": "text/plain; charset=utf-8", "size": 4}));
}

#[tokio::test]
async fn readers_choose_and_wait() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    node.employ("acme", "sue", "supervisor").await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "one").await;
    events(&boss.rest, 4).await;
    let get = async |query: &str| boss.rest.get(&format!("/shops/acme/events?{query}")).await;
    let page = get("after=1&limit=2").await.expect(200);
    assert_eq!((positions(&page), &page["position"]), (vec![2, 3], &json!(3)));
    let page = get("types=message,agent.on_duty&limit=2").await.expect(200);
    assert_eq!(types(&page), ["agent.on_duty", "agent.on_duty"]);
    let page = get(&format!("types=message&after={}", page["position"])).await.expect(200);
    assert_eq!((types(&page), &page["position"]), (vec!["message.stored"], &json!(4)));
    for (query, field) in [
        ("after=5", "after"),
        ("after=-1", "after"),
        ("types=messages", "types"),
        ("limit=101", "limit"),
        ("wait=31", "wait"),
    ] {
        assert_eq!(get(query).await.refused(400, "invalid")["field"], field, "{query}");
    }
    node.rest("sue").get("/shops/acme/events").await.refused(403, "forbidden");
    node.operator().await.get("/shops/acme/events").await.refused(403, "forbidden");
    node.rest("b1").get("/shops/acme/events").await.refused(404, "not_found");

    let began = Instant::now();
    let page = get("after=4&wait=1").await.expect(200);
    assert_eq!((types(&page), &page["position"]), (vec![], &json!(4)));
    assert!(began.elapsed() >= Duration::from_secs(1));
    let began = Instant::now();
    let (page, _) = tokio::join!(get("after=4&wait=30"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        b1.say("acme", "two").await;
    });
    assert_eq!(types(&page.expect(200)), ["message.stored"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// A stream of server-sent events, read line by line.
struct Following {
    answer: reqwest::Response,
    read: String,
}

impl Following {
    async fn from(rest: &Rest, path: &str, last: Option<&str>) -> Following {
        let mut request = rest.request(Method::GET, path).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Following { answer, read: String::new() }
    }

    /// The next event: its id, its type and its data; `None` at the end.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(id) = field("id: ") else { continue };
                return Some((id, field("event: ")?, serde_json::from_str(&field("data: ")?).ok()?));
            }
            let piece = tokio::time::timeout(2 * PATIENCE, self.answer.chunk()).await.expect("something in time");
            self.read.push_str(std::str::from_utf8(&piece.ok()??).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_until_its_token_or_the_node_ends() {
    let mut node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "one").await;
    events(&boss.rest, 3).await;
    let mut stream = Following::from(&boss.rest, "/shops/acme/events?types=message", None).await;
    let (id, kind, data) = stream.next().await.unwrap();
    assert_eq!((&*id, &*kind), ("3", "message.stored"));
    assert_eq!((&data["position"], &data["data"]["message"]["content"]["text"]), (&json!(3), &json!("one")));
    b1.say("acme", "two").await;
    let (second, ..) = stream.next().await.unwrap();
    assert_eq!(second, "4");
    b1.say("acme", "three").await;
    let mut resumed = Following::from(&boss.rest, "/shops/acme/events?after=0", Some(&second)).await;
    assert_eq!(resumed.next().await.unwrap().2["data"]["message"]["content"]["text"], "three");

    let request = boss.rest.request(Method::GET, "/shops/acme/events").header("accept", "text/event-stream");
    let bad = shopbell_harness::Answer::of(request.header("last-event-id", "x")).await;
    assert_eq!(bad.refused(400, "invalid")["field"], "last-event-id");
    let head = boss.rest.request(Method::HEAD, "/shops/acme/events").header("accept", "text/event-stream");
    assert_eq!(shopbell_harness::Answer::of(head).await.status, 200);

    let token = sign(SECRET, &json!({"sub": "boss", "iat": now(), "exp": now() + 3}));
    let brief = Rest::new(node.base(), Some(&token));
    let mut brief = Following::from(&brief, "/shops/acme/events?after=5", None).await;
    let began = Instant::now();
    assert!(brief.next().await.is_none(), "the token has ended");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    node.terminate();
    assert_eq!(stream.next().await.unwrap().2["data"]["message"]["content"]["text"], "three");
    assert!(stream.next().await.is_none(), "the node has ended");
    assert_eq!(node.ended().await, Some(0));
}

#[tokio::test]
async fn a_group_shares_the_work_and_keeps_the_order_of_each_conversation() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let (mut b1, mut b2) = (node.buyer("b1").await, node.buyer("b2").await);
    for (buyer, text) in [(&mut b1, "1 a"), (&mut b2, "2 a")] {
        buyer.say("acme", text).await;
    }
    b1.say("acme", "1 b").await;
    b2.say("acme", "2 b").await;
    events(&boss.rest, 7).await;
    let group = "/shops/acme/event-groups/work";
    boss.rest.get(group).await.refused(404, "not_found");
    let made = boss.rest.post(group, json!({"types": "message.stored"})).await.expect(201);
    assert_eq!((&made["position"], &made["types"], &made["given"]), (&json!(0), &json!(["message.stored"]), &json!(0)));
    let take = async |body: Value| boss.rest.post(&format!("{group}/take"), body).await.expect(200);
    let ack = async |positions: &[i64]| {
        let acked = boss.rest.post(&format!("{group}/ack"), json!({"positions": positions})).await.expect(200);
        acked["acked"].as_i64().unwrap()
    };
    let texts = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["data"]["message"]["content"]["text"].as_str().unwrap().to_owned()).collect()
    };
    let one = take(json!({"limit": 1, "visibility": 6})).await;
    assert_eq!((texts(&one), &one["items"][0]["attempts"]), (vec!["1 a".to_owned()], &json!(1)));
    let two = take(json!({"limit": 10})).await;
    assert_eq!(texts(&two), ["2 a", "2 b"], "the first conversation is somebody's");
    assert_eq!(texts(&take(json!({})).await), Vec::<String>::new());
    assert_eq!(ack(&positions(&two)).await, 2);
    assert_eq!(ack(&positions(&two)).await, 0, "once");
    assert_eq!(ack(&[7]).await, 0, "nobody has been given it, or it is done");
    let state = boss.rest.get(group).await.expect(200);
    assert_eq!((&state["given"], &state["held"], &state["last"]), (&json!(1), &json!(1), &json!(7)));

    // Nobody acknowledges the first: somebody else gets it, and what comes after it.
    let again = take(json!({"wait": 20})).await;
    assert_eq!(texts(&again), ["1 a", "1 b"]);
    assert_eq!((&again["items"][0]["attempts"], &again["items"][1]["attempts"]), (&json!(2), &json!(1)));
    assert_eq!(ack(&positions(&again)).await, 2);
    assert_eq!(boss.rest.get(group).await.expect(200)["position"], 7);

    let (taken, _) = tokio::join!(take(json!({"wait": 20})), b1.say("acme", "1 c"));
    assert_eq!(texts(&taken), ["1 c"]);
    let moved = boss.rest.post(group, json!({"after": 2, "types": ""})).await.expect(200);
    assert_eq!((&moved["position"], &moved["types"], &moved["given"]), (&json!(2), &json!([]), &json!(0)));
    assert_eq!(types(&take(json!({"limit": 1})).await), ["message.stored"], "from there on, all types");
    for (path, body, field) in [
        ("", json!({"after": 99}), "after"),
        ("", json!({"types": "nothing"}), "types"),
        ("/take", json!({"limit": 0}), "limit"),
        ("/take", json!({"visibility": 0}), "visibility"),
        ("/ack", json!({}), "positions"),
        ("/ack", json!({"positions": [0]}), "positions"),
    ] {
        assert_eq!(boss.rest.post(&format!("{group}{path}"), body).await.refused(400, "invalid")["field"], field);
    }
    let all = boss.rest.get("/shops/acme/event-groups").await.expect(200);
    assert_eq!(all["items"][0]["name"], "work");
    boss.rest.delete(group).await.expect(204);
    boss.rest.delete(group).await.refused(404, "not_found");
    let acts = boss.rest.get("/shops/acme/audit?what=event_group").await.expect(200);
    let acts: Vec<&str> = acts["items"].as_array().unwrap().iter().map(|act| act["what"].as_str().unwrap()).collect();
    assert_eq!(acts, ["event_group.removed", "event_group.changed", "event_group.added"]);
}

fn short_lived() -> NodeBuilder {
    TestNode::builder().set("events.retention", "1ms").set("retention.every", "100ms")
}

#[tokio::test]
async fn who_comes_too_late_is_told_so() {
    let node = short_lived().start().await;
    node.shop("acme").await;
    let boss = node.admin("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    b1.say("acme", "one").await;
    eventually("they are removed", async || boss.rest.get("/shops/acme/events?after=0").await.status == 410).await;
    events(&boss.rest, 3).await;
    eventually("all of them", async || {
        boss.rest.get("/shops/acme/events?after=0").await.refused(410, "gone")["earliest"] == 4
    })
    .await;
    let page = boss.rest.get("/shops/acme/events").await.expect(200);
    assert_eq!((types(&page), &page["position"]), (vec![], &json!(3)), "what there is begins there");
    let late = json!({"after": 1});
    boss.rest.post("/shops/acme/event-groups/late", late).await.refused(410, "gone");
    let (page, _) = tokio::join!(boss.rest.get("/shops/acme/events?after=3&wait=30"), b1.say("acme", "two"));
    if page.status == 200 {
        assert_eq!(positions(&page.body), [4], "positions go on");
    } else {
        assert_eq!(page.refused(410, "gone")["earliest"], 5, "it was removed before it was read");
    }
}
