//! A server of one's own for a run: this very executable, on a fresh database in a temporary directory, with limits that a
//! load generator does not meet. It ends with the run, and leaves nothing behind.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufRead, BufReader},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use secrecy::SecretString;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(30);
const UNLIMITED: &str = "1000000";

/// A server that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot start a server: {0}")]
    Io(#[from] io::Error),
    #[error("the server did not say where it listens; it said:\n{0}")]
    Silent(String),
    #[error("`operator add` failed:\n{0}")]
    Operator(String),
}

/// A running server; dropping it ends it.
pub struct Server {
    /// `http://127.0.0.1:41234`.
    pub url: String,
    pub secret: SecretString,
    child: Child,
    /// Removed after the child has ended: fields are dropped after `Drop` has run.
    _dir: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that cannot be removed is under the system's own care.
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    /// Starts one, with `operator` as its operator. Blocks until it listens.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running then.
    pub fn start(operator: &str) -> Result<Self, ServerError> {
        let name = format!("shopbell-bench-{:016x}", rand::random::<u64>());
        let dir = Directory(std::env::temp_dir().join(name));
        DirBuilder::new().mode(0o700).create(&dir.0)?;
        let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let log = dir.0.join("server.log");

        let mut serve = shopbell(&dir.0, &secret)?;
        serve.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = serve.spawn()?;
        let said = child.stdout.take().map(listen);
        let mut server = Self { url: String::new(), secret: secret.clone().into(), child, _dir: dir };
        let url = said.and_then(|said| said.recv_timeout(START).ok());
        server.url = url.ok_or_else(|| ServerError::Silent(fs::read_to_string(&log).unwrap_or_default()))?;

        let added = shopbell(&server._dir.0, &secret)?.args(["operator", "add", operator]).output()?;
        if !added.status.success() {
            return Err(ServerError::Operator(String::from_utf8_lossy(&added.stderr).into_owned()));
        }
        Ok(server)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// This executable, in `dir` and with its database there.
fn shopbell(dir: &Path, secret: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .current_dir(dir)
        .env("SHOPBELL__DATABASE__URL", format!("sqlite://{}", dir.join("bench.db").display()))
        .env("SHOPBELL__HTTP__BIND", "127.0.0.1:0")
        .env("SHOPBELL__AUTH__SECRET", secret)
        .env("SHOPBELL__LIMITS__MESSAGES_PER_SECOND", UNLIMITED)
        .env("SHOPBELL__LIMITS__MESSAGES_BURST", UNLIMITED)
        .env("SHOPBELL__LIMITS__FRAMES_PER_SECOND", UNLIMITED)
        .env("SHOPBELL__LIMITS__REQUESTS_PER_MINUTE", UNLIMITED);
    Ok(command)
}

/// Reads what the server says, for as long as it speaks; the address comes once it is named.
fn listen(stdout: impl io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once("listening on ") {
                // Only the first is waited for.
                tell.send(url.trim().trim_end_matches('/').to_owned()).ok();
            }
        }
    });
    address
}
