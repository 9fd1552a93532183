//! One running node: the real binary, its own directory, database and port.

use super::person::Person;
use super::postgres::TestPostgres;
use super::process::{Finished, PATIENCE, built, shopbell, signal};
use super::redis::TestRedis;
use super::rest::Rest;
use super::token::{now, sign};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The secret that nodes under test sign and check tokens with.
pub const SECRET: &str = "a secret of the tests, long enough for HS256";

/// What a node is started with, before it is.
pub struct NodeBuilder {
    args: Vec<&'static str>,
    env: BTreeMap<String, String>,
    dir: Arc<TempDir>,
    binary: PathBuf,
}

/// A running node. Dropping it kills the process; its directory goes with the last node that uses it.
pub struct TestNode {
    builder: NodeBuilder,
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
    operator: OnceCell<()>,
}

impl NodeBuilder {
    /// Sets a configuration key: `.set("limits.frame_bytes", 1024)`.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        let name = format!("SHOPBELL__{}", key.to_uppercase().replace('.', "__"));
        self.env.insert(name, value.to_string());
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.into(), value.to_string());
        self
    }

    /// Runs the binary of the profile that the test is built with, whatever `SHOPBELL_BIN` says.
    pub fn debug(mut self) -> Self {
        self.binary = built();
        self
    }

    /// Uses this database: several nodes may use one, of PostgreSQL.
    pub fn database(self, url: &str) -> Self {
        self.set("database.url", url)
    }

    /// Adds a flag to `serve`.
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.args.push(flag);
        self
    }

    /// Offline lists in this Redis, under a prefix of the node's own.
    pub fn redis(self, redis: &TestRedis) -> Self {
        let own = self.dir.path().file_name().expect("a named directory").to_string_lossy();
        let prefix = format!("{}:", own.trim_start_matches('.'));
        self.set("redis.url", redis.url()).set("redis.prefix", prefix)
    }

    /// Starts the node and waits until it listens.
    pub async fn start(self) -> TestNode {
        let (child, base, log) = self.spawn();
        TestNode { builder: self, child, base, log, operator: OnceCell::new() }
    }

    /// Runs another command of the binary in this node's directory and environment, to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        self.command(args).output().expect("the binary runs").into()
    }

    /// Starts `serve` where it must not start: waits for its end.
    pub fn fails(&self) -> Finished {
        let mut child = self.command(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        let end = Instant::now() + 5 * PATIENCE;
        while child.try_wait().expect("a state").is_none() {
            if Instant::now() > end {
                child.kill().expect("killed");
                panic!("serve runs, where it must refuse to");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().expect("its output").into()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(self.dir.path()).env_clear().envs(&self.env);
        command
    }

    fn spawn(&self) -> (Child, String, Arc<Mutex<String>>) {
        self.try_spawn().unwrap_or_else(|log| panic!("the node did not say where it listens:\n{log}"))
    }

    /// The same where it may end before it listens; gives its log then.
    fn try_spawn(&self) -> Result<(Child, String, Arc<Mutex<String>>), String> {
        let log = Arc::new(Mutex::new(String::new()));
        let mut command = self.command(&self.args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let address = watch(child.stdout.take().expect("a pipe"), Arc::clone(&log));
        keep(child.stderr.take().expect("a pipe"), Arc::clone(&log));
        let Ok(base) = address.recv_timeout(2 * PATIENCE) else {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().expect("ended");
            return Err(text(&log));
        };
        Ok((child, base, log))
    }
}

impl TestNode {
    /// A builder with the defaults of a test: a fresh directory and database, a free port, a known secret, and limits
    /// that a fast test does not meet by accident. The database is SQLite's, or with `SHOPBELL_TEST_DATABASE=postgres` one of
    /// [`TestPostgres::shared`].
    pub fn builder() -> NodeBuilder {
        let builder = Self::builder_without_database();
        let database = match on_postgres() {
            true => TestPostgres::shared().fresh_database(),
            false => format!("sqlite://{}", builder.dir.path().join("shopbell.db").display()),
        };
        builder.database(&database)
    }

    /// The same for a node whose database is named by [`NodeBuilder::database`].
    pub fn builder_without_database() -> NodeBuilder {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        NodeBuilder { args: vec!["serve"], env: BTreeMap::new(), dir, binary: shopbell() }
            .set("http.bind", "127.0.0.1:0")
            .set("auth.secret", SECRET)
            .set("limits.requests_per_minute", 10_000)
    }

    /// A node with the defaults of a test.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The builder of a second node on this node's directory and database.
    pub fn sibling(&self) -> NodeBuilder {
        NodeBuilder {
            args: self.builder.args.clone(),
            env: self.builder.env.clone(),
            dir: Arc::clone(&self.builder.dir),
            binary: self.builder.binary.clone(),
        }
    }

    /// `http://127.0.0.1:41234`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where it stores: `sqlite://…` or `postgres://…`.
    pub fn database(&self) -> &str {
        &self.builder.env["SHOPBELL__DATABASE__URL"]
    }

    /// The value of a metric without labels; 0 where it has not been counted.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = String::from_utf8_lossy(&self.anonymous().get("//metrics").await.bytes).into_owned();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Everything the process wrote so far, both outputs.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// The process' id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs another command of the binary beside the running server, in its directory and environment.
    pub fn run(&self, args: &[&str]) -> Finished {
        self.builder.run(args)
    }

    /// Kills the process at once (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().expect("ended");
    }

    /// Starts again on the same directory and database, on another port. People reconnect by `come_back`.
    pub async fn restart(&mut self) {
        self.kill();
        (self.child, self.base, self.log) = self.builder.spawn();
    }

    /// The same with a variable of the environment that is another from now on.
    pub async fn restart_with(&mut self, name: &str, value: &str) {
        self.builder.env.insert(name.into(), value.into());
        self.restart().await;
    }

    /// The same where it may end before it listens: it has ended then.
    pub fn restart_to_die(&mut self, name: &str, value: &str) {
        self.builder.env.insert(name.into(), value.into());
        self.kill();
        if let Ok(running) = self.builder.try_spawn() {
            (self.child, self.base, self.log) = running;
        }
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a state").is_some()
    }

    /// Asks the process to drain (SIGTERM).
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Waits for the end of the process and gives its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let end = tokio::time::Instant::now() + 3 * PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a state") {
                return status.code();
            }
            assert!(tokio::time::Instant::now() < end, "still running:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A token for `uid`, good for an hour.
    pub fn token(&self, uid: &str) -> String {
        sign(SECRET, &json!({"sub": uid, "iat": now(), "exp": now() + 3600}))
    }

    /// REST with nobody's token.
    pub fn anonymous(&self) -> Rest {
        Rest::new(&self.base, None)
    }

    /// REST as `uid`.
    pub fn rest(&self, uid: &str) -> Rest {
        Rest::new(&self.base, Some(&self.token(uid)))
    }

    /// REST as the operator, who is made at first use by the command line, beside the running server.
    pub async fn operator(&self) -> Rest {
        let make = async || {
            let made = self.run(&["operator", "add", "op", "--password", "correct horse battery"]);
            assert_eq!(made.code, Some(0), "{made:?}");
        };
        self.operator.get_or_init(make).await;
        self.rest("op")
    }

    /// Makes a shop; gives its name back.
    pub async fn shop(&self, shop: &str) -> String {
        let body = json!({"shop": shop, "name": shop});
        self.operator().await.post("/shops", body).await.expect(201);
        shop.into()
    }

    /// Lists `uid` as somebody of the shop, in this role, without connecting.
    pub async fn employ(&self, shop: &str, uid: &str, role: &str) {
        let body = json!({"uid": uid, "role": role});
        self.operator().await.post(&format!("/shops/{shop}/agents"), body).await.expect(201);
    }

    /// A connected user of no shop.
    pub async fn buyer(&self, uid: &str) -> Person {
        self.person(uid).await
    }

    /// A connected user, whatever shops list it.
    pub async fn person(&self, uid: &str) -> Person {
        Person::connect(&self.base, uid, &self.token(uid)).await
    }

    /// A connected agent, listed at the shop.
    pub async fn agent(&self, shop: &str, uid: &str) -> Person {
        self.staff(shop, uid, "agent").await
    }

    /// A connected supervisor, listed at the shop.
    pub async fn supervisor(&self, shop: &str, uid: &str) -> Person {
        self.staff(shop, uid, "supervisor").await
    }

    /// A connected admin, listed at the shop.
    pub async fn admin(&self, shop: &str, uid: &str) -> Person {
        self.staff(shop, uid, "admin").await
    }

    async fn staff(&self, shop: &str, uid: &str, role: &str) -> Person {
        self.employ(shop, uid, role).await;
        self.person(uid).await
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the node said:\n{}", self.log());
        }
    }
}

/// True where the run was asked to store in PostgreSQL (`SHOPBELL_TEST_DATABASE=postgres`) whatever does not say otherwise.
pub fn on_postgres() -> bool {
    std::env::var_os("SHOPBELL_TEST_DATABASE").is_some_and(|value| value == "postgres")
}

fn text(log: &Mutex<String>) -> String {
    log.lock().expect("nobody panics while writing").clone()
}

/// Keeps every line in `log` and sends the address once it is named.
fn watch(stdout: ChildStdout, log: Arc<Mutex<String>>) -> mpsc::Receiver<String> {
    let (tell, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(base) = line.split_once("listening on ").map(|(_, base)| base.trim()) {
                // Only the first line counts, and a test that gave up no longer listens.
                tell.send(base.trim_end_matches('/').to_owned()).ok();
            }
            let mut log = log.lock().expect("nobody panics while writing");
            log.push_str(&line);
            log.push('\n');
        }
    });
    address
}

/// Keeps everything that comes out in `log`.
fn keep(output: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("nobody panics while writing");
            log.push_str(&line);
            log.push('\n');
        }
    });
}
