//! What the link does when Redis is not as it should be.

use std::{
    thread,
    time::{Duration, Instant},
};

use shopbell::queue::link::Arrival;

use super::{
    node::{Node, meet, payload},
    proxy::Proxy,
    server::{Server, eventually},
};

/// How long after Redis it takes the link to be back.
const BACK: Duration = Duration::from_secs(1);
/// Two heartbeats, and some time for a busy machine.
const HEARTBEATS: Duration = Duration::from_secs(5);

fn is_ascending(numbers: &[u64]) -> bool {
    numbers.is_sorted_by(|a, b| a < b)
}

/// Sends one event, and waits until it has come.
fn passes(from: &Node, to: &Node, number: u64) {
    from.send(&[to.id], number..number + 1);
    eventually("an event passes", Duration::from_secs(2), || {
        (to.numbers(from.id).last() == Some(&number)).then_some(())
    });
}

#[test]
fn who_does_not_read_loses_and_knows_it() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let (a, b) = (Node::with(&server.place(), 1, 100), Node::with(&proxy.place(), 2, 100));
    meet(&[&a, &b]);
    passes(&a, &b, 0);
    proxy.block();
    for number in 1..=1_000 {
        // Each is so large that it is an entry of its own.
        a.link.send(&[b.id], payload(number, 64 << 10));
        if number % 100 == 0 {
            let lengthened = || server.ask::<i64>(&["XLEN", "test:link:{2}"]);
            eventually("it is sent", Duration::from_secs(5), || (lengthened() >= 100).then_some(()));
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert!(server.ask::<i64>(&["XLEN", "test:link:{2}"]) < 300, "bounded");
    assert!(!a.heard().contains(&Arrival::Down), "nobody else has noticed");
    proxy.unblock();
    eventually("the last has come", HEARTBEATS, || (b.numbers(a.id).last() == Some(&1_000)).then_some(()));
    let numbers = b.numbers(a.id);
    assert!(numbers.len() < 1_000 && is_ascending(&numbers), "{numbers:?}");
    assert!(b.gaps(a.id) >= 1);
    let hole = numbers.windows(2).position(|pair| pair[1] != pair[0] + 1).unwrap();
    let heard = b.heard();
    let place = |number: u64| {
        heard.iter().position(
            |arrival| matches!(arrival, Arrival::Event { payload, .. } if payload[..8] == number.to_be_bytes()),
        )
    };
    let between = &heard[place(numbers[hole]).unwrap()..place(numbers[hole + 1]).unwrap()];
    assert!(between.contains(&Arrival::Gap { from: a.id }), "where it is");
}

#[test]
fn a_loss_is_seen_though_nothing_follows() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let (a, b) = (Node::start(&server.place(), 1), Node::start(&proxy.place(), 2));
    meet(&[&a, &b]);
    a.user_came(1);
    passes(&a, &b, 0);
    proxy.cut();
    b.hears("that it is down", Duration::from_secs(3), |arrival| *arrival == Arrival::Down);
    b.clear();
    let before = server.ask::<i64>(&["XLEN", "test:link:{2}"]);
    a.send(&[b.id], 1..2);
    eventually("it is sent", Duration::from_secs(1), || {
        (server.ask::<i64>(&["XLEN", "test:link:{2}"]) > before).then_some(())
    });
    server.ask::<()>(&["DEL", "test:link:{2}"]);
    proxy.mend();
    b.hears("of the loss", HEARTBEATS, |arrival| *arrival == Arrival::Gap { from: a.id });
    assert_eq!(b.numbers(a.id), [0; 0]);
    passes(&a, &b, 2);
    assert_eq!(b.gaps(a.id), 1, "and once");
}

