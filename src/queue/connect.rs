//! Redis in all its forms: one server, behind Sentinels, a cluster.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Client, Connection as Socket, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use super::{batch::Batch, cluster::Cluster};

/// Redis answers within this time, or it is given up for now.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// One of several Sentinels, or of the nodes that a cluster is found by, answers within this time, or the next is asked.
const ASKING: Duration = Duration::from_millis(250);

/// What a URL may look like, for the one who wrote another.
pub const FORMS: &str = "empty, redis://[USER:PASSWORD@]HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB or \
                         redis+cluster://HOST:PORT,HOST:PORT, each with rediss instead of redis for TLS";

/// Where Redis is, and how to get in. Clones know together where a master has moved to.
#[derive(Clone)]
pub struct Redis(Arc<Place>);

struct Place {
    form: Form,
    /// The server, or some that know where it is; not empty.
    doors: Vec<ConnectionInfo>,
    /// The door that answered last.
    door: AtomicUsize,
    /// How to get into servers that are found: one of `doors` with the right password and database.
    pattern: ConnectionInfo,
    /// The master that Sentinels named last.
    master: Mutex<Option<(String, u16)>>,
    /// How often that has changed.
    moves: AtomicU64,
}

enum Form {
    Server,
    Sentinel { master: String },
    Cluster,
}

/// What is wrong with the configuration of Redis. No password is in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The URL, without what stands before its `@` and after its `?`.
    #[error("{0:?} is no URL of Redis")]
    Url(String),
    #[error("{} is no file of certificates", .0.display())]
    CaFile(PathBuf),
}

/// Says nothing of how to get in.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.form {
            Form::Server => "Redis",
            Form::Sentinel { .. } => "Redis behind Sentinels",
            Form::Cluster => "Redis, a cluster",
        })
    }
}

impl Redis {
    /// Reads a URL; the certificates in `ca_file` are trusted instead of the system's. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Redis, Wrong> {
        // Only the first call has an effect, and whoever else has made one chose the same.
        _ = rustls::crypto::ring::default_provider().install_default();
        let mut place = read(url).ok_or_else(|| Wrong::Url(without_secrets(url)))?;
        if let Some(path) = ca_file {
            let wrong = || Wrong::CaFile(path.to_owned());
            let pem = std::fs::read(path).map_err(|_| wrong())?;
            if !pem.windows(11).any(|window| window == b"-----BEGIN ") {
                return Err(wrong());
            }
            for info in place.doors.iter_mut().chain([&mut place.pattern]) {
                if let ConnectionAddr::TcpTls { .. } = info.addr() {
                    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                    let client = Client::build_with_tls(info.clone(), certificates).map_err(|_| wrong())?;
                    *info = client.get_connection_info().clone();
                }
            }
        }
        Ok(Redis(Arc::new(place)))
    }

    /// Connects, within about a second.
    ///
    /// # Errors
    /// Why that was not possible this time.
    pub fn connect(&self) -> Result<Connection, RedisError> {
        let deadline = Instant::now() + 2 * PATIENCE;
        let kind = match &self.0.form {
            Form::Server => Kind::One(open(self.0.doors[0].clone(), PATIENCE)?),
            Form::Sentinel { master } => {
                let (host, port) = self.ask(deadline, |sentinel, _| master_of(sentinel, master))?;
                self.remember((host.clone(), port));
                let mut socket = open(self.at(&host, port), PATIENCE)?;
                if role(&mut socket)? != "master" {
                    return Err(io("the Sentinels named a server that is no master"));
                }
                Kind::One(socket)
            }
            Form::Cluster => Kind::Cluster(Cluster::find(self, deadline)?),
        };
        Ok(Connection { kind, moves: self.0.moves.load(Ordering::Acquire), redis: self.clone() })
    }

    /// Asks the Sentinels whether the master is still the same, so that nobody stays with one that has been cut off from them. Elsewhere
    /// there is nothing to ask.
    pub fn look_for_master(&self) {
        if let Form::Sentinel { master } = &self.0.form
            && let Ok(found) = self.ask(Instant::now() + PATIENCE, |sentinel, _| master_of(sentinel, master))
        {
            self.remember(found);
        }
    }

    fn remember(&self, found: (String, u16)) {
        let mut master = self.0.master.lock().unwrap_or_else(PoisonError::into_inner);
        if master.as_ref().is_some_and(|known| *known != found) {
            self.0.moves.fetch_add(1, Ordering::AcqRel);
        }
        *master = Some(found);
    }

    /// Asks one door after the other, beginning with the one that answered last; the question is told its host.
    pub(super) fn ask<T>(
        &self,
        deadline: Instant,
        question: impl Fn(&mut Socket, &str) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let (doors, first) = (&self.0.doors, self.0.door.load(Ordering::Relaxed));
        let mut failed = io("nobody to ask");
        for door in (0..doors.len()).map(|n| (first + n) % doors.len()) {
            let left = deadline.saturating_duration_since(Instant::now()).min(ASKING);
            if left.is_zero() {
                // Whoever comes next begins where this one has stopped.
                self.0.door.store(door, Ordering::Relaxed);
                break;
            }
            let host = match doors[door].addr() {
                ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
                _ => "",
            };
            match open(doors[door].clone(), left).and_then(|mut socket| question(&mut socket, host)) {
                Ok(answer) => {
                    self.0.door.store(door, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// How to get into a server that has been found.
    pub(super) fn at(&self, host: &str, port: u16) -> ConnectionInfo {
        let addr = match self.0.pattern.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        self.0.pattern.clone().set_addr(addr)
    }
}

/// Opens a connection on which every answer has to come within `patience`.
pub(super) fn open(info: ConnectionInfo, patience: Duration) -> Result<Socket, RedisError> {
    // The names of this library are of no use to anybody, and would be waited for one by one.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let socket = Client::open(info.set_redis_settings(settings))?.get_connection_with_timeout(patience)?;
    wait_at_most(&socket, patience)?;
    Ok(socket)
}

pub(super) fn wait_at_most(socket: &Socket, patience: Duration) -> Result<(), RedisError> {
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))
}

pub(super) fn io(what: &'static str) -> RedisError {
    (ErrorKind::Io, what).into()
}

fn master_of(sentinel: &mut Socket, name: &str) -> Result<(String, u16), RedisError> {
    let found: Option<(String, u16)> =
        redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).query(sentinel)?;
    found.ok_or_else(|| io("a Sentinel does not know that master"))
}

fn role(socket: &mut Socket) -> Result<String, RedisError> {
    let role: Value = redis::cmd("ROLE").query(socket)?;
    match role {
        Value::Array(parts) => {
            parts.into_iter().next().map_or(Ok(String::new()), |name| Ok(redis::from_redis_value(name)?))
        }
        _ => Ok(String::new()),
    }
}

/// What a server says of itself.
fn info(socket: &mut Socket, section: &str, field: &str) -> Result<String, RedisError> {
    let info: String = redis::cmd("INFO").arg(section).query(socket)?;
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.unwrap_or_default().trim().to_owned())
}

