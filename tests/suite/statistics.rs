//! A shop's figures (the contract's section 4, and `docs/statistics.md`).

use shopbell_harness::{Rest, SECRET, Session, TestNode, Value, eventually, json, sign};

/// Asks for the figures.
async fn figures(rest: &Rest, query: &str) -> Value {
    rest.get(&format!("/shops/acme/stats{query}")).await.expect(200)
}

/// Every figure with the address of the list behind it.
fn links(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("tickets") {
                found.push(value.clone());
            }
            fields.values().for_each(|value| links(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| links(value, found)),
        _ => {}
    }
}

/// Follows every link: the list has as many tickets as the figure says.
pub async fn lists_agree(rest: &Rest, figures: &Value) -> usize {
    let mut found = Vec::new();
    links(figures, &mut found);
    for figure in &found {
        let list = rest.get(&format!("/{}", figure["tickets"].as_str().unwrap())).await.expect(200);
        assert_eq!(list["count"], figure["count"], "{figure}");
        assert_eq!(
            list["items"].as_array().unwrap().len() as u64,
            figure["count"].as_u64().unwrap().min(20),
            "{figure}"
        );
        if figure.get("messages").is_some() {
            assert_eq!(list["messages"], figure["messages"], "{figure}");
        }
    }
    found.len()
}