#[test]
fn an_emptied_redis_is_filled_within_a_heartbeat_and_nobody_is_taken_for_gone() {
    let server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    a.user_came(1);
    a.user_came(2);
    passes(&a, &b, 0);
    server.ask::<()>(&["FLUSHALL"]);
    let emptied = Instant::now();
    let c = Node::start(&server.place(), 3);
    c.hears(
        "of both",
        Duration::from_secs(5),
        |arrival| matches!(arrival, Arrival::Node { node, .. } if *node == a.id),
    );
    assert!(emptied.elapsed() < HEARTBEATS, "{:?}", emptied.elapsed());
    assert_eq!(c.users()[&a.id].len(), 2, "whole or not at all");
    passes(&a, &b, 1);
    passes(&b, &a, 1);
    passes(&a, &c, 1);
    for node in [&a, &b] {
        assert!(!node.heard().iter().any(|arrival| matches!(arrival, Arrival::Gone { .. } | Arrival::Down)));
    }
}

#[test]
fn a_presence_that_is_not_whole_is_not_told() {
    let server = Server::start(&[]);
    let a = Node::start(&server.place(), 1);
    a.hears("that it is up", Duration::from_secs(1), |arrival| *arrival == Arrival::Up);
    for (id, user) in (2..12).zip(100..) {
        a.user_came(user);
        eventually("it is written", Duration::from_secs(4), || {
            server.ask::<bool>(&["SISMEMBER", "test:presence:{1}", &format!("u{user}")]).then_some(())
        });
        // Gone, and then begun again by one who comes, until the next heartbeat writes it whole.
        server.ask::<()>(&["DEL", "test:presence:{1}"]);
        if id % 2 == 0 {
            a.user_came(1);
            a.user_went(1);
            a.user_came(1);
        }
        let b = Node::start(&server.place(), id);
        b.hears("of it", HEARTBEATS, |arrival| matches!(arrival, Arrival::Node { node, .. } if *node == a.id));
        assert!(b.users()[&a.id].len() as i64 >= user - 99, "{:?}", b.users());
        b.link.stop();
    }
}

#[test]
fn ids_of_a_stream_may_go_back() {
    let server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    passes(&a, &b, 0);
    for (number, reconnects, patience) in [(1, true, BACK), (2, false, 2 * HEARTBEATS)] {
        // As if the clock of a new master were behind that of the old one.
        server.ask::<String>(&["XADD", "test:link:{2}", "9999999999999-0", "z", "1"]);
        thread::sleep(Duration::from_millis(200));
        server.ask::<()>(&["DEL", "test:link:{2}"]);
        if reconnects {
            server.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            thread::sleep(BACK / 2);
            assert!(!b.heard().contains(&Arrival::Down), "a connection that is lost is nothing to speak of");
        }
        a.send(&[b.id], number..number + 1);
        eventually("an event passes", patience, || (b.numbers(a.id).last() == Some(&number)).then_some(()));
    }
}

#[test]
fn a_killed_redis_is_missed_and_found_again() {
    let mut server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    a.user_came(1);
    passes(&a, &b, 0);
    server.kill();
    for node in [&a, &b] {
        node.hears("that it is down", Duration::from_secs(3), |arrival| *arrival == Arrival::Down);
        node.clear();
    }
    a.send(&[b.id], 1..2);
    a.user_came(2);
    server.again();
    let back = Instant::now();
    for node in [&a, &b] {
        let up = node.hears("that it is up", Duration::from_secs(3), |arrival| *arrival == Arrival::Up);
        assert!(up.saturating_duration_since(back) < BACK, "{:?}", up - back);
    }
    b.hears("of the loss", HEARTBEATS, |arrival| *arrival == Arrival::Gap { from: a.id });
    eventually("the presence is as it is", HEARTBEATS, || (b.users().get(&a.id)?.len() == 2).then_some(()));
    passes(&a, &b, 2);
    assert_eq!(b.numbers(a.id), [2]);
    assert!(!b.heard().iter().any(|arrival| matches!(arrival, Arrival::Gone { .. })));
}

