//! A server of one's own for a run: this very executable, in a temporary directory with a fresh database (or on one that is named), with limits that a
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
    child: Process,
    /// Removed after the child has ended: fields are dropped in their order.
    _dir: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that cannot be removed is under the system's own care.
        fs::remove_dir_all(&self.0).ok();
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Server {
    /// Starts one, with `operator` as its operator, on `database` (where it is named, else one of its own) and `redis`. Blocks
    /// until it listens.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running then.
    pub fn start(operator: &str, database: Option<&str>, redis: Option<&str>) -> Result<Self, ServerError> {
        let name = format!("shopbell-bench-{:016x}", rand::random::<u64>());
        let dir = Directory(std::env::temp_dir().join(name));
        DirBuilder::new().mode(0o700).create(&dir.0)?;
        let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let log = dir.0.join("server.log");

        let database = database.map_or_else(|| format!("sqlite://{}", dir.0.join("bench.db").display()), str::to_owned);
        let shopbell = || shopbell(&dir.0, &secret, &database, redis.unwrap_or_default());
        let mut serve = shopbell()?;
        serve.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = Process(serve.spawn()?);
        let said = child.0.stdout.take().map(listen);
        let url = said.and_then(|said| said.recv_timeout(START).ok());
        let url = url.ok_or_else(|| ServerError::Silent(fs::read_to_string(&log).unwrap_or_default()))?;

        let added = shopbell()?.args(["operator", "add", operator]).output()?;
        if !added.status.success() {
            return Err(ServerError::Operator(String::from_utf8_lossy(&added.stderr).into_owned()));
        }
        Ok(Self { url, secret: secret.into(), child, _dir: dir })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// This executable, in `dir`.
fn shopbell(dir: &Path, secret: &str, database: &str, redis: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .current_dir(dir)
        .env("SHOPBELL__DATABASE__URL", database)
        .env("SHOPBELL__REDIS__URL", redis)
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
