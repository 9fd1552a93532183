//! What a database must be like for a server to start on it, and who may start.

use std::{
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types};
use shopbell::{
    domain::ids::Timestamp,
    store::{Error, location::Location, migrate::migrate, users},
};
use shopbell_harness::TestPostgres;

use crate::place::{Place, each};

#[test]
fn migrating_twice_is_migrating_once() {
    each(|place: Place| {
        let mut db = place.location.writer().unwrap();
        assert!(migrate(&mut db).unwrap() > 0);
        assert_eq!(migrate(&mut db).unwrap(), 0);
    });
}

#[test]
fn nodes_that_start_at_once_migrate_once() {
    let place = Place::postgres();
    let start = || migrate(&mut place.location.writer().unwrap()).unwrap();
    let run: Vec<usize> = std::thread::scope(|scope| {
        let nodes: Vec<_> = (0..5).map(|_| scope.spawn(start)).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    assert_eq!(run.iter().filter(|migrations| **migrations > 0).count(), 1, "{run:?}");
}

#[test]
fn an_older_schema_is_brought_up_to_date() {
    each(|place: Place| {
        let mut db = place.location.writer().unwrap();
        let first = match place.location.is_postgres() {
            true => include_str!("../../migrations/postgres/2026-11-20-000000_initial/up.sql"),
            false => include_str!("../../migrations/sqlite/2026-11-20-000000_initial/up.sql"),
        };
        db.batch_execute(first).unwrap();
        db.batch_execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('20261120000000')",
        )
        .unwrap();
        db.batch_execute("INSERT INTO users (uid, name, created_at) VALUES ('ann', 'Ann', 1)").unwrap();
        assert!(migrate(&mut db).unwrap() > 0);
        assert!(users::by_uid(&mut db, "ann").unwrap().is_some());
    });
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    each(|place: Place| {
        let mut db = place.writer();
        db.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").unwrap();
        db.batch_execute("DROP TABLE agent_sessions").unwrap();
        db.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261121000000'").unwrap();
        assert!(matches!(migrate(&mut db), Err(Error::Newer(version)) if version == "20990101000000"));
        assert!(db.batch_execute("SELECT 1 FROM agent_sessions").is_err(), "nothing was migrated");
    });
}

#[test]
fn a_database_of_somebody_elses_is_refused_and_left_alone() {
    each(|place: Place| {
        let mut db = place.location.writer().unwrap();
        db.batch_execute("CREATE TABLE invoices (id BIGINT PRIMARY KEY)").unwrap();
        let refused = migrate(&mut db).unwrap_err();
        assert!(matches!(&refused, Error::Foreign(names) if names == "invoices"), "{refused}");
        assert!(db.batch_execute("SELECT 1 FROM users").is_err());
        assert!(db.batch_execute("SELECT 1 FROM __diesel_schema_migrations").is_err(), "not even looked into");
    });
}

#[test]
fn a_table_that_is_missing_is_named() {
    each(|place: Place| {
        let mut db = place.writer();
        db.batch_execute("DROP TABLE receipts").unwrap();
        assert!(matches!(migrate(&mut db), Err(Error::Damaged(name)) if name == "receipts"));
    });
}

#[test]
fn two_servers_share_a_database_only_where_they_may() {
    each(|place: Place| {
        let own = place.location.lock(false).unwrap();
        assert!(matches!(place.location.lock(false), Err(Error::InUse(_))));
        assert!(matches!(place.location.lock(true), Err(Error::InUse(_))), "nor one that would share");
        let refused = place.location.lock_after_another(true, Duration::from_millis(100));
        assert!(matches!(refused, Err(Error::InUse(_))), "not for ever");
        let ending = spawn(|| {
            sleep(Duration::from_millis(300));
            drop(own);
        });
        let first = place.location.lock_after_another(true, shopbell_harness::PATIENCE).unwrap();
        ending.join().unwrap();
        assert_eq!(place.location.lock(true).is_ok(), place.location.is_postgres());
        assert!(matches!(place.location.lock(false), Err(Error::InUse(_))));
        drop(first);
    });
}

/// The lock goes with its connection, and is taken again.
#[test]
fn a_lock_outlives_a_restart_of_postgresql() {
    let mut postgres = TestPostgres::start();
    let place = Place::on(&postgres);
    let _held = place.location.lock(false).unwrap();
    postgres.kill();
    postgres.start_again();
    let end = Instant::now() + shopbell_harness::PATIENCE;
    while place.location.lock(false).is_ok() {
        assert!(Instant::now() < end, "anybody may take the database");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_commit_is_synced_and_readers_cannot_write() {
    each(|place: Place| {
        let mut db = place.writer();
        if !place.location.is_postgres() {
            #[derive(QueryableByName)]
            struct Pragma {
                #[diesel(sql_type = sql_types::Integer)]
                synchronous: i32,
            }
            let full: Pragma = sql_query("PRAGMA synchronous").get_result(&mut db).unwrap();
            assert_eq!(full.synchronous, 2, "FULL");
        }
        let readers = place.location.readers(2).unwrap();
        assert!(readers.read(|db| users::refresh(db, "x", None, None, Timestamp(1)).map(drop)).is_err());
        assert!(readers.read(|db| users::by_uid(db, "x")).unwrap().is_none(), "and can still read");
    });
}

/// Starts to write, and gives the setting because of which it must not.
fn refused(location: &Location) -> Option<(&'static str, String)> {
    match location.writer() {
        Ok(_) => None,
        Err(Error::Weak { setting, value, .. }) => Some((setting, value)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_postgresql_that_forgets_is_refused_by_the_settings_name() {
    for (setting, value) in [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")] {
        let postgres = TestPostgres::start_with(&[(setting, value)]);
        let location = Location::parse(&postgres.fresh_database()).unwrap();
        assert_eq!(refused(&location), Some((setting, value.to_owned())));
        assert!(location.clone().allow_weak_durability(true).writer().is_ok(), "{setting}");
        assert!(location.reader().is_ok());
    }
}

#[test]
fn a_role_or_a_database_that_forgets_is_refused() {
    let postgres = TestPostgres::start();
    let name = postgres.fresh();
    let location = Location::parse(&postgres.url(&name)).unwrap();
    assert_eq!(refused(&location), None);
    postgres.ask("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    assert_eq!(refused(&location), Some(("synchronous_commit", "off".to_owned())));
    postgres.ask("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = local"));
    assert_eq!(refused(&location), None, "without standbys, as good as on");
    postgres.ask("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    postgres.ask("postgres", "SELECT pg_reload_conf()");
    let end = Instant::now() + shopbell_harness::PATIENCE;
    while refused(&location).is_none() {
        assert!(Instant::now() < end, "it does not wait for its standbys, and is taken");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(refused(&location), Some(("synchronous_commit", "local".to_owned())));
}

#[test]
fn what_keeps_a_connection_from_being_made_is_said_and_the_password_is_not() {
    let postgres = TestPostgres::shared();
    let nobody = format!("postgres://nobody:hidden@127.0.0.1:{}/postgres", postgres.port());
    let nowhere = "postgres://ann:hidden@127.0.0.1:1/chat?connect_timeout=2".to_owned();
    for (url, cause) in [(nobody, "role \"nobody\" does not exist"), (nowhere, "Connection refused")] {
        let location = Location::parse(&url).unwrap();
        for error in [location.writer().err(), location.reader().err(), location.readers(1).err()] {
            let said = error.unwrap().to_string();
            assert!(said.contains(cause) && !said.contains("hidden"), "{said}");
        }
    }
}

#[test]
fn sessions_bound_their_waits() {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = sql_types::Text)]
        value: String,
    }
    let mut db = Place::postgres().location.writer().unwrap();
    for (name, value) in [
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "3s"),
        ("lock_timeout", "3s"),
        ("tcp_keepalives_idle", "5"),
        ("default_transaction_isolation", "read committed"),
        ("application_name", "shopbell"),
        ("client_encoding", "UTF8"),
    ] {
        let is: Setting = sql_query(format!("SELECT current_setting('{name}') AS value")).get_result(&mut db).unwrap();
        assert_eq!(is.value, value, "{name}");
    }
}

/// `.cargo/config.toml` says why.
#[test]
fn sqlite_is_compiled_as_it_is_wanted() {
    #[derive(QueryableByName)]
    struct Set {
        #[diesel(sql_type = sql_types::Text)]
        compile_options: String,
    }
    let options: Vec<Set> = sql_query("PRAGMA compile_options").load(&mut Place::sqlite().writer()).unwrap();
    let is_set = |option: &str| options.iter().any(|set| set.compile_options == option);
    assert!(is_set("ENABLE_QPSG") && is_set("DEFAULT_MEMSTATUS=0") && !is_set("ENABLE_MEMORY_MANAGEMENT"));
}