#[test]
fn a_frozen_redis_is_missed_and_found_again() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let (a, b) = (Node::start(&server.place(), 1), Node::start(&proxy.place(), 2));
    meet(&[&a, &b]);
    passes(&a, &b, 0);
    // The second finds Redis later than the first, and is not taken for gone.
    proxy.block();
    server.freeze();
    let frozen = Instant::now();
    a.send(&[b.id], 1..100);
    for node in [&a, &b] {
        let down = node.hears("that it is down", Duration::from_secs(5), |arrival| *arrival == Arrival::Down);
        println!("frozen, and missed after {:?}", down - frozen);
        node.clear();
    }
    a.send(&[b.id], 100..200);
    // Longer than nodes are waited for.
    thread::sleep(Duration::from_secs(11).saturating_sub(frozen.elapsed()));
    server.thaw();
    let mut back = Instant::now();
    for (node, then) in [(&a, Duration::from_millis(300)), (&b, Duration::ZERO)] {
        let up = node.hears("that it is up", Duration::from_secs(5), |arrival| *arrival == Arrival::Up);
        println!("thawed, and found after {:?}", up - back);
        assert!(up - back < BACK, "{:?}", up - back);
        thread::sleep(then);
        back = Instant::now();
        proxy.unblock();
    }
    passes(&a, &b, 200);
    b.hears("of the loss", HEARTBEATS, |arrival| *arrival == Arrival::Gap { from: a.id });
    assert!(is_ascending(&b.numbers(a.id)), "{:?}", b.numbers(a.id));
    for node in [&a, &b] {
        assert!(!node.heard().iter().any(|arrival| matches!(arrival, Arrival::Gone { .. })), "nobody was gone");
    }
}

#[test]
fn a_node_that_is_cut_off_is_gone_and_comes_back() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let (a, b) = (Node::start(&server.place(), 1), Node::start(&proxy.place(), 2));
    meet(&[&a, &b]);
    b.user_came(1);
    passes(&b, &a, 0);
    proxy.cut();
    let cut = Instant::now();
    b.hears("that it is down", Duration::from_secs(3), |arrival| *arrival == Arrival::Down);
    let gone = a.hears("that it is gone", Duration::from_secs(14), |arrival| *arrival == Arrival::Gone { node: b.id });
    assert!((8..14).contains(&(gone - cut).as_secs()), "{:?}", gone - cut);
    assert!(!b.heard().contains(&Arrival::Gone { node: a.id }), "who is cut off knows nothing of others");
    b.user_came(2);
    a.send(&[b.id], 1..2);
    a.clear();
    proxy.mend();
    a.hears("of it", HEARTBEATS, |arrival| matches!(arrival, Arrival::Node { node, .. } if *node == b.id));
    assert_eq!(a.users()[&b.id].len(), 2);
    eventually("what was sent meanwhile", Duration::from_secs(2), || (b.numbers(a.id) == [1]).then_some(()));
    passes(&a, &b, 2);
    passes(&b, &a, 1);
    assert_eq!(b.gaps(a.id), 0, "its stream was kept");
}

#[test]
fn a_full_redis_is_down_until_there_is_room() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let [a, b] = Node::several(&server.place());
    passes(&a, &b, 0);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    a.hears("that it is down", HEARTBEATS, |arrival| *arrival == Arrival::Down);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    a.clear();
    a.hears("that it is up", Duration::from_secs(2), |arrival| *arrival == Arrival::Up);
    b.hears("that it is up", Duration::from_secs(5), |arrival| *arrival == Arrival::Up);
    passes(&a, &b, 1);
}

#[test]
fn a_redis_that_is_not_there_yet_is_waited_for() {
    let mut server = Server::start(&[]);
    server.kill();
    let (a, b) = (Node::start(&server.place(), 1), Node::start(&server.place(), 2));
    a.user_came(1);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(a.heard(), []);
    server.again();
    meet(&[&a, &b]);
    assert_eq!(b.users()[&a.id].len(), 1);
    passes(&a, &b, 0);
}
