//! What a client may write wrong below the frames: sizes, fragments, RFC 6455, and not reading at all.

use super::scene::Scene;
use shopbell_harness::{TestNode, Wire, WireFrame, json};
use std::time::Duration;

const PING: &str = r#"{"type":"ping","id":"p"}"#;

fn whole(text: impl Into<Vec<u8>>) -> WireFrame {
    WireFrame::new(WireFrame::TEXT, text)
}

/// A `ping` of exactly this many bytes.
fn padded(bytes: usize) -> String {
    let (head, tail) = (r#"{"type":"ping","id":"p","x":""#, r#""}"#);
    format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
}

#[tokio::test]
async fn messages_above_the_limit_close_the_session() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let first = |fin: bool, bytes: usize| WireFrame { fin, ..whole("x".repeat(bytes)) };
    let more =
        |fin: bool, bytes: usize| WireFrame { fin, ..WireFrame::new(WireFrame::CONTINUATION, "x".repeat(bytes)) };
    let rows: Vec<(&str, Vec<WireFrame>)> = vec![
        ("64 KiB + 1", vec![whole(padded(65_537))]),
        ("64 KiB + 1, only declared", vec![WireFrame { declared: Some(65_537), ..whole("") }]),
        ("a gigabyte, only declared", vec![WireFrame { declared: Some(1 << 30), ..whole("") }]),
        ("64 KiB + 1 in two fragments", vec![first(false, 40_000), more(true, 25_537)]),
        (
            "the second fragment only declared",
            vec![first(false, 40_000), WireFrame { declared: Some(25_537), ..more(true, 0) }],
        ),
    ];
    for (what, frames) in rows {
        let mut wire = Wire::login(scene.node.base(), &scene.node.token("villain")).await;
        for frame in frames {
            wire.send(&frame).await;
        }
        assert_eq!(wire.closed().await, Some(4413), "{what}");
        scene.goes_on(what).await;
    }
    let mut wire = Wire::login(scene.node.base(), &scene.node.token("honest")).await;
    wire.send(&whole(padded(65_536))).await;
    wire.frame("pong").await;
}

#[tokio::test]
async fn fragments_are_put_together() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let mut wire = Wire::login(scene.node.base(), &scene.node.token("honest")).await;
    for size in [1, 2, 7, 20] {
        for fragment in WireFrame::fragments(PING, size) {
            wire.send(&fragment).await;
        }
        wire.frame("pong").await;
    }
    // Pings in between are answered at once, and the message is whole nevertheless.
    for fragment in WireFrame::fragments(PING, 5) {
        wire.send(&fragment).await;
        if !fragment.fin {
            wire.send(&WireFrame::new(WireFrame::PING, "between")).await;
            let pong = wire.next_but_text().await;
            assert_eq!(pong, Some((WireFrame::PONG, b"between".to_vec())));
        }
    }
    wire.frame("pong").await;
    // An empty last fragment, a character cut in two, and bytes that trickle in.
    let smile = r#"{"type":"ping","id":"p","x":"☺"}"#;
    let mut pieces = WireFrame::fragments(smile, 29);
    pieces.iter_mut().for_each(|piece| piece.fin = false);
    pieces.push(WireFrame::new(WireFrame::CONTINUATION, ""));
    for byte in pieces.iter().flat_map(WireFrame::bytes) {
        wire.write(&[byte]).await;
    }
    wire.frame("pong").await;
    scene.goes_on("fragments of all sizes").await;
}

#[tokio::test]
async fn violations_of_rfc_6455_close_with_1002_and_bad_utf_8_with_1007() {
    let mut scene = Scene::set(TestNode::builder()).await;
    let control = |payload: Vec<u8>| WireFrame::new(WireFrame::PING, payload);
    let close = |code: u16| WireFrame::new(WireFrame::CLOSE, code.to_be_bytes());
    let rows: Vec<(&str, Vec<WireFrame>, u16)> = vec![
        ("an unmasked frame", vec![WireFrame { masked: false, ..whole(PING) }], 1002),
        ("a reserved bit", vec![WireFrame { reserved: 4, ..whole(PING) }], 1002),
        ("opcode 3", vec![WireFrame::new(3, PING)], 1002),
        ("opcode 11", vec![WireFrame::new(11, "")], 1002),
        ("a fragmented ping", vec![WireFrame { fin: false, ..control(vec![]) }], 1002),
        ("a ping of 126 bytes", vec![control(vec![0; 126])], 1002),
        ("a continuation of nothing", vec![WireFrame::new(WireFrame::CONTINUATION, PING)], 1002),
        ("a message inside a message", vec![WireFrame { fin: false, ..whole("{") }, whole(PING)], 1002),
        ("a close of one byte", vec![WireFrame::new(WireFrame::CLOSE, [3])], 1002),
        ("close code 999", vec![close(999)], 1002),
        ("close code 1005", vec![close(1005)], 1002),
        ("bad UTF-8", vec![whole([0xff, 0xfe])], 1007),
        ("an overlong slash", vec![whole([0xc0, 0xaf])], 1007),
        ("a surrogate", vec![whole([0xed, 0xa0, 0x80])], 1007),
        ("half a character", vec![whole([0xe2, 0x98])], 1007),
        (
            "bad UTF-8 in the second fragment",
            vec![WireFrame { fin: false, ..whole("{") }, WireFrame::new(WireFrame::CONTINUATION, [0xff])],
            1007,
        ),
    ];
    for (what, frames, code) in rows {
        let mut wire = Wire::login(scene.node.base(), &scene.node.token("villain")).await;
        for frame in frames {
            wire.send(&frame).await;
        }
        assert_eq!(wire.closed().await, Some(code), "{what}");
        scene.goes_on(what).await;
    }
}

#[tokio::test]
async fn a_close_is_answered() {
    let scene = Scene::set(TestNode::builder()).await;
    let mut wire = Wire::login(scene.node.base(), &scene.node.token("polite")).await;
    wire.send(&WireFrame::new(WireFrame::CLOSE, 1000u16.to_be_bytes())).await;
    assert_eq!(wire.closed().await, Some(1000));
    assert_eq!(wire.next().await, None, "the server ends the connection");
}

#[tokio::test]
async fn who_never_reads_is_cut_off_and_misses_nothing() {
    let limits = TestNode::builder().set("limits.messages_per_second", 10_000).set("limits.messages_burst", 10_000);
    let mut scene = Scene::set(limits).await;
    let stuck = Wire::login(scene.node.base(), &scene.node.token("stuck")).await;
    let mut teller = scene.node.buyer("teller").await;
    let long = "好".repeat(4_000);
    for n in 0..150 {
        teller
            .tell(json!({"type": "send", "id": format!("m{n}"), "to": {"user": "stuck"},
            "content": {"kind": "text", "text": long}}))
            .await;
    }
    for n in 0..150 {
        teller.expect(json!({"type": "ok", "id": format!("m{n}")})).await;
    }
    scene.goes_on("a flood to somebody who does not read").await;
    stuck.reset_within(Duration::from_secs(12)).await;
    scene.goes_on("the one who did not read was cut off").await;

    let mut back = scene.node.buyer("stuck").await;
    assert_eq!(back.welcome["queued"], 150);
    for seq in 1..=150 {
        let message = back.expect(json!({"type": "message", "seq": seq})).await;
        back.tell(json!({"type": "ack", "conversation": message["conversation"], "seq": seq})).await;
    }
    back.expect(json!({"type": "flushed", "count": 150})).await;
}
