//! Processes: the binary under test, signals, and waiting with a bound.

use serde_json::Value;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// How long anything is waited for before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `check` again and again until it is true; panics with `what` when it is not within [`PATIENCE`].
pub async fn eventually(what: &str, check: impl AsyncFnMut() -> bool) {
    eventually_within(PATIENCE, what, check).await;
}

/// The same with another bound.
pub async fn eventually_within(bound: Duration, what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + bound;
    while !check().await {
        assert!(tokio::time::Instant::now() < end, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What says at once that it is unavailable does not stand still: it has another cause than a disk that does.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often the same is asked, the first time included.
pub(crate) const TRIES: usize = 4;

/// When the same is to be asked again, as the contract wants it of every client: none where the answer is another than `unavailable`
/// (`body` is a problem or an `error`), and none where it came at once, which no slow disk excuses.
pub(crate) fn again(body: &Value, took: Duration) -> Option<Duration> {
    let retry_after_ms =
        body["retry_after_ms"].as_u64().filter(|_| body["code"] == "unavailable" && took >= AT_ONCE)?;
    Some(Duration::from_millis(retry_after_ms))
}

/// What a finished command left: exit code and both outputs as text.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Sends a signal (`TERM`, `KILL`, `STOP`, `CONT`) to a process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", "kill -$1 $2", "sh", name, &pid.to_string()]).status();
    assert!(sent.expect("sh runs").success(), "signal {name} to {pid}");
}

/// A port of 127.0.0.1 on which nobody listens.
pub fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

/// The binary under test: `SHOPBELL_BIN`, or where cargo puts it, one directory above the test that runs.
pub fn shopbell() -> PathBuf {
    if let Some(binary) = std::env::var_os("SHOPBELL_BIN") {
        return binary.into();
    }
    built()
}

/// Where cargo puts the binary of the profile that the test is built with.
pub fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a path of this test");
    let built = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps/<test>");
    built.join(format!("shopbell{}", std::env::consts::EXE_SUFFIX))
}
