//! What the link does while nothing is wrong.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use shopbell::{
    domain::ids::{NodeId, ShopId, UserId},
    queue::link::{Arrival, Presence},
};

use super::{
    node::{Node, PREFIX, meet},
    proxy::Proxy,
    server::{Server, eventually},
};

#[test]
fn events_arrive_once_and_in_order() {
    let server = Server::start(&[]);
    let [a, b, c] = Node::several(&server.place());
    for round in 0..10 {
        let numbers = round * 1_000..(round + 1) * 1_000;
        for node in [&a, &c] {
            node.send(&[b.id, NodeId(99)], numbers.clone());
        }
        b.send(&[a.id, c.id], numbers);
        eventually("all have come", Duration::from_secs(5), || {
            let count = (round as usize + 1) * 1_000;
            let done = [(&b, a.id), (&b, c.id), (&a, b.id), (&c, b.id)];
            done.iter().all(|(node, from)| node.numbers(*from).len() >= count).then_some(())
        });
    }
    for (node, from) in [(&b, a.id), (&b, c.id), (&a, b.id), (&c, b.id)] {
        assert_eq!(node.numbers(from), (0..10_000).collect::<Vec<_>>());
        assert_eq!(node.gaps(from), 0);
    }
    assert_eq!(a.numbers(c.id), [0; 0], "what is for others does not come");
    assert!(a.heard().contains(&Arrival::Up));
}

#[test]
fn a_node_is_told_of_those_who_are_there() {
    let server = Server::start(&[]);
    let a = Node::start(&server.place(), 1);
    a.hears("that it is up", Duration::from_secs(1), |arrival| *arrival == Arrival::Up);
    a.user_came(5);
    a.user_came(6);
    a.user_went(5);
    a.link.presence(Presence::ShopUsed(ShopId(6)));
    let started = Instant::now();
    eventually("it is in Redis", Duration::from_millis(500), || {
        (server.ask::<i64>(&["SCARD", "test:presence:{1}"]) == 3).then_some(())
    });
    let b = Node::start(&server.place(), 2);
    let at = b.hears("of it", Duration::from_secs(1), |arrival| matches!(arrival, Arrival::Node { .. }));
    assert!(at - started < Duration::from_secs(1));
    let (node, name) = (a.id, "node-1".to_owned());
    let there = Arrival::Node { node, name, users: vec![UserId(6)], shops: vec![ShopId(6)] };
    assert!(b.heard().contains(&there), "{:?}", b.heard());
    meet(&[&a, &b]);
}

#[test]
fn an_event_of_a_node_that_has_just_come_is_preceded_by_the_node() {
    let server = Server::start(&[]);
    let a = Node::start(&server.place(), 1);
    a.hears("that it is up", Duration::from_secs(1), |arrival| *arrival == Arrival::Up);
    let mut told_by_event = 0;
    for id in 2..20 {
        let b = Node::start(&server.place(), id);
        b.hears("that it is up", Duration::from_secs(1), |arrival| *arrival == Arrival::Up);
        a.clear();
        b.user_came(7);
        b.send(&[a.id], 1..2);
        eventually("it comes", Duration::from_secs(1), || (a.numbers(b.id) == [1]).then_some(()));
        // By its heartbeat the first hears of the other in two seconds, or just now: then this shows nothing.
        let heard = a.heard();
        let of_b = |arrival: &&Arrival| match arrival {
            Arrival::Node { node, .. } => *node == b.id,
            Arrival::Event { from, .. } => *from == b.id,
            _ => false,
        };
        if let [Arrival::Node { users, .. }, Arrival::Event { .. }] = heard.iter().filter(of_b).collect::<Vec<_>>()[..]
        {
            assert_eq!(*users, [UserId(7)], "with whoever the event may speak of");
            told_by_event += 1;
        }
        b.link.stop();
    }
    assert!(told_by_event > 5, "{told_by_event}");
}

