//! The PostgreSQL of the harness can be hurt in the ways in which the other tests hurt it.

use shopbell_harness::TestPostgres;

#[test]
fn it_is_killed_frozen_and_replaced() {
    let mut primary = TestPostgres::start_with(&[("max_connections", "42")]);
    assert_eq!(primary.ask("postgres", "SHOW max_connections"), "42");
    assert_eq!(primary.ask("postgres", "SHOW fsync"), "on");
    let name = primary.fresh();
    primary.ask(&name, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    primary.kill();
    primary.start_again();
    assert_eq!(primary.ask(&name, "SELECT n FROM kept"), "1");

    primary.freeze();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| primary.ask(&name, "INSERT INTO kept VALUES (2) RETURNING n"));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!asked.is_finished(), "a frozen server answers");
        primary.thaw();
        assert_eq!(asked.join().expect("no panic"), "2");
    });

    let standby = primary.standby();
    primary.ask(&name, "INSERT INTO kept VALUES (3)");
    primary.kill();
    assert_eq!(standby.ask(&name, "SELECT pg_is_in_recovery()"), "t");
    standby.promote();
    standby.ask(&name, "INSERT INTO kept VALUES (4)");
    assert_eq!(standby.ask(&name, "SELECT count(*) FROM kept"), "4");
}
