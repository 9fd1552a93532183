//! `Idempotency-Key`: the same request again is answered as the first time, and done once (the contract's section 4).

use super::stored::Stored;
use futures_util::future::join_all;
use shopbell_harness::{Answer, Method, Rest, TestNode, Value, eventually, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

async fn post(rest: &Rest, path: &str, key: &str, body: Value) -> Answer {
    Answer::of(rest.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
}

fn shop(name: &str) -> Value {
    json!({"shop": name, "name": name})
}

#[tokio::test]
async fn the_same_again_gets_the_first_answer() {
    let mut node = TestNode::start().await;
    let operator = node.operator().await;
    let first = post(&operator, "/shops", "k1", shop("acme")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let again = post(&operator, "/shops", "k1", shop("acme")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!((&again.bytes, again.header("content-type")), (&first.bytes, first.header("content-type")));
    operator.post("/shops", shop("acme")).await.refused(409, "conflict");

    // Another request: another body, another path, another query.
    post(&operator, "/shops", "k1", shop("bolt")).await.refused(409, "conflict");
    operator.get("/shops/bolt").await.refused(404, "not_found");
    post(&operator, "/shops/acme/agents", "k1", shop("acme")).await.refused(409, "conflict");
    post(&operator, "/shops?x=1", "k1", shop("acme")).await.refused(409, "conflict");
    // Another user's key is another key.
    post(&node.rest("b1"), "/shops", "k1", shop("acme")).await.refused(403, "forbidden");

    // Refusals are answers, too; what is wrong for a moment is none.
    let refused = post(&operator, "/shops", "k2", json!({"shop": "x"})).await;
    assert_eq!((refused.status, refused.header("idempotency-replayed")), (400, ""));
    let again = post(&operator, "/shops", "k2", json!({"shop": "x"})).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.bytes), (400, "true", &refused.bytes));
    post(&node.anonymous(), "/shops", "k1", shop("acme")).await.refused(401, "unauthenticated");

    node.restart().await;
    let operator = node.rest("op");
    let again = post(&operator, "/shops", "k1", shop("acme")).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.bytes), (201, "true", &first.bytes));
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let owner = node.operator().await;
    let add = async || post(&owner, "/shops/acme/agents", "k", json!({"uid": "a1", "role": "agent"})).await;
    let answers = join_all((0..20).map(|_| add())).await;
    let first = answers.iter().filter(|a| a.status == 201 && a.header("idempotency-replayed").is_empty()).count();
    assert_eq!(first, 1, "{answers:#?}");
    for answer in &answers {
        match answer.status {
            201 => {}
            503 => assert_eq!(answer.header("retry-after"), "1"),
            other => panic!("{other}: {answer:?}"),
        }
    }
    let again = add().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
}

#[tokio::test]
async fn who_goes_before_the_answer_gets_it_later() {
    let node = TestNode::start().await;
    let operator = node.operator().await;
    let body = shop("acme").to_string();
    let head = format!(
        "POST /api/v1/shops HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: {}\r\n\r\n{body}",
        node.token("op"),
        body.len()
    );
    let mut tcp = TcpStream::connect(node.base().strip_prefix("http://").unwrap()).await.unwrap();
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp.flush().await.unwrap();
    eventually("the shop is made", async || operator.get("/shops/acme").await.status == 200).await;
    drop(tcp);
    eventually("its answer is there", async || {
        let again = post(&operator, "/shops", "k", shop("acme")).await;
        assert!([201, 503].contains(&again.status), "{again:?}");
        again.status == 201 && again.header("idempotency-replayed") == "true"
    })
    .await;
}

#[tokio::test]
async fn a_message_has_its_own_key_besides() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    let message =
        |id: &str, text: &str| json!({"id": id, "to": {"shop": "acme"}, "content": {"kind": "text", "text": text}});
    let first = post(&b1, "/messages", "k", message("1", "hi")).await;
    assert_eq!((first.status, &first.body["duplicate"]), (201, &json!(false)));
    let again = post(&b1, "/messages", "k", message("1", "hi")).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.bytes), (201, "true", &first.bytes));
    let other = post(&b1, "/messages", "l", message("1", "hi")).await;
    assert_eq!((other.status, other.header("idempotency-replayed"), &other.body["duplicate"]), (200, "", &json!(true)));
    post(&b1, "/messages", "k", message("2", "hi")).await.refused(409, "conflict");
}

#[tokio::test]
async fn what_holds_a_token_is_not_kept() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let operator = node.operator().await;
    let first = post(&operator, "/visitors", "k", json!({"shop": "acme"})).await;
    assert_eq!(first.status, 403, "the operator is no visitor");
    let come = async || post(&node.anonymous(), "/visitors", "k", json!({"shop": "acme"})).await.expect(200);
    assert_ne!(come().await["user"]["uid"], come().await["user"]["uid"]);
    let login = json!({"uid": "op", "password": "correct horse battery"});
    for _ in 0..2 {
        let answer = post(&operator, "/login", "k", login.clone()).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, ""));
    }
}

#[tokio::test]
async fn a_key_is_a_word() {
    let node = TestNode::start().await;
    let operator = node.operator().await;
    for bad in ["", "a b", "x".repeat(256).as_str(), "ключ"] {
        let problem = post(&operator, "/shops", bad, shop("acme")).await.refused(400, "invalid");
        assert_eq!(problem["field"], "idempotency-key", "{bad:?}");
    }
    let twice = operator.request(Method::POST, "/shops").header("idempotency-key", "a").header("idempotency-key", "b");
    Answer::of(twice.json(&shop("acme"))).await.refused(400, "invalid");
    post(&operator, "/shops", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", shop("acme")).await.expect(201);
    let big = json!({"shop": "bolt", "name": "x".repeat(100_000)});
    post(&operator, "/shops", "big", big).await.refused(413, "too_large");
}

#[tokio::test]
async fn what_is_kept_no_longer_goes_by_itself() {
    let node = TestNode::builder().set("retention.every", "100ms").start().await;
    let operator = node.operator().await;
    for (key, name) in [("k1", "acme"), ("k2", "bolt")] {
        post(&operator, "/shops", key, shop(name)).await.expect(201);
    }
    let stored = Stored::of(&node);
    let day = 24 * 60 * 60 * 1_000;
    stored.run(&format!("UPDATE idempotency_keys SET at = at - {day} - 1 WHERE key = 'k1'"));
    eventually("the old one is gone", async || stored.number("SELECT count(*) FROM idempotency_keys") == 1).await;
    assert_eq!(post(&operator, "/shops", "k2", shop("bolt")).await.header("idempotency-replayed"), "true");
}
