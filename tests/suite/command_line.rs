//! The command line: configuration, tokens, operators, migrations (the contract's section 5).

use std::time::Duration;

use shopbell_harness::{Rest, TestNode, TestPostgres, json, signal};

use super::stored::Stored;

#[tokio::test]
async fn a_wrong_value_is_named_with_what_is_allowed() {
    // Key, value, and words of which one must be said of what is allowed.
    for (key, value, allowed) in [
        ("http.bind", "nowhere", &["address", "port", "host"][..]),
        ("limits.frame_bytes", "many", &["number", "integer", "bytes"]),
        ("limits.messages_per_second", "-1", &["allowed is 1 to", "number", "integer", "at least", "between"]),
        ("heartbeat.interval_ms", "soon", &["number", "integer", "ms"]),
        ("chat.recall_window", "later", &["2m", "30s", "duration", "500ms"]),
        ("auth.trust_shop_claims", "perhaps", &["true"]),
        ("database.url", "mongodb://x", &["sqlite"]),
        ("redis.url", "http://x", &["redis://"]),
        ("log.format", "poem", &["json"]),
        ("log.level", "shouting", &["info"]),
    ] {
        for command in ["check-config", "serve"] {
            let done = TestNode::builder().set(key, value).run(&[command]);
            assert_eq!(done.code, Some(2), "{command} with {key}={value}: {done:?}");
            assert!(done.stderr.contains(key), "{key} is named: {}", done.stderr);
            assert!(done.stderr.contains(value), "{value} is named: {}", done.stderr);
            let said = allowed.iter().any(|word| done.stderr.to_lowercase().contains(word));
            assert!(said, "{key}: one of {allowed:?} in {}", done.stderr);
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_named() {
    for key in ["http.bnd", "no_such_section.key", "limits.frame_byte"] {
        let done = TestNode::builder().set(key, "1").run(&["check-config"]);
        assert_eq!(done.code, Some(2), "{key}: {done:?}");
        let name = key.split('.').find(|part| done.stderr.contains(part));
        assert!(name.is_some(), "{key} is named: {}", done.stderr);
    }
}

#[tokio::test]
async fn a_good_configuration_passes() {
    let done =
        TestNode::builder().set("http.allowed_origins", "https://a.example,https://b.example").run(&["check-config"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[tokio::test]
async fn help_names_every_command() {
    let help = TestNode::builder().run(&["--help"]);
    assert_eq!(help.code, Some(0), "{help:?}");
    for command in ["serve", "migrate", "check-config", "token", "operator", "bench"] {
        assert!(help.stdout.contains(command), "{command} in {}", help.stdout);
    }
    assert_eq!(TestNode::builder().run(&["fly"]).code, Some(2));
}

#[tokio::test]
async fn token_signs_what_the_server_takes() {
    let node = TestNode::start().await;
    let done = node.run(&["token", "--sub", "b1", "--name", "Bo", "--ttl", "1h"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let me = Rest::new(node.base(), Some(done.stdout.trim())).get("/me").await.expect(200).to_string();
    assert!(me.contains("\"b1\"") && me.contains("\"Bo\""), "{me}");
    let brief = node.run(&["token", "--sub", "b1", "--ttl", "0s"]);
    if brief.code == Some(0) {
        Rest::new(node.base(), Some(brief.stdout.trim())).get("/me").await.refused(401, "unauthenticated");
    }
    assert_ne!(node.run(&["token", "--sub", "not a uid"]).code, Some(0));
}

#[tokio::test]
async fn an_operator_is_added_beside_a_running_server() {
    let node = TestNode::start().await;
    let rest = node.rest("boss");
    rest.post("/shops", json!({"shop": "acme", "name": "Acme"})).await.refused(403, "forbidden");
    let done = node.run(&["operator", "add", "boss", "--name", "The Boss", "--password", "correct horse battery"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    rest.post("/shops", json!({"shop": "acme", "name": "Acme"})).await.expect(201);
    let login = json!({"uid": "boss", "password": "correct horse battery"});
    let answer = node.anonymous().post("/login", login).await.expect(200);
    assert_eq!(answer["user"]["name"], "The Boss");
    assert_ne!(node.run(&["operator", "add", "not a uid"]).code, Some(0));
}

#[tokio::test]
async fn migrate_does_just_that_and_again_nothing() {
    let builder = TestNode::builder();
    for _ in 0..2 {
        let done = builder.run(&["migrate"]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let node = builder.start().await;
    node.anonymous().get("//readyz").await.expect(200);
}

#[tokio::test]
async fn a_second_node_on_the_same_database_is_refused_without_redis() {
    let mut node = TestNode::start().await;
    let refused = node.sibling().fails();
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("another server uses"), "{refused:?}");
    node.buyer("b1").await.settle().await;
    // After a kill the next one starts.
    node.restart().await;
    node.buyer("b1").await.settle().await;
}

#[tokio::test]
async fn a_server_waits_for_the_end_of_the_one_before() {
    let node = TestNode::start().await;
    let before = node.pid();
    signal(before, "STOP");
    let killed = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        signal(before, "KILL");
    });
    node.sibling().start().await.buyer("b1").await.settle().await;
    killed.join().unwrap();
}

#[tokio::test]
async fn a_secret_is_made_and_kept_where_none_is_set() {
    let mut node = TestNode::builder().database("sqlite://own/shopbell.db").set("auth.secret", "").start().await;
    let first = node.run(&["token", "--sub", "b1"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let token = first.stdout.trim().to_owned();
    Rest::new(node.base(), Some(&token)).get("/me").await.expect(200);
    node.restart().await;
    Rest::new(node.base(), Some(&token)).get("/me").await.expect(200);
}

#[test]
fn postgresql_needs_a_secret_of_the_operators_own() {
    let url = "postgres://ann:hidden@127.0.0.1:1/chat";
    let failed = TestNode::builder().set("database.url", url).set("auth.secret", "").fails();
    assert_eq!(failed.code, Some(2), "{failed:?}");
    assert!(failed.stderr.contains("auth.secret") && failed.stderr.contains("PostgreSQL"), "{failed:?}");
    assert!(!failed.stderr.contains("hidden"), "{failed:?}");
}

#[test]
fn what_signs_nothing_needs_no_secret() {
    let on = || TestNode::builder().database(&TestPostgres::shared().fresh_database()).set("auth.secret", "");
    for command in [["migrate"].as_slice(), &["operator", "add", "boss"]] {
        let done = on().run(command);
        assert_eq!(done.code, Some(0), "{command:?}: {done:?}");
    }
    for command in [["token", "--sub", "b1"].as_slice(), &["check-config"]] {
        let refused = on().run(command);
        assert_eq!(refused.code, Some(2), "{command:?}: {refused:?}");
    }
}

#[tokio::test]
async fn the_address_is_named_and_the_secret_is_not() {
    let node = TestNode::builder().set("log.level", "debug").start().await;
    let mut b1 = node.buyer("b1").await;
    b1.settle().await;
    let log = node.log();
    assert!(log.contains("listening on http://127.0.0.1:"), "{log}");
    assert!(!log.contains(shopbell_harness::SECRET), "{log}");
    assert!(!log.contains(b1.token.rsplit('.').next().unwrap()), "no token in the log: {log}");
}

#[tokio::test]
async fn a_demo_needs_nothing_and_says_where_to_look() {
    let node = TestNode::builder().flag("--demo").start().await;
    shopbell_harness::eventually("it names its pages", async || {
        let said = node.log();
        said.contains("/demo") && said.contains("/agent")
    })
    .await;
    for page in ["//demo", "//agent", "//admin"] {
        let answer = node.anonymous().get(page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.header("content-type").starts_with("text/html"), "{page}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn making_an_operator_is_in_the_audit_log() {
    let node = TestNode::start().await;
    for _ in 0..2 {
        let made = node.run(&["operator", "add", "op", "--password", "correct horse battery"]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let noted = "FROM audit JOIN users ON users.id = audit.by_user WHERE what = 'operator.added' AND subject = 'op' \
                 AND users.uid = 'op' AND shop_id IS NULL AND address IS NULL";
    assert_eq!(Stored::of(&node).number(&format!("SELECT count(*) {noted}")), 2);
}
