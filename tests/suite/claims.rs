//! Claims and who may touch a conversation: the sentences of the contract's section 3 around its table.

use shopbell_harness::{Closed, Session, TestNode, To, Value, json};

#[tokio::test]
async fn a_buyer_asks_an_agent_claims_answers_and_resolves() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;

    let ok = b1.say("acme", "  where is my order?  ").await;
    let conversation = ok["conversation"].as_u64().unwrap();
    assert_eq!((&ok["seq"], &ok["duplicate"]), (&json!(1), &json!(false)));
    let asked = a1.hears("where is my order?").await;
    assert_eq!(asked["seq"], 1);
    assert_eq!(asked["shop"], "acme");
    assert_eq!(asked["from"]["role"], "buyer");
    assert_eq!(asked["redelivered"], false);
    assert_eq!(asked["client_id"], ok["id"]);

    let summary = a1.claim(conversation).await;
    assert_eq!((&summary["state"], &summary["claimed_by"]["uid"]), (&json!("claimed"), &json!("a1")));
    a1.say(conversation, "on its way").await;
    let answer = b1.hears("on its way").await;
    assert_eq!((&answer["seq"], &answer["from"]["role"]), (&json!(2), &json!("agent")));

    let summary = a1.resolve(conversation).await;
    assert_eq!((&summary["state"], &summary["claimed_by"]), (&json!("resolved"), &Value::Null));
    assert_eq!(b1.texts(conversation).await, ["where is my order?", "on its way"]);
}

#[tokio::test]
async fn everybody_at_the_shop_and_the_buyer_see_each_change() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut boss = node.supervisor("acme", "boss").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;

    let causes = async |people: &mut [&mut shopbell_harness::Person], cause: &str| {
        for person in people {
            let summary = person.sees(conversation, cause).await;
            assert_eq!(summary["kind"], "support", "{}: {summary}", person.uid);
            assert_eq!(summary["buyer"]["uid"], "b1", "{}: {summary}", person.uid);
        }
    };
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "opened").await;
    a1.claim(conversation).await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "claimed").await;
    a1.transfer(conversation, "a2").await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "transferred").await;
    a2.release(conversation).await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "released").await;
    boss.claim(conversation).await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "claimed").await;
    boss.resolve(conversation).await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "resolved").await;
    b1.say("acme", "one more thing").await;
    causes(&mut [&mut a1, &mut a2, &mut boss, &mut b1], "reopened").await;
}

#[tokio::test]
async fn every_session_of_an_agent_sees_changes() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut desk = a1.second_device().await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    desk.hears("hi").await;
    a1.claim(conversation).await;
    assert_eq!(desk.sees(conversation, "claimed").await["claimed_by"]["uid"], "a1");
    // The claim is the person's, not the connection's.
    desk.say(conversation, "hello from the desk").await;
    b1.hears("hello from the desk").await;
    a1.hears_unacked("hello from the desk").await;
}

#[tokio::test]
async fn each_change_of_claim_counts_and_is_in_the_timeline() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    let version = |summary: &Value| summary["claim_version"].as_u64().unwrap();
    let start = version(&a1.summary(conversation).await);

    assert_eq!(version(&a1.claim(conversation).await), start + 1);
    assert_eq!(version(&a1.claim(conversation).await), start + 1, "claiming one's own changes nothing");
    assert_eq!(version(&a1.transfer(conversation, "a2").await), start + 2);
    assert_eq!(version(&a2.release(conversation).await), start + 3);
    assert_eq!(version(&a2.claim(conversation).await), start + 4);
    assert_eq!(version(&a2.resolve(conversation).await), start + 5);

    let timeline = a1.rest.get(&format!("/conversations/{conversation}/timeline")).await.expect(200);
    let entries: Vec<String> = timeline["items"].as_array().unwrap().iter().map(Value::to_string).collect();
    let told = [("claimed", "a1"), ("transferred", "a2"), ("released", "a2"), ("claimed", "a2"), ("resolved", "a2")];
    let mut rest = entries.iter();
    for (what, who) in told {
        let found = rest.any(|entry| entry.contains(what) && entry.contains(&format!("\"{who}\"")));
        assert!(found, "{what} by {who} in {entries:#?}");
    }
    b1.rest.get(&format!("/conversations/{conversation}/timeline")).await.refused(403, "forbidden");
}