/// A connection to Redis in any form. After an error it is of no more use: an answer that comes late would be taken for another's.
pub struct Connection {
    kind: Kind,
    moves: u64,
    redis: Redis,
}

enum Kind {
    One(Socket),
    Cluster(Cluster),
}

impl Connection {
    /// Runs the commands, those of one key in their order, and gives their answers; waits no longer than `patience`.
    ///
    /// # Errors
    /// The first that occurred. All, some or none of the commands may have been carried out.
    pub fn run(&mut self, batch: &Batch, patience: Duration) -> Result<Vec<Value>, RedisError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        if self.moves != self.redis.0.moves.load(Ordering::Acquire) {
            return Err(io("the master has moved"));
        }
        match &mut self.kind {
            Kind::One(socket) => {
                wait_at_most(socket, patience)?;
                socket.send_packed_command(&batch.packed(0..batch.len()))?;
                // What is there is read to the end, so that the first error is one of all.
                let answers: Vec<Value> = (0..batch.len()).map(|_| socket.recv_response()).collect::<Result<_, _>>()?;
                answers.into_iter().map(Value::extract_error).collect()
            }
            Kind::Cluster(cluster) => cluster.run(batch, patience),
        }
    }

    /// Runs a single command.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn one<T: FromRedisValue>(&mut self, batch: &Batch) -> Result<T, RedisError> {
        let answer = self.run(batch, PATIENCE)?.pop().unwrap_or(Value::Nil);
        Ok(redis::from_redis_value(answer)?)
    }

    /// Makes a script known to all masters.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn load(&mut self, script: &redis::Script) -> Result<(), RedisError> {
        self.on_each_master(|socket| script.prepare_invoke().load(socket).map(drop))?;
        Ok(())
    }

    /// Which runs of which servers these are: something else after a restart and after a failover, when what was written last may be
    /// lost.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn identity(&mut self) -> Result<String, RedisError> {
        let mut runs = self.on_each_master(|socket| info(socket, "server", "run_id"))?;
        runs.sort();
        Ok(runs.join(","))
    }

    /// Whether Redis makes room by throwing away what it holds.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn evicts(&mut self) -> Result<bool, RedisError> {
        let bounds = self.on_each_master(|socket| {
            let bounded = info(socket, "memory", "maxmemory")? != "0";
            Ok(bounded && info(socket, "memory", "maxmemory_policy")? != "noeviction")
        })?;
        Ok(bounds.contains(&true))
    }

    fn on_each_master<T>(
        &mut self,
        question: impl FnMut(&mut Socket) -> Result<T, RedisError>,
    ) -> Result<Vec<T>, RedisError> {
        match &mut self.kind {
            Kind::One(socket) => {
                wait_at_most(socket, PATIENCE)?;
                [socket].into_iter().map(question).collect()
            }
            Kind::Cluster(cluster) => cluster.on_each_master(question),
        }
    }
}

fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let shown = place.split_once('?').map_or(place, |(place, _)| place);
    let (who, what) = (if place == rest { "" } else { "…@" }, if shown == place { "" } else { "?…" });
    format!("{scheme}://{who}{shown}{what}")
}

/// Reads `SCHEME://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/…][?sentinel_username=…&sentinel_password=…]`.
fn read(url: &str) -> Option<Place> {
    let (scheme, rest) = url.split_once("://")?;
    let (single, form) = scheme.split_once('+').unwrap_or((scheme, ""));
    if form.is_empty() || single == "redis" && form == "unix" {
        let door = url.into_connection_info().ok()?;
        if url.contains('#') {
            return None;
        }
        return Some(place(Form::Server, vec![door.clone()], door));
    }
    if !["redis", "rediss"].contains(&single) {
        return None;
    }
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (who, rest) = rest.rsplit_once('@').map_or(("", rest), |(who, rest)| (who, rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let info = |who: &str, host: &str, port: u16| {
        let at = if who.is_empty() { "" } else { "@" };
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let port = if has_port { String::new() } else { format!(":{port}") };
        format!("{single}://{who}{at}{host}{port}").into_connection_info().ok()
    };
    let infos = |who: &str, port: u16| hosts.split(',').map(|host| info(who, host, port)).collect::<Option<Vec<_>>>();
    match form {
        "cluster" if path.is_empty() && query.is_none() => {
            let doors = infos(who, 6379)?;
            let pattern = doors.first()?.clone();
            Some(place(Form::Cluster, doors, pattern))
        }
        "sentinel" => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return None;
            }
            let mut at_sentinels = ["", ""];
            for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
                match name {
                    "sentinel_username" => at_sentinels[0] = value,
                    "sentinel_password" => at_sentinels[1] = value,
                    _ => return None,
                }
            }
            let who_there = if at_sentinels == ["", ""] { String::new() } else { at_sentinels.join(":") };
            let doors = infos(&who_there, 26379)?;
            let pattern = info(who, hosts.split(',').next()?, 6379)?;
            let settings: RedisConnectionInfo = pattern.redis_settings().clone();
            let db = if db.is_empty() { 0 } else { db.parse().ok()? };
            let pattern = pattern.set_redis_settings(settings.set_db(db));
            Some(place(Form::Sentinel { master: master.to_owned() }, doors, pattern))
        }
        _ => None,
    }
}

fn place(form: Form, doors: Vec<ConnectionInfo>, pattern: ConnectionInfo) -> Place {
    Place { form, doors, door: AtomicUsize::new(0), pattern, master: Mutex::new(None), moves: AtomicU64::new(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(redis: &Redis) -> Vec<String> {
        redis.0.doors.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn all_forms_are_read() {
        let one = Redis::parse("redis://ann:se%40cret@h:1/2", None).unwrap();
        let settings = one.0.pattern.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("ann"), Some("se@cret"), 2));
        let behind =
            Redis::parse("rediss+sentinel://:pw@a,b:2,[::1]:3/mymaster/4?sentinel_password=other", None).unwrap();
        assert_eq!(doors(&behind), ["a:26379", "b:2", "::1:3"]);
        assert!(matches!(&behind.0.form, Form::Sentinel { master } if master == "mymaster"));
        assert_eq!(behind.0.doors[1].redis_settings().password(), Some("other"));
        let found = behind.at("found", 7);
        assert_eq!(found.addr().to_string(), "found:7");
        assert!(matches!(found.addr(), ConnectionAddr::TcpTls { .. }));
        assert_eq!((found.redis_settings().password(), found.redis_settings().db()), (Some("pw"), 4));
        let cluster = Redis::parse("redis+cluster://u:p@a:1,b", None).unwrap();
        assert_eq!(doors(&cluster), ["a:1", "b:6379"]);
        assert_eq!(cluster.at("c", 5).redis_settings().password(), Some("p"));
    }

    #[test]
    fn what_is_wrong_is_named_without_its_password() {
        for url in [
            "http://u:secret@h",
            "rediss+sentinel://u:secret@h",
            "redis+cluster://u:secret@h/3",
            "redis+sentinel://h/name?sentinel_pasword=secret",
            "redis://u:secret@h/x",
            "rediss://u:secret@h/#insecure",
            "redis+raft://u:secret@h",
        ] {
            let wrong = Redis::parse(url, None).unwrap_err();
            assert!(matches!(wrong, Wrong::Url(_)));
            assert!(!format!("{wrong} {wrong:?}").contains("secret"), "{wrong}");
        }
        assert_eq!(Redis::parse("http://x", None).unwrap_err(), Wrong::Url("http://x".into()));
        assert!(!format!("{:?}", Redis::parse("redis://u:secret@h", None).unwrap()).contains("secret"));
        let missing = Path::new("/nowhere.pem");
        assert_eq!(Redis::parse("rediss://h", Some(missing)).unwrap_err(), Wrong::CaFile(missing.into()));
    }
}
