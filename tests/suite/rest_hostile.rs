//! What a hostile client may send over REST: each is refused in words, and the server goes on.

use shopbell_harness::{Answer, Method, Rest, TestNode, json};

async fn raw(rest: &Rest, path: &str, media: Option<&str>, body: impl Into<String>) -> Answer {
    let request = rest.request(Method::POST, path).body(body.into());
    Answer::of(match media {
        Some(media) => request.header("content-type", media),
        None => request,
    })
    .await
}

#[tokio::test]
async fn json_that_is_none_is_refused() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    let deep = |open: &str, close: &str, levels: usize| {
        format!(r#"{{"id":"1","to":{{"shop":"acme"}},"content":{}{}}}"#, open.repeat(levels), close.repeat(levels))
    };
    let message = r#"{"id":"1","to":{"shop":"acme"},"content":{"kind":"text","text":"hi"}}"#;
    for (what, body) in [
        ("arrays 20,000 deep", deep("[", "]", 20_000)),
        ("objects 10,000 deep", deep(r#"{"x":"#, "}", 10_000)),
        ("a lone surrogate", message.replace("hi", r"\ud800")),
        ("two values", format!("{message}{message}")),
        ("a byte order mark", format!("\u{feff}{message}")),
        ("a comment", message.replace("{\"id", "{/**/\"id")),
        ("a trailing comma", message.replace("\"}}", "\"},}")),
        ("NaN", message.replace("\"1\"", "NaN")),
        ("single quotes", message.replace('"', "'")),
    ] {
        let answer = raw(&b1, "/messages", Some("application/json"), body).await;
        assert_eq!(answer.refused(400, "bad_frame")["status"], 400, "{what}");
    }
    for media in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
        let answer = raw(&b1, "/messages", Some(media), message).await;
        assert_eq!(answer.refused(415, "invalid")["field"], "content-type", "{media}");
    }
    // The last of two fields of one name counts, for what is checked as for what is stored.
    let twice = message.replace(r#""id":"1""#, r#""id":"","id":"2""#);
    raw(&b1, "/messages", Some("application/json; charset=utf-8"), twice).await.expect(201);
    raw(&b1, "/messages", None, message).await.expect(201);
}

#[tokio::test]
async fn paths_are_what_they_say() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    owner.get("/shops/acm%65").await.expect(200);
    for path in [
        "/shops/ACME",
        "/shops/acme%00",
        "/shops/acme/agents%00",
        "/shops/acme%20",
        "/shops/acme%2F",
        "/shops/acme%2f..%2facme",
        "/shops/%2e%2e",
        "/shops/acme/",
        "/shops//acme",
        "/shops/acm\u{435}",
        "/shops/%ff%fe",
        "/shops/acme%0d%0aset-cookie:%20x",
        "/shops/'%20OR%201=1--",
        "/conversations/1%00",
        "/conversations/%EF%BC%91",
        "/conversations/+1",
        "/conversations/1e0",
        "/conversations/0x1",
        "/conversations/9223372036854775807",
        "/conversations/9223372036854775808",
    ] {
        let answer = owner.get(path).await;
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        answer.refused(404, "not_found");
    }
    let answer = owner.get("//files/0f1e2d3c4b5a69788796a5b4c3d2e1f0/a%0d%0ax:y").await;
    answer.refused(404, "not_found");
    owner.delete("/shops/acme/agents/a%00").await.refused(404, "not_found");
    owner.get("//exports/%00/x").await.refused(404, "not_found");
}

#[tokio::test]
async fn methods_are_what_the_path_knows() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    for (path, allow) in [("/messages", "POST"), ("/me", "GET, HEAD"), ("/shops/acme", "GET, HEAD, PATCH")] {
        for method in ["PUT", "TRACE", "DELETE", "PROPFIND", "X"] {
            let answer = Answer::of(b1.request(Method::from_bytes(method.as_bytes()).unwrap(), path)).await;
            assert_eq!(answer.header("allow"), allow, "{method} {path}");
            answer.refused(405, "invalid");
        }
    }
    // Whoever says that it means another method is not listened to.
    let overridden = b1.request(Method::GET, "/me").header("x-http-method-override", "DELETE");
    Answer::of(overridden).await.expect(200);
}

#[tokio::test]
async fn only_known_origins_may_call() {
    let node = TestNode::builder().set("http.allowed_origins", "https://shop.example").start().await;
    let preflight = async |origin: &str, header: &str| {
        let request = node.anonymous().request(Method::OPTIONS, "/messages").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        Answer::of(request.header("access-control-request-headers", header)).await
    };
    for header in ["authorization", "content-type", "idempotency-key", "if-none-match"] {
        let answer = preflight("https://shop.example", header).await;
        assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example", "{header}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{header}");
    }
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"] {
        assert_eq!(preflight(origin, "authorization").await.header("access-control-allow-origin"), "", "{origin}");
    }
    let b1 = node.rest("b1").request(Method::GET, "/me").header("origin", "https://shop.example");
    let answer = Answer::of(b1).await;
    for exposed in ["etag", "retry-after", "idempotency-replayed"] {
        assert!(answer.header("access-control-expose-headers").to_lowercase().contains(exposed), "{answer:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_request_comes_back_as_a_header() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let b1 = node.rest("b1");
    let name = "a%0d%0aSet-Cookie: x=y<script>.txt";
    let kept = b1.upload(name, "text/plain", b"hi".to_vec()).await.expect(201);
    let served = node.anonymous().get(&format!("/{}", kept["url"].as_str().unwrap())).await;
    assert_eq!((served.status, served.header("set-cookie")), (200, ""), "{served:?}");
    let visitor = json!({"shop": "acme", "name": "x\r\nSet-Cookie: x"});
    node.anonymous().post("/visitors", visitor).await.refused(400, "invalid");
    let answer = Answer::of(b1.request(Method::GET, "/me").header("x-forwarded-for", "'; DROP TABLE users, ::1")).await;
    answer.expect(200);
}