#[tokio::test]
async fn after_resolve_the_buyer_reopens_and_a_new_ticket_begins() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.resolve(conversation).await;

    let again = b1.say("acme", "hi again").await;
    assert_eq!((&again["conversation"], &again["seq"]), (&json!(conversation), &json!(2)), "one conversation for good");
    let summary = a1.sees(conversation, "reopened").await;
    assert_eq!((&summary["state"], &summary["claimed_by"]), (&json!("waiting"), &Value::Null));
    assert!(summary["waiting_since"].is_string(), "{summary}");
    assert_eq!(a1.hears("hi again").await["seq"], 2);
}

#[tokio::test]
async fn of_many_claims_at_once_one_wins() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    let mut agents = Vec::new();
    for n in 0..8 {
        agents.push(node.agent("acme", &format!("a{n}")).await);
    }
    for round in 0..10 {
        let conversation = b1.opens("acme", &format!("round {round}")).await;
        for agent in &mut agents {
            agent.tell(json!({"type": "claim", "id": "race", "conversation": conversation})).await;
        }
        let mut winners = Vec::new();
        let mut claimants = Vec::new();
        for agent in &mut agents {
            let reply = agent.expect(json!({"id": "race"})).await;
            if reply["type"] == "ok" {
                winners.push(agent.uid.clone());
            } else {
                assert_eq!(reply["code"], "already_claimed", "{reply}");
                claimants.push(reply["claimed_by"]["uid"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert!(claimants.iter().all(|claimant| *claimant == winners[0]), "{winners:?}, but {claimants:?}");
        let winner = agents.iter_mut().find(|agent| agent.uid == winners[0]).unwrap();
        winner.resolve(conversation).await;
    }
}

#[tokio::test]
async fn who_is_not_related_learns_nothing() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut b1 = node.buyer("b1").await;
    let mut stranger = node.buyer("b2").await;
    let mut rival = node.admin("bolt", "rival").await;
    let conversation = b1.opens("acme", "hi").await;

    let with_seq = ["ack", "read", "recall"];
    let with_on = ["view", "typing"];
    let commands = ["claim", "release", "resolve", "transfer", "history"];
    for person in [&mut stranger, &mut rival] {
        for kind in with_seq.iter().chain(&with_on).chain(&commands) {
            let frame = |conversation: u64| json!({"type": kind, "id": "probe", "conversation": conversation, "seq": 1, "on": true, "to": "b1"});
            let foreign = person.refused(frame(conversation), "not_found").await;
            let absent = person.refused(frame(999_999), "not_found").await;
            assert_eq!(foreign, absent, "{kind} by {}", person.uid);
        }
        let foreign = person.cannot_say(conversation, "let me in", "not_found").await;
        let absent = person.cannot_say(999_999, "let me in", "not_found").await;
        assert_eq!(foreign["message"], absent["message"]);
        for path in ["", "/messages", "/messages/1", "/timeline"] {
            let foreign = person.rest.get(&format!("/conversations/{conversation}{path}")).await;
            let absent = person.rest.get(&format!("/conversations/999999{path}")).await;
            assert_eq!((foreign.status, &foreign.body), (404, &absent.body), "{path}");
        }
    }
    assert_eq!(b1.texts(conversation).await, ["hi"]);
}

#[tokio::test]
async fn the_buyer_may_not_manage_claims() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "a1", "agent").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    for command in ["claim", "release", "resolve", "transfer"] {
        let frame = json!({"type": command, "conversation": conversation, "to": "a1"});
        b1.refused(frame, "forbidden").await;
        let path = format!("/conversations/{conversation}/{command}");
        b1.rest.post(&path, json!({"to": "a1"})).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn a_conversation_is_transferred_to_agents_of_the_shop_only() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    node.employ("bolt", "rival", "agent").await;
    node.employ("acme", "absent", "agent").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.claim(conversation).await;
    for to in ["rival", "b1", "nobody-at-all"] {
        let frame = json!({"type": "transfer", "conversation": conversation, "to": to});
        assert_eq!(a1.refused(frame, "invalid").await["field"], "to", "{to}");
        let path = format!("/conversations/{conversation}/transfer");
        let problem = a1.rest.post(&path, json!({"to": to})).await.refused(400, "invalid");
        assert_eq!(problem["field"], "to", "{to}");
    }
    let summary = a1.transfer(conversation, "absent").await;
    assert_eq!(summary["claimed_by"]["uid"], "absent", "online or not");
}

#[tokio::test]
async fn direct_conversations_join_two_users() {
    let node = TestNode::start().await;
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    let ok = b1.say(To::User("b2".into()), "hello you").await;
    let conversation = ok["conversation"].as_u64().unwrap();
    let heard = b2.hears("hello you").await;
    assert_eq!((&heard["shop"], &heard["from"]["role"]), (&Value::Null, &json!("user")));
    let back = b2.say(To::User("b1".into()), "hello back").await;
    assert_eq!((&back["conversation"], &back["seq"]), (&json!(conversation), &json!(2)), "the same from both ends");
    b1.hears("hello back").await;
    let summary = b1.summary(conversation).await;
    assert_eq!((&summary["kind"], &summary["peer"]["uid"]), (&json!("direct"), &json!("b2")));

    let to = b1.cannot_say(To::User("b1".into()), "hello me", "invalid").await;
    assert!(to["field"].as_str().unwrap().starts_with("to"), "{to}");
    let unknown = b1.opens(To::User("nobody-yet".into()), "welcome").await;
    let mut nobody = node.buyer("nobody-yet").await;
    assert_eq!(nobody.hears("welcome").await["conversation"], json!(unknown), "an unknown uid is created");
}

#[tokio::test]
async fn visitors_talk_to_shops_only() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let visitor = node.anonymous().post("/visitors", json!({"shop": "acme", "name": "Ann"})).await;
    assert!(visitor.status == 200 || visitor.status == 201, "{visitor:?}");
    let token = visitor.body["token"].as_str().unwrap();
    let uid = visitor.body["user"]["uid"].as_str().unwrap();
    assert!(uid.starts_with("visitor:"), "{uid}");
    let mut ann = shopbell_harness::Person::connect(node.base(), uid, token).await;
    assert_eq!(ann.welcome["user"]["name"], "Ann");
    ann.say("acme", "hi").await;
    ann.cannot_say(To::User("b2".into()), "psst", "forbidden").await;
}

