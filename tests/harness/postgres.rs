//! A real PostgreSQL of the test's own.

use super::process::{free_port, signal};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The server's own user, who may do everything.
const ADMIN: &str = "postgres";
/// Who owns the databases and logs in, with no rights besides.
const OWNER: &str = "shopbell";
/// A loaded machine syncs slowly.
const PATIENCE: Duration = Duration::from_secs(30);
/// Waits for the end of the test process, whatever ends it, and then leaves nothing of the server behind. Every process of a
/// PostgreSQL server has the data directory as its own.
const GUARD: &str = r#"
read -r _
for cwd in /proc/[0-9]*/cwd; do
  [ "$(readlink "$cwd")" = "$0/data" ] && pid=${cwd%/cwd} && kill -KILL "${pid#/proc/}"
done
rm -rf "$0"
"#;

/// A PostgreSQL server on a free port, with data that survive a crash as they must (`fsync` is on unless set otherwise). Stopped
/// and removed when dropped, and also when the test process dies.
pub struct TestPostgres {
    server: Option<Child>,
    guard: Child,
    /// 0 until it has been started.
    port: u16,
    dir: PathBuf,
    databases: AtomicU64,
}

impl TestPostgres {
    /// A server of one's own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings: `("max_connections", "20")`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let mut postgres = Self::place();
        let data = postgres.data();
        let init = ["-D", path(&data), "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(tool("initdb").args(init));
        // Many nodes of many tests share one server; what a test wants otherwise comes last and wins.
        let common = [("max_connections", "300"), ("wal_keep_size", "256MB"), ("log_min_messages", "warning")];
        let lines = common.iter().chain(settings).map(|(name, value)| format!("{name} = '{value}'\n"));
        let conf = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&conf).expect("initdb has written it");
        text.extend(lines);
        std::fs::write(&conf, text).expect("a file of ours");
        postgres.start_again();
        postgres.ask("postgres", &format!("CREATE ROLE {OWNER} LOGIN"));
        postgres
    }

    /// The one server that all tests of this process share: each takes a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestPostgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A directory that belongs to the server's user, and its guard.
    fn place() -> Self {
        let dir = TempDir::with_prefix("shopbell-pg-").expect("a temporary directory").keep();
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).expect("a directory of ours");
        if let Some((user, group)) = account() {
            chown(&dir, Some(user), Some(group)).expect("a directory of ours");
        }
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, path(&dir)]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.process_group(0).spawn().expect("sh runs");
        Self { server: None, guard, port: 0, dir, databases: AtomicU64::new(0) }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of `database.url` for one of its databases.
    pub fn url(&self, database: &str) -> String {
        Self::url_at(self.port, database)
    }

    /// The same by way of another port of this machine.
    pub fn url_at(port: u16, database: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{port}/{database}")
    }

    /// The URL of several servers, of which one can be written to: a primary and its standbys.
    pub fn url_of_any(servers: &[&Self], database: &str) -> String {
        let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("postgres://{OWNER}@{}/{database}?target_session_attrs=read-write", hosts.join(","))
    }

    /// An empty database; gives its name.
    pub fn fresh(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name} OWNER {OWNER}"));
        name
    }

    /// An empty database; gives its URL.
    pub fn fresh_database(&self) -> String {
        self.url(&self.fresh())
    }

    /// Runs SQL as the administrator, and gives what it answers: columns divided by `|`, one row a line.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let answer = self.psql(database, sql);
        answer.unwrap_or_else(|error| panic!("{sql}: {error}\n--- PostgreSQL said:\n{}", self.log()))
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let to = ["-h", "127.0.0.1", "-p", &port, "-U", ADMIN, "-d", database];
        let mut command = tool("psql");
        command.args(to).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = command.output().expect("psql runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Ends it in good order (SIGINT: connections are ended, everything is written).
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// Kills all of its processes at once (SIGKILL), as the loss of its machine would.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    fn end(&mut self, how: &str) {
        let Some(mut server) = self.server.take() else { return };
        signal(server.id(), how);
        if how == "KILL" {
            self.signal_all(how);
        }
        server.wait().expect("PostgreSQL ends");
    }

    /// Starts it on its data, after `stop` or `kill`, on the same port; waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        if self.port == 0 {
            // Not earlier: who makes its data for a second would find the port taken by another of these tests.
            self.port = free_port();
        }
        let log =
            std::fs::File::options().create(true).append(true).open(self.dir.join("log")).expect("a file of ours");
        let port = self.port.to_string();
        let only_tcp = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
        let mut server = tool("postgres");
        server.args(["-D", path(&self.data()), "-p", &port]).args(only_tcp).process_group(0);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.server = Some(server.spawn().expect("PostgreSQL is installed"));
        self.await_that("it answers", |own| own.psql("postgres", "SELECT 1").is_ok());
    }

    /// Stops every process of it as it stands (SIGSTOP): connections stay open and nothing is answered.
    pub fn freeze(&self) {
        let server = self.server.as_ref().expect("it runs");
        // The first one starts the others: once it stands still, there are no new ones.
        signal(server.id(), "STOP");
        self.signal_all("STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// A synchronous standby of this server: from now on a commit waits until it is on the standby's disk, too.
    pub fn standby(&self) -> Self {
        let mut standby = Self::place();
        let (port, data) = (self.port.to_string(), standby.data());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", ADMIN, "-D", path(&data)];
        run(tool("pg_basebackup").args(from).args(["-R", "-X", "stream", "-c", "fast", "--no-sync"]));
        standby.start_again();
        self.ask("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.ask("postgres", "SELECT pg_reload_conf()");
        self.await_that("the standby is synchronous", |own| {
            own.ask("postgres", "SELECT sync_state FROM pg_stat_replication") == "sync"
        });
        standby
    }

    /// Makes a standby the primary; it takes writes afterwards.
    pub fn promote(&self) {
        assert_eq!(self.ask("postgres", "SELECT pg_promote()"), "t", "{}", self.log());
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn await_that(&self, what: &str, check: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !check(self) {
            assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}\n--- PostgreSQL said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All of its processes, by id: each has the data directory as its own.
    pub fn processes(&self) -> Vec<u32> {
        let data = self.data();
        let processes = std::fs::read_dir("/proc").expect("proc(5)").filter_map(Result::ok);
        let own =
            processes.filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data));
        own.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
    }

    fn signal_all(&self, name: &str) {
        for pid in self.processes() {
            // One of the others may have just ended.
            Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status().ok();
        }
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- PostgreSQL said:\n{}", self.log());
        }
        self.kill();
        drop(self.guard.stdin.take());
        self.guard.wait().expect("the guard ends");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

/// One of PostgreSQL's programs, run by somebody it runs for.
fn tool(name: &str) -> Command {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BIN.get_or_init(programs).join(name));
    // Where everybody may be.
    command.current_dir("/");
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// Where the programs are: Debian keeps them off the PATH, the newest version wins.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    let on_path = || {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).find(|dir| dir.join("initdb").exists())
    };
    versions.pop().map(|(_, bin)| bin).or_else(on_path).expect("PostgreSQL is installed")
}

/// The user and group to run as where this is root, for whom PostgreSQL refuses to run.
fn account() -> Option<(u32, u32)> {
    static ACCOUNT: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *ACCOUNT.get_or_init(|| {
        let id = |args: &[&str]| -> u32 {
            let output = Command::new("id").args(args).output().expect("id runs");
            String::from_utf8_lossy(&output.stdout).trim().parse().expect("there is a user postgres")
        };
        (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
    })
}

fn run(command: &mut Command) {
    let output = command.output().expect("PostgreSQL is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
