//! The pages as they cross the wire: compressed for who takes it, each representation under its own tag.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::{Method, header};
use shopbell_harness::{Answer, Rest, TestNode};

/// What a request for `path` comes to, with these headers.
async fn get(rest: &Rest, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
    let request =
        headers.iter().fold(rest.request(Method::GET, path), |request, (name, value)| request.header(name, *value));
    Answer::of(request).await
}

fn header_of(answer: &Answer, name: header::HeaderName) -> &str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_cross_the_wire_compressed() {
    let node = TestNode::start().await;
    let rest = node.rest("b1");
    for (path, most_percent) in [
        ("//widget.js", 45),
        ("//demo", 75),
        ("//agent", 75),
        ("//admin", 75),
        ("//assets/sdk/shopbell.js", 45),
        ("//assets/console/console.css", 45),
        ("//assets/vendor/uplot-1.6.32/uPlot.iife.min.js", 60),
        ("//assets/pictures/teapot.svg", 75),
    ] {
        let plain = get(&rest, path, &[]).await;
        assert_eq!((plain.status, header_of(&plain, header::CONTENT_ENCODING)), (200, ""), "{path}");
        let squeezed = get(&rest, path, &[(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")]).await;
        assert_eq!((squeezed.status, header_of(&squeezed, header::CONTENT_ENCODING)), (200, "gzip"), "{path}");
        let (on_wire, whole) = (squeezed.bytes.len(), plain.bytes.len());
        assert!(on_wire * 100 <= whole * most_percent, "{path}: {on_wire} bytes of {whole}");
        let mut opened = Vec::new();
        GzDecoder::new(&squeezed.bytes[..]).read_to_end(&mut opened).unwrap();
        assert_eq!(opened, plain.bytes, "{path}");
        assert_eq!(header_of(&squeezed, header::CONTENT_TYPE), header_of(&plain, header::CONTENT_TYPE), "{path}");
        for answer in [&plain, &squeezed] {
            assert!(
                header_of(answer, header::VARY).to_lowercase().contains("accept-encoding"),
                "{path}: caches must know"
            );
        }

        // Two representations, two tags; each is known by its own only.
        let (plain_tag, tag) = (header_of(&plain, header::ETAG), header_of(&squeezed, header::ETAG));
        assert_ne!(plain_tag, tag, "{path}");
        let again = [(header::ACCEPT_ENCODING, "gzip"), (header::IF_NONE_MATCH, tag)];
        let again = get(&rest, path, &again).await;
        assert_eq!((again.status, again.bytes.len(), header_of(&again, header::ETAG)), (304, 0, tag), "{path}");
        assert_eq!(
            get(&rest, path, &[(header::IF_NONE_MATCH, tag)]).await.status,
            200,
            "{path}: it has not these bytes"
        );
        assert_eq!(get(&rest, path, &[(header::IF_NONE_MATCH, plain_tag)]).await.status, 304, "{path}");
    }
}

#[tokio::test]
async fn who_does_not_take_gzip_is_not_given_it() {
    let node = TestNode::start().await;
    let rest = node.rest("b1");
    for wanted in ["identity", "br", "gzip;q=0", "*;q=0, identity", "gzip;q=0.2, identity;q=0.8"] {
        let answer = get(&rest, "//widget.js", &[(header::ACCEPT_ENCODING, wanted)]).await;
        assert_eq!((answer.status, header_of(&answer, header::CONTENT_ENCODING)), (200, ""), "{wanted}");
    }
    let head = rest.request(Method::HEAD, "//widget.js").header(header::ACCEPT_ENCODING, "gzip");
    let head = Answer::of(head).await;
    assert_eq!((head.status, header_of(&head, header::CONTENT_ENCODING), head.bytes.len()), (200, "gzip", 0));
}

/// The length of a compressed answer tells of a secret in it to who may put guesses beside the secret (BREACH).
#[tokio::test]
async fn what_was_made_for_one_person_is_never_compressed() {
    let node = TestNode::start().await;
    node.shop("acme").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "gzip ".repeat(500).as_str()).await;
    let rest = node.rest("b1");
    for path in ["/me", "/conversations", &format!("/conversations/{conversation}/messages")] {
        let answer = get(&rest, path, &[(header::ACCEPT_ENCODING, "gzip, deflate, br")]).await;
        assert_eq!((answer.status, header_of(&answer, header::CONTENT_ENCODING)), (200, ""), "{path}");
    }
}