#[tokio::test]
async fn an_agent_does_not_ask_its_own_shop() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.shop("bolt").await;
    let mut a1 = node.agent("acme", "a1").await;
    a1.cannot_say("acme", "hi", "forbidden").await;
    a1.say("bolt", "elsewhere I am a buyer").await;
    a1.cannot_say("no-such-shop", "hi", "not_found").await;
}

#[tokio::test]
async fn a_claimant_gone_for_the_grace_loses_its_claims_and_the_buyer_waits_at_the_head() {
    let node = TestNode::builder().set("chat.claim_grace", "1s").start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut a2 = node.agent("acme", "a2").await;
    let mut b1 = node.buyer("b1").await;
    let mut b2 = node.buyer("b2").await;
    let first = b1.opens("acme", "first").await;
    a1.claim(first).await;
    let second = b2.opens("acme", "second").await;
    let version = a2.summary(first).await["claim_version"].as_u64().unwrap();

    a1.leave().await;
    let event = json!({"type": "conversation", "cause": "released", "conversation": {"id": first}});
    let summary = a2.expect_within(event, std::time::Duration::from_secs(12)).await["conversation"].take();
    assert_eq!((&summary["state"], &summary["claimed_by"]), (&json!("waiting"), &Value::Null));
    assert_eq!(summary["claim_version"], json!(version + 1));

    let inbox = a2.ok(json!({"type": "inbox", "shop": "acme", "state": "waiting"})).await;
    let waiting: Vec<u64> =
        inbox["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect();
    let since = |id: u64| {
        let all = inbox["conversations"].as_array().unwrap();
        all.iter().find(|c| c["id"] == json!(id)).unwrap()["waiting_since"].as_str().unwrap().to_owned()
    };
    assert_eq!(waiting.len(), 2, "{inbox}");
    assert!(since(first) <= since(second), "at the head of the queue: {inbox}");
}

#[tokio::test]
async fn a_claimant_back_within_the_grace_keeps_its_claims() {
    let node = TestNode::builder().set("chat.claim_grace", "8s").start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.leave().await;
    b1.say("acme", "are you there?").await;
    a1.come_back(node.base()).await;
    a1.hears("are you there?").await;
    a1.say(conversation, "I am").await;
    b1.hears("I am").await;
}

#[tokio::test]
async fn what_is_said_before_login_is_refused() {
    let node = TestNode::start().await;
    let mut session = Session::open(node.base()).await;
    for kind in ["send", "ack", "claim", "inbox", "history", "status"] {
        session
            .refused(
                json!({"type": kind, "conversation": 1, "seq": 1, "to": {"shop": "acme"}, "shop": "acme",
            "status": "online", "content": {"kind": "text", "text": "hi"}}),
                "unauthenticated",
            )
            .await;
    }
    session.tell(json!({"type": "login", "id": "in", "token": node.token("b1")})).await;
    session.expect(json!({"type": "welcome", "id": "in"})).await;
    session.raw(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    assert!(matches!(session.closed().await, Closed(None | Some(1000 | 1005))));
}
