//! How much the link carries. A figure, and a bound far below it.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    node::{Node, payload},
    server::Server,
};

#[test]
fn events_pass_quickly() {
    let server = Server::start(&[]);
    let [a, b] = Node::several(&server.place());
    let mut alone: Vec<Duration> = (0..200)
        .map(|number| {
            let sent = Instant::now();
            a.link.send(&[b.id], payload(number, 300));
            while b.numbers(a.id).len() as u64 <= number {
                thread::sleep(Duration::from_micros(20));
            }
            sent.elapsed()
        })
        .collect();
    alone.sort();
    b.clear();
    let (count, started) = (100_000, Instant::now());
    let mut sent = 0;
    while sent < count {
        // So many are on their way that none is dropped.
        if sent - b.numbers(a.id).len() as u64 <= 10_000 {
            (sent..sent + 1_000).for_each(|number| a.link.send(&[b.id], payload(number, 300)));
            sent += 1_000;
        }
        thread::sleep(Duration::from_micros(200));
    }
    while (b.numbers(a.id).len() as u64) < count {
        assert!(started.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(1));
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    println!("link: alone p50 {:?}, p99 {:?}; together {rate:.0} events of 300 bytes a second", alone[100], alone[198]);
    assert_eq!(b.numbers(a.id), (0..count).collect::<Vec<_>>());
    assert_eq!(b.gaps(a.id), 0);
    assert!(rate > 2_000.0);
}
