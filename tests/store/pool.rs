//! Readings while the database is gone, stands still, or is another.

use std::{
    sync::{Barrier, mpsc},
    time::{Duration, Instant},
};

use shopbell::store::{Error, location::Location, pool::Readers, shops};
use shopbell_harness::TestPostgres;

use crate::place::Place;

fn reads(readers: &Readers) -> Result<(), Error> {
    readers.read(|db| shops::page(db, 0, 1).map(drop))
}

/// Has all connections made.
fn fill(readers: &Readers, size: usize) {
    let all_are_out = Barrier::new(size);
    let read = || {
        readers
            .read(|_| {
                all_are_out.wait();
                Ok(())
            })
            .unwrap();
    };
    std::thread::scope(|scope| (0..size).for_each(|_| drop(scope.spawn(read))));
}

/// A reading on a thread of its own: the end of the channel says how it went.
fn reading(readers: &Readers) -> mpsc::Receiver<Result<(), Error>> {
    let (done, result) = mpsc::channel();
    let readers = readers.clone();
    // Nobody may be waiting for it any more.
    std::thread::spawn(move || done.send(reads(&readers)).ok());
    result
}

/// How long it takes until readings succeed, of which each is given 3 s.
fn until_it_reads(readers: &Readers) -> Duration {
    let started = Instant::now();
    while !matches!(reading(readers).recv_timeout(Duration::from_secs(3)), Ok(Ok(()))) {
        assert!(started.elapsed() < Duration::from_secs(20), "no reading has succeeded");
        std::thread::sleep(Duration::from_millis(20));
    }
    started.elapsed()
}

#[test]
fn connections_that_have_died_are_left_behind() {
    let mut postgres = TestPostgres::start();
    let place = Place::on(&postgres);
    drop(place.writer());
    let readers = place.location.readers(3).unwrap();
    fill(&readers, 3);
    postgres.kill();
    let started = Instant::now();
    assert!(reads(&readers).is_err());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let (started, error) = (Instant::now(), reads(&readers).unwrap_err());
    assert!(matches!(error, Error::Down(_)) && error.to_string().contains("Connection refused"), "{error}");
    assert!(started.elapsed() < Duration::from_millis(500), "known by now: {:?}", started.elapsed());
    postgres.start_again();
    let took = until_it_reads(&readers);
    assert!(took < Duration::from_secs(3), "{took:?}");
    for _ in 0..9 {
        reads(&readers).unwrap();
    }
}

/// Its kernel goes on acknowledging: only the server's silence tells.
#[test]
fn a_frozen_server_costs_each_reading_seconds_and_the_threads_of_a_few() {
    let postgres = TestPostgres::start();
    let place = Place::on(&postgres);
    drop(place.writer());
    let readers = place.location.readers(2).unwrap();
    fill(&readers, 2);
    postgres.freeze();
    let all: Vec<_> = (0..6).map(|_| reading(&readers)).collect();
    let end = Instant::now() + Duration::from_secs(4);
    let answer = |of: &mpsc::Receiver<_>| of.recv_timeout(end.saturating_duration_since(Instant::now()));
    let answers: Vec<_> = all.iter().map(answer).collect();
    let stuck: Vec<_> = all.iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(of, _)| of).collect();
    assert_eq!(stuck.len(), 2, "as many as there are connections");
    assert!(answers.iter().flatten().all(Result::is_err));
    // From now on the lost connections are made up for, and no reading is stuck any more.
    for _ in 0..2 {
        let answer = reading(&readers).recv_timeout(Duration::from_secs(3));
        assert!(matches!(answer, Ok(Err(_))), "{answer:?}");
    }
    postgres.thaw();
    let took = until_it_reads(&readers);
    assert!(took < Duration::from_secs(5), "{took:?}");
    for answer in stuck {
        assert!(answer.recv_timeout(Duration::from_secs(3)).is_ok(), "its thread has come back");
    }
}

/// The old primary stands still for ever; its connections are given up, and the promoted standby is found.
#[test]
fn a_promoted_standby_is_found_while_the_old_primary_stands_still() {
    let primary = TestPostgres::start();
    let name = primary.fresh();
    let standby = primary.standby();
    let location = Location::parse(&TestPostgres::url_of_any(&[&primary, &standby], &name)).unwrap();
    shopbell::store::migrate::migrate(&mut location.writer().unwrap()).unwrap();
    let readers = location.readers(2).unwrap();
    fill(&readers, 2);
    primary.freeze();
    let _stuck = [reading(&readers), reading(&readers)];
    standby.promote();
    let took = until_it_reads(&readers);
    assert!(took < Duration::from_secs(9), "{took:?}");
    location.writer().unwrap();
    primary.thaw();
}