#[tokio::test]
async fn a_day_of_a_shop() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    node.employ("acme", "boss", "supervisor").await;
    let (mut b1, mut b2) = (node.buyer("b1").await, node.buyer("b2").await);
    let first = b1.opens("acme", "one").await;
    a1.claim(first).await;
    a1.say(first, "two").await;
    a1.transfer(first, "a2").await;
    b1.say("acme", "three").await;
    a2.say(first, "four").await;
    a2.resolve(first).await;
    b1.rest.post(&format!("/conversations/{first}/rating"), json!({"score": 4})).await.expect(200);
    b1.say("acme", "five").await;
    let second = b2.opens("acme", "six").await;

    let boss = node.rest("boss");
    let day = figures(&boss, "?bucket=hour").await;
    let total = &day["total"];
    for (figure, count) in [("opened", 3), ("left_messages", 0), ("claimed", 1), ("resolved", 1), ("first_response", 1)]
    {
        assert_eq!(total[figure]["count"], count, "{figure}: {total}");
    }
    assert_eq!((&total["messages_in"]["messages"], &total["messages_in"]["count"]), (&json!(4), &json!(3)));
    assert_eq!((&total["messages_out"]["messages"], &total["messages_out"]["count"]), (&json!(2), &json!(1)));
    let share = &total["within_30s"];
    assert_eq!((&share["within"]["count"], &share["not_within"]["count"]), (&json!(1), &json!(2)));
    assert!((share["share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!((&total["ratings"]["average"], &total["ratings"]["scores"][3]["count"]), (&json!(4.0), &json!(1)));
    for times in ["wait", "first_response", "first_response_after_claim", "resolution"] {
        let times = &total[times];
        assert!((0..5_000).contains(&times["median_ms"].as_i64().unwrap()), "{times}");
        assert_eq!(times["median_ms"], times["p90_ms"], "of one");
    }
    // By agent: who claimed first, who wrote, who resolved, who had it last.
    let agents = day["agents"].as_array().unwrap();
    let (ann, bob) = (&agents[0], &agents[1]);
    assert_eq!((agents.len(), &ann["agent"]["uid"], &bob["agent"]["uid"]), (2, &json!("a1"), &json!("a2")));
    for (figure, of_a1, of_a2) in [("claimed", 1, 0), ("resolved", 0, 1), ("messages_out", 1, 1), ("ratings", 0, 1)] {
        assert_eq!((&ann[figure]["count"], &bob[figure]["count"]), (&json!(of_a1), &json!(of_a2)), "{figure}");
    }
    // The pieces follow each other and come to the whole.
    let pieces = day["buckets"].as_array().unwrap();
    assert_eq!((&pieces[0]["from"], &pieces[pieces.len() - 1]["to"]), (&day["from"], &day["to"]));
    assert!([24, 25].contains(&pieces.len()), "24 hours, cut at the full hour");
    let sum = |figure: &str| pieces.iter().map(|piece| piece[figure]["count"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("opened"), sum("resolved"), sum("ratings")), (3, 1, 1));
    // Now: two wait, b1 (for the second time) longer than b2.
    let now = &day["now"];
    assert_eq!((&now["waiting"]["count"], &now["claimed"]["count"]), (&json!(2), &json!(0)));
    assert_eq!(now["oldest_wait"]["since"], b1.summary(first).await["waiting_since"]);
    assert!(lists_agree(&boss, &day).await > 24 * 15, "every figure has its list");

    a1.claim(second).await;
    let claimed = figures(&boss, "").await;
    assert_eq!((&claimed["now"]["waiting"]["count"], &claimed["now"]["claimed"]["count"]), (&json!(1), &json!(1)));
    assert_eq!(claimed["buckets"], json!([]));
    let list = boss.get("/shops/acme/tickets?state=claimed").await.expect(200);
    assert_eq!((&list["items"][0]["conversation"], list.get("count")), (&json!(second), None));
}

#[tokio::test]
async fn who_is_there_is_known_from_all_sessions() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    node.employ("acme", "boss", "supervisor").await;
    a2.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let boss = node.rest("boss");
    let there = async || {
        let now = figures(&boss, "").await["now"].clone();
        (now["agents_online"].as_u64().unwrap(), now["agents_away"].as_u64().unwrap())
    };
    eventually("one online, one away; the supervisor has no session", async || there().await == (1, 1)).await;
    a1.leave().await;
    eventually("one has gone", async || there().await == (0, 1)).await;
    node.operator().await.patch("/shops/acme/agents/a2", json!({"disabled": true})).await.expect(200);
    eventually("the other is an agent no more", async || there().await == (0, 0)).await;
    // Of another shop it still is.
    node.shop("other").await;
    node.employ("other", "a2", "agent").await;
    node.employ("other", "chief", "supervisor").await;
    let mut session = Session::open(node.base()).await;
    let later = json!({"sub": "a2", "iat": shopbell_harness::now() + 5, "exp": shopbell_harness::now() + 60});
    let welcome = session.ask(json!({"type": "login", "token": sign(SECRET, &later)})).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    let elsewhere = async || {
        let chief = node.rest("chief");
        chief.get("/shops/other/stats").await.expect(200)["now"]["agents_online"].as_u64().unwrap()
    };
    eventually("it is on duty there", async || elsewhere().await == 1).await;
    assert_eq!(there().await, (0, 0));
}

#[tokio::test]
async fn a_left_message_is_not_late_and_nobody_is_late_outside_working_hours() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut boss = node.admin("acme", "boss").await;
    boss.ok(json!({"type": "status", "shop": "acme", "status": "away"})).await;
    let (mut b1, mut b2) = (node.buyer("b1").await, node.buyer("b2").await);
    b1.opens("acme", "anybody there?").await;
    let share = |figures: &Value| figures["total"]["within_30s"].clone();
    let left = figures(&boss.rest, "").await;
    assert_eq!((&left["total"]["opened"]["count"], &left["total"]["left_messages"]["count"]), (&json!(1), &json!(1)));
    assert_eq!((&share(&left)["share"], &share(&left)["not_within"]["count"]), (&Value::Null, &json!(0)));
    boss.ok(json!({"type": "status", "shop": "acme", "status": "online"})).await;
    let conversation = b2.opens("acme", "and now?").await;
    let late = figures(&boss.rest, "").await;
    assert_eq!((&share(&late)["share"], &share(&late)["not_within"]["count"]), (&json!(0.0), &json!(1)));
    lists_agree(&boss.rest, &late).await;
    // The shop works in no hour that is near.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let today = shopbell_harness::now() / 86_400 % 7 + 3; // 1 January 1970 was a Thursday.
    let hours = json!({days[(today as usize + 3) % 7]: [["09:00", "10:00"]]});
    boss.rest.patch("/shops/acme", json!({"hours": hours, "time_zone": "UTC"})).await.expect(200);
    boss.claim(conversation).await;
    boss.say(conversation, "we are closed").await;
    let closed = figures(&boss.rest, "").await;
    assert_eq!(share(&closed)["share"], Value::Null, "{hours}");
    assert_eq!(closed["total"]["first_response"]["median_ms"], 0, "no working time has passed");
    lists_agree(&boss.rest, &closed).await;
}

