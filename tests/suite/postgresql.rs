//! On PostgreSQL: where a node starts, where it must not, and what it says.

use shopbell_harness::{NodeBuilder, TestNode, TestPostgres, TestRedis};

fn on(url: &str) -> NodeBuilder {
    TestNode::builder().database(url)
}

#[test]
fn a_server_that_may_forget_is_refused_by_the_settings_name() {
    let postgres = TestPostgres::start_with(&[("synchronous_commit", "off")]);
    let url = postgres.fresh_database();
    let refused = on(&url).fails();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("synchronous_commit = off"), "{refused:?}");
    assert!(refused.stderr.contains("database.allow_weak_durability"), "{refused:?}");
    let allowed = on(&url).set("database.allow_weak_durability", true).run(&["migrate"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
}

#[tokio::test]
async fn several_nodes_share_a_database_only_with_redis() {
    let (url, redis) = (TestPostgres::shared().fresh_database(), TestRedis::start());
    let alone = on(&url).start().await;
    for second in [on(&url), on(&url).redis(&redis)] {
        let refused = second.fails();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("redis.url"), "{refused:?}");
    }
    drop(alone);
    let shared = TestPostgres::shared().fresh_database();
    let _first = on(&shared).redis(&redis).start().await;
    let _second = on(&shared).redis(&redis).start().await;
    assert_eq!(on(&shared).fails().code, Some(1), "one that does not know the others");
}

#[test]
fn three_nodes_start_at_once_on_an_empty_database() {
    let (url, redis) = (TestPostgres::shared().fresh_database(), TestRedis::start());
    let start = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(on(&url).redis(&redis).start())
    };
    let nodes: Vec<TestNode> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let migrated = nodes.iter().filter(|node| node.log().contains("has been brought up to date")).count();
    assert_eq!(migrated, 1);
}

#[tokio::test]
async fn who_comes_is_let_in_while_all_readers_are_busy() {
    let postgres = TestPostgres::shared();
    let database = postgres.fresh();
    let node = on(&postgres.url(&database)).set("database.readers", 1).start().await;
    node.shop("acme").await;
    let mut b1 = node.person("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    b1.leave().await;
    let held = database.clone();
    let locked = std::thread::spawn(move || {
        postgres.ask(&held, "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2.5); COMMIT");
    });
    let waits = |what: &str| {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND {what}");
        async move {
            while postgres.ask(&database, &sql).trim() == "0" {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    };
    waits.clone()("query LIKE 'BEGIN; LOCK%' AND wait_event = 'PgSleep'").await;
    let reader = b1.rest.clone();
    let reading = tokio::spawn(async move { reader.get(&format!("/conversations/{conversation}/messages")).await });
    waits("wait_event_type = 'Lock'").await;
    for uid in ["b1", "b2"] {
        node.person(uid).await;
    }
    assert!(!reading.is_finished(), "the only reader was to be busy");
    reading.await.unwrap().expect(200);
    locked.join().unwrap();
}

#[tokio::test]
async fn a_password_is_never_said() {
    let postgres = TestPostgres::start();
    postgres.ask("postgres", "ALTER ROLE shopbell PASSWORD 'hid den/42'");
    let url = postgres.fresh_database().replace("shopbell@", "shopbell:hid%20den%2F42@");
    let mut node = on(&url).set("log.level", "trace").start().await;
    node.rest("b1").get("/me").await.expect(200);
    let second = on(&url).fails();
    let wrong = on(&url.replace("postgres:", "postgers:")).fails();
    let nowhere = on("postgres://shopbell:hid%20den%2F42@127.0.0.1:1/chat").fails();
    node.terminate();
    node.ended().await;
    for said in [node.log(), second.stderr, wrong.stderr, nowhere.stderr] {
        assert!(!said.contains("hid%20den") && !said.contains("hid den") && !said.is_empty(), "{said}");
    }
}
