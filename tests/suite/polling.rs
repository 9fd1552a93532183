//! `ETag` and `If-None-Match`: who polls is told once what has not changed (the contract's section 4).

use shopbell_harness::{Answer, Method, Rest, TestNode, json};

async fn poll(rest: &Rest, path: &str, known: &str) -> Answer {
    Answer::of(rest.request(Method::GET, path).header("if-none-match", known)).await
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "owner", "admin").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    let owner = node.rest("owner");
    let paths = [
        "/me".to_owned(),
        "/conversations".to_owned(),
        format!("/conversations/{conversation}"),
        format!("/conversations/{conversation}/messages"),
        format!("/conversations/{conversation}/timeline"),
        "/shops/acme".to_owned(),
        "/shops/acme/agents".to_owned(),
        "/shops/acme/conversations".to_owned(),
        "/shops/acme/tickets".to_owned(),
    ];
    for path in &paths {
        let first = owner.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 10, "{path}: {tag}");
        assert_eq!(first.header("cache-control"), "no-store", "{path}");
        let head = Answer::of(owner.request(Method::HEAD, path)).await;
        assert_eq!((head.header("etag"), head.header("content-length")), (&*tag, first.header("content-length")));
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = poll(&owner, path, &known).await;
            assert_eq!((again.status, again.bytes.len(), again.header("etag")), (304, 0, &*tag), "{path} {known}");
        }
        for other in ["\"x\"", "nonsense", ""] {
            let again = poll(&owner, path, other).await;
            assert_eq!((again.status, &again.bytes), (200, &first.bytes), "{path} {other:?}");
        }
    }
    // A tag shows nothing to who may not read.
    let path = format!("/conversations/{conversation}");
    let tag = owner.get(&path).await.header("etag").to_owned();
    for known in [&*tag, "*"] {
        poll(&node.rest("b2"), &path, known).await.refused(404, "not_found");
        poll(&node.anonymous(), &path, known).await.refused(401, "unauthenticated");
    }
    b1.say("acme", "and").await;
    let changed = poll(&owner, &path, &tag).await;
    assert_eq!((changed.status, &changed.body["last_seq"]), (200, &json!(2)));
    assert_ne!(changed.header("etag"), tag);
}
