//! A request is bounded in size and time, whatever it is that takes long (the contract's section 8, REST).

use shopbell_harness::{Method, TestNode, TestPostgres, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(node: &TestNode) -> TcpStream {
    TcpStream::connect(node.base().strip_prefix("http://").unwrap()).await.unwrap()
}

/// Writes `head`, and then one byte at a time, until the server has answered and closed; gives its answer.
async fn drip(node: &TestNode, head: String) -> String {
    let (mut read, mut write) = connect(node).await.into_split();
    write.write_all(head.as_bytes()).await.unwrap();
    let drops = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = Vec::new();
    // A server that has closed while bytes were on their way resets: what came before counts.
    timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("an end").ok();
    drops.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(node: &TestNode, path: &str, media: &str, more: &str) -> String {
    let token = node.token("b1");
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {media}\r\n{more}content-length: 60000\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_drips_ends() {
    let node = TestNode::builder().set("limits.body_timeout", "1s").set("limits.upload_timeout", "1s").start().await;
    let json = |path: &str, more: &str| head(&node, path, "application/json", more);
    for asked in [
        json("/messages", ""),
        json("/messages", "idempotency-key: k\r\n"),
        json("/login", ""),
        head(&node, "/files", "multipart/form-data; boundary=x", "")
            + "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n",
    ] {
        let began = Instant::now();
        let answer = drip(&node, asked.clone()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{asked}\n{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("\"unavailable\""), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_head_that_drips_ends() {
    let node = TestNode::start().await;
    let answer = drip(&node, "GET /api/v1/me HTTP/1.1\r\nhost: x\r\nx-long:".to_owned()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let node = TestNode::start().await;
    let ask = async |asked: String| {
        let (mut read, mut write) = connect(&node).await.into_split();
        let writing = tokio::spawn(async move { write.write_all(asked.as_bytes()).await.ok() });
        let mut answer = Vec::new();
        timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("an end").ok();
        writing.abort();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let many: String = (0..5_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (what, asked) in [
        ("a URI", format!("GET /api/v1/me?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(300_000))),
        ("a header", format!("GET /api/v1/me HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(300_000))),
        ("many headers", format!("GET /api/v1/me HTTP/1.1\r\nhost: x\r\n{many}\r\n")),
        ("no end of a head", format!("GET /api/v1/me HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(300_000))),
    ] {
        let answer = ask(asked).await;
        let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        assert!((400..500).contains(&status) || answer.is_empty(), "{what}: {answer}");
    }
    let chunked = format!(
        "POST /api/v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        node.token("b1")
    );
    let chunk = format!("{:x}\r\n{}\r\n", 50_000, " ".repeat(50_000));
    let answer = ask(chunked + &chunk.repeat(3)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    node.rest("b1").get("/me").await.expect(200);
}

#[tokio::test]
async fn what_takes_too_long_is_unavailable() {
    let postgres = TestPostgres::start();
    let node = TestNode::builder_without_database()
        .database(&postgres.fresh_database())
        .set("limits.answer_timeout", "1s")
        .start()
        .await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    b1.get("/me").await.expect(200);
    postgres.freeze();
    let message = json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "hi"}});
    for (method, path) in [(Method::GET, "/me"), (Method::GET, "/conversations"), (Method::POST, "/messages")] {
        let began = Instant::now();
        let answer = shopbell_harness::Answer::once(b1.request(method, path).json(&message)).await;
        assert_eq!(answer.header("retry-after"), "1", "{path}");
        answer.refused(503, "unavailable");
        assert!(began.elapsed() < Duration::from_secs(4), "{path}: {:?}", began.elapsed());
    }
    postgres.thaw();
    shopbell_harness::eventually("it answers again", async || b1.get("/me").await.status == 200).await;
}
