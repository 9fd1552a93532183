//! Uploads: told by their bytes, behind unguessable addresses, harmless when opened (the contract's section 4).

use shopbell_harness::{Answer, Method, TestNode, json};
use std::collections::BTreeSet;

/// A PNG of one pixel (its header is enough to know it by, and to measure it).
fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x02\x08\x06\0\0\0".to_vec();
    bytes.extend([0x99, 0x81, 0xb6, 0x27, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
    bytes
}

fn jpeg() -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    bytes.extend(b"\xff\xc0\0\x11\x08\0\x02\0\x03\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xd9");
    bytes
}

#[tokio::test]
async fn the_bytes_decide_what_a_file_is() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let rows: &[(&str, &str, Vec<u8>, &str, &str)] = &[
        ("a.png", "image/png", png(), "image", "image/png"),
        ("a.jpg", "image/jpeg", jpeg(), "image", "image/jpeg"),
        // Whatever name and type say.
        ("a.html", "text/html", png(), "image", "image/png"),
        ("a.pdf", "application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), "file", "application/pdf"),
        (
            "a.zip",
            "application/zip",
            b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
            "file",
            "application/zip",
        ),
        ("a.txt", "text/plain", "just words, 也有中文\n".into(), "file", "text/plain"),
    ];
    for (name, declared, bytes, kind, media) in rows {
        let answer = b1.upload(name, declared, bytes.clone()).await;
        assert!(answer.status == 200 || answer.status == 201, "{name} as {declared}: {answer:?}");
        let file = &answer.body;
        assert_eq!((&file["kind"], &file["size"]), (&json!(kind), &json!(bytes.len())), "{file}");
        if *media == "image/png" {
            assert_eq!((&file["width"], &file["height"]), (&json!(1), &json!(2)), "{file}");
        }
        let url = file["url"].as_str().unwrap();
        let served = node.anonymous().get(&format!("/{url}")).await;
        assert_eq!((served.status, &served.bytes), (200, bytes), "the address is the right to read it");
        assert!(served.header("content-type").starts_with(media), "{name}: {:?}", served.headers);
        assert_eq!(served.header("x-content-type-options"), "nosniff", "{name}");
        let disposition = served.header("content-disposition");
        assert!(disposition.starts_with("inline") || disposition.starts_with("attachment"), "{name}: {disposition}");
        let head = Answer::of(node.anonymous().request(Method::HEAD, &format!("/{url}"))).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{name}");
    }
}

#[tokio::test]
async fn what_could_harm_is_refused() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let rows: &[(&str, &str, Vec<u8>)] = &[
        ("a.html", "image/png", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()),
        ("a.txt", "text/plain", b"  \n<html><body onload=alert(1)>".to_vec()),
        ("a.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec()),
        ("a.png", "image/png", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()),
        ("a.exe", "application/zip", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0".to_vec()),
        ("a", "text/plain", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0".to_vec()),
        ("a.bin", "image/png", vec![0, 1, 2, 3, 0xff, 0xfe, 0, 0]),
        ("empty.png", "image/png", vec![]),
    ];
    for (name, declared, bytes) in rows {
        let answer = b1.upload(name, declared, bytes.clone()).await;
        assert!((400..500).contains(&answer.status), "{name} as {declared}: {answer:?}");
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_file_has_a_size_limit() {
    let node = TestNode::builder().set("limits.file_bytes", 1_000).start().await;
    let b1 = node.rest("b1");
    let sized = |bytes: usize| "x".repeat(bytes).into_bytes();
    let allowed = b1.upload("a.txt", "text/plain", sized(1_000)).await;
    assert!(allowed.status < 300, "{allowed:?}");
    b1.upload("a.txt", "text/plain", sized(1_001)).await.refused(413, "too_large");
    b1.upload("a.txt", "text/plain", sized(300_000)).await.refused(413, "too_large");
}

#[tokio::test]
async fn addresses_are_unguessable_and_names_are_tame() {
    let node = TestNode::start().await;
    let b1 = node.rest("b1");
    let mut addresses = BTreeSet::new();
    for name in ["a.png", "a.png", "../../etc/passwd", "a\"b\r\nc.png", "<script>.png", "很好.png"] {
        let answer = b1.upload(name, "image/png", png()).await;
        if name.contains(['\r', '\n']) && answer.status == 400 {
            // A name with control characters may as well be refused.
            continue;
        }
        assert!(answer.status < 300, "{name:?}: {answer:?}");
        let url = answer.body["url"].as_str().unwrap().to_owned();
        let mut parts = url.strip_prefix("/files/").unwrap().split('/');
        let (bits, rest) = (parts.next().unwrap(), parts.count());
        assert!(bits.len() >= 22, "128 random bits: {url}");
        assert_eq!(rest, 1, "one name after them: {url}");
        let served = node.anonymous().get(&format!("/{url}")).await;
        assert_eq!(served.status, 200, "{url}");
        assert!(!served.header("content-disposition").contains(['\r', '\n']), "{:?}", served.headers);
        assert!(addresses.insert(bits.to_owned()), "the same address twice");
    }
    for path in ["//files/00000000000000000000000000000000/a.png", "//files/x/a.png"] {
        assert_eq!(node.anonymous().get(path).await.status, 404);
    }
    node.anonymous().upload("a.png", "image/png", png()).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_upload_is_sent_as_a_message() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let file = b1.rest.upload("shoe.png", "image/png", png()).await.body;
    let content = json!({"kind": "image", "url": file["url"], "width": 1, "height": 2});
    b1.ok(json!({"type": "send", "to": {"shop": "acme"}, "content": content})).await;
    a1.expect(json!({"type": "message", "content": content})).await;
}
