//! Which pages may connect: `Origin` at the socket, CORS at REST (the contract's sections 2 and 4).

use shopbell_harness::{Answer, Method, Session, TestNode, json};

const ALLOWED: &str = "https://shop.example";

async fn node() -> TestNode {
    TestNode::builder().set("http.allowed_origins", format!("{ALLOWED},https://other.example")).start().await
}

#[tokio::test]
async fn the_sockets_door_looks_at_the_origin() {
    let node = node().await;
    let own = node.base().to_owned();
    for origin in [own.as_str(), ALLOWED, "https://other.example"] {
        let opened = Session::open_with(node.base(), &[("origin", origin)]).await;
        assert!(opened.is_ok(), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "null",
        "http://127.0.0.1:1",
    ] {
        let refused = Session::open_with(node.base(), &[("origin", origin)]).await;
        assert_eq!(refused.err(), Some(403), "{origin}");
    }
    assert!(Session::open_with(node.base(), &[]).await.is_ok(), "no `Origin`: not a browser");
}

#[tokio::test]
async fn a_shops_own_origins_are_let_in() {
    let node = TestNode::start().await;
    let shop = json!({"shop": "acme", "name": "Acme", "origins": ["https://acme.example"]});
    node.operator().await.post("/shops", shop).await.expect(201);
    let opened = Session::open_with(node.base(), &[("origin", "https://acme.example")]).await;
    assert!(opened.is_ok());
    let refused = Session::open_with(node.base(), &[("origin", "https://bolt.example")]).await;
    assert_eq!(refused.err(), Some(403));
}

#[tokio::test]
async fn cors_names_allowed_origins_and_no_credentials() {
    let node = node().await;
    node.shop("acme").await;
    let from = async |origin: &str| {
        let request = node.rest("b1").request(Method::GET, "/me").header("origin", origin);
        Answer::of(request).await
    };
    let allowed = from(ALLOWED).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), ALLOWED);
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    assert_eq!(from("https://evil.example").await.header("access-control-allow-origin"), "");

    let preflight = node.anonymous().request(Method::OPTIONS, "/messages");
    let preflight = preflight
        .header("origin", ALLOWED)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = Answer::of(preflight).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), ALLOWED);
    let headers = answer.header("access-control-allow-headers").to_lowercase();
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
}

#[tokio::test]
async fn refusals_are_readable_from_allowed_origins_too() {
    let node = node().await;
    let request = node.anonymous().request(Method::GET, "/me").header("origin", ALLOWED);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), ALLOWED);
}

#[tokio::test]
async fn what_is_no_upgrade_is_not_upgraded() {
    let node = TestNode::start().await;
    let plain = node.anonymous().get("//ws").await;
    assert!((400..500).contains(&plain.status), "{plain:?}");
}