#[tokio::test]
async fn days_are_those_of_the_shops_time_zone() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "boss", "admin").await;
    let boss = node.rest("boss");
    boss.patch("/shops/acme", json!({"time_zone": "Europe/Berlin"})).await.expect(200);
    let pieces = async |query: &str| {
        let figures = figures(&boss, query).await;
        let pieces = figures["buckets"].as_array().unwrap().clone();
        pieces.iter().map(|piece| piece["from"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Clocks go back on 25 October.
    let days = pieces("?from=2026-10-23T22:00:00Z&to=2026-10-26T23:00:00Z&bucket=day").await;
    assert_eq!(days, ["2026-10-23T22:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"]);
    assert_eq!(pieces("?from=2026-10-24T22:00:00Z&to=2026-10-25T23:00:00Z&bucket=hour").await.len(), 25);
    let weeks = pieces("?from=2026-10-23T22:00:00Z&to=2026-11-05T00:00:00%2B01:00&bucket=week").await;
    assert_eq!(weeks, ["2026-10-23T22:00:00.000Z", "2026-10-25T23:00:00.000Z", "2026-11-01T23:00:00.000Z"]);
}

#[tokio::test]
async fn for_supervisors_and_admins() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    for (uid, shop, role) in [
        ("a1", "acme", "agent"),
        ("boss", "acme", "supervisor"),
        ("owner", "acme", "admin"),
        ("rival", "bolt", "admin"),
    ] {
        node.employ(shop, uid, role).await;
    }
    node.rest("boss").get("/shops/acme/stats").await.expect(200);
    node.rest("owner").get("/shops/acme/stats").await.expect(200);
    node.rest("a1").get("/shops/acme/stats").await.refused(403, "forbidden");
    node.operator().await.get("/shops/acme/stats").await.refused(403, "forbidden");
    for uid in ["rival", "b1"] {
        let foreign = node.rest(uid).get("/shops/acme/stats").await.refused(404, "not_found");
        let absent = node.rest(uid).get("/shops/nowhere/stats").await.refused(404, "not_found");
        assert_eq!(foreign, absent);
    }
    node.anonymous().get("/shops/acme/stats").await.refused(401, "unauthenticated");
    for (query, field) in [
        ("bucket=month", "bucket"),
        ("from=yesterday", "from"),
        ("to=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", "to"),
        ("to=2026-01-01T00:00:00Z&from=2024-01-01T00:00:00Z", "from"),
        ("to=2026-03-01T00:00:00Z&from=2026-01-01T00:00:00Z&bucket=hour", "bucket"),
    ] {
        let problem = node.rest("boss").get(&format!("/shops/acme/stats?{query}")).await.refused(400, "invalid");
        assert_eq!(problem["field"], field, "{query}");
    }
    for query in ["event=lost", "within_30s=perhaps", "score=6", "state=direct", "left_message=1x"] {
        node.rest("a1").get(&format!("/shops/acme/tickets?{query}")).await.refused(400, "invalid");
    }
    let nobody = node.rest("a1").get("/shops/acme/tickets?agent=nobody&count=true").await.expect(200);
    assert_eq!(nobody, json!({"items": [], "next": null, "count": 0}));
}