/// What a node would make of it that is told of comings and goings, by events of the same as presence.
fn followed(node: &Node, of: NodeId) -> BTreeSet<i64> {
    let mut there = BTreeSet::new();
    for arrival in node.heard() {
        match arrival {
            Arrival::Node { node, users, .. } if node == of => there = users.into_iter().map(|user| user.0).collect(),
            Arrival::Event { from, payload } if from == of => {
                let number = u64::from_be_bytes(payload[..8].try_into().unwrap());
                let (user, came) = ((number / 2) as i64, number % 2 == 1);
                if came {
                    there.insert(user)
                } else {
                    there.remove(&user)
                };
            }
            _ => {}
        }
    }
    there
}

#[test]
fn events_and_what_is_read_between_them_agree_though_much_is_lost() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let (a, b) = (Node::start(&server.place(), 1), Node::start(&proxy.place(), 2));
    meet(&[&a, &b]);
    let mut there = BTreeSet::new();
    let mut random: u64 = 1;
    let last = 1_000_000;
    for round in 0..10_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = (random >> 33) as i64 % 500;
        let came = there.insert(user) || !there.remove(&user);
        if came {
            a.user_came(user)
        } else {
            a.user_went(user)
        };
        a.send(&[b.id], user as u64 * 2 + u64::from(came)..user as u64 * 2 + u64::from(came) + 1);
        // What is sent while the road is blocked is lost, and presence is read again in the middle of it all.
        match round % 500 {
            0..=400 if round % 50 == 0 => thread::sleep(Duration::from_millis(1)),
            420 => proxy.block(),
            480 => {
                thread::sleep(Duration::from_millis(5));
                server.ask::<()>(&["DEL", "test:link:{2}"]);
                proxy.unblock();
            }
            _ => {}
        }
    }
    a.user_came(last);
    a.send(&[b.id], last as u64 * 2 + 1..last as u64 * 2 + 2);
    there.insert(last);
    // The last may be lost as well: then the next heartbeat tells.
    eventually("the last is known", Duration::from_secs(5), || followed(&b, a.id).contains(&last).then_some(()));
    assert_eq!(followed(&b, a.id), there);
    println!("link: {} gaps, and agreed all the same", b.gaps(a.id));
    assert!(b.gaps(a.id) > 0, "nothing was lost, so nothing was tried");
}

#[test]
fn a_node_that_stops_sends_all_it_has_and_leaves_nothing() {
    let server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    a.user_came(1);
    a.send(&[b.id], 0..5_000);
    a.link.stop();
    let stopped = Instant::now();
    let gone = b.hears("that it is gone", Duration::from_secs(1), |arrival| *arrival == Arrival::Gone { node: a.id });
    assert!(gone.saturating_duration_since(stopped) < Duration::from_millis(500));
    assert_eq!(b.numbers(a.id), (0..5_000).collect::<Vec<_>>());
    assert_eq!(b.gaps(a.id), 0);
    let keys: Vec<String> = server.ask(&["KEYS", &format!("{PREFIX}*{{1}}")]);
    assert_eq!(keys, [""; 0]);
    assert_eq!(server.ask::<Vec<i64>>(&["SMEMBERS", "test:nodes"]), [2]);
}

#[test]
fn what_has_been_read_is_taken_away_and_everything_expires() {
    let server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    a.send(&[b.id, NodeId(77)], 0..10_000);
    eventually("the stream is short again", Duration::from_secs(4), || {
        let read = b.numbers(a.id).len() == 10_000;
        (read && server.ask::<i64>(&["XLEN", "test:link:{2}"]) < 10).then_some(())
    });
    assert!(server.ask::<i64>(&["XLEN", "test:link:{77}"]) > 100, "nobody reads this one");
    for key in server.ask::<Vec<String>>(&["KEYS", "*"]).iter().filter(|key| *key != "test:nodes") {
        let left = server.ask::<i64>(&["PTTL", key]);
        assert!((1..=300_000).contains(&left), "{key}: {left}");
    }
}
