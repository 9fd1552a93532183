//! A real redis-server of the test's own.

use super::process::{PATIENCE, free_port, signal};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A redis-server on a free port, killed and forgotten when dropped.
pub struct TestRedis {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl TestRedis {
    /// Starts redis-server and waits until it answers.
    pub fn start() -> Self {
        let port = free_port();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let child = spawn(port, &dir);
        let redis = Self { child, port, dir };
        redis.wait();
        redis
    }

    /// The value for `redis.url`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the process as it stands (SIGSTOP): connections stay open and nothing is answered.
    pub fn freeze(&self) {
        signal(self.child.id(), "STOP");
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        signal(self.child.id(), "CONT");
    }

    /// Kills the process and starts an empty one on the same port.
    pub fn lose_everything(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Starts an empty one after `kill`, on the same port.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self.dir);
        self.wait();
    }

    /// Kills the process; nothing listens afterwards.
    pub fn kill(&mut self) {
        // It may have been killed before: then there is nothing left to do.
        self.child.kill().ok();
        self.child.wait().expect("redis-server ends");
    }

    /// Runs one command of words without spaces and returns the raw answer (RESP, redis.io/docs/reference/protocol-spec).
    pub fn ask(&self, command: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("redis-server accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("redis-server reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("redis-server answers");
        answer
    }

    fn wait(&self) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, dir: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}
