//! The configuration: `config/default.toml`, a file over it, the environment over that, flags over all.
//!
//! Every key is read here once, by a reader that says what it allows; a key that nobody reads is unknown.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config as Source, Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;

use crate::{
    actors::prepared,
    queue::connect::{self, Redis},
    store::{self, location::Location, postgres},
};

/// The documented defaults, compiled in.
const DEFAULTS: &str = include_str!("../../config/default.toml");
/// Where the database is when nothing is configured.
pub const DEFAULT_DATABASE: &str = "sqlite://data/shopbell.db";
/// Read where no file is named.
const FILE: &str = "shopbell.toml";

#[derive(Clone, Debug)]
pub struct Config {
    pub bind: String,
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<String>,
    pub workers: usize,
    pub max_connections: usize,
    pub database_url: String,
    pub readers: u32,
    pub searchers: u32,
    pub lanes: usize,
    pub redis: Option<Redis>,
    pub allow_weak_durability: bool,
    pub redis_prefix: String,
    pub secret: Option<SecretString>,
    pub trust_shop_claims: bool,
    pub shop_passwords: bool,
    pub login_ttl: Duration,
    pub frame_bytes: usize,
    pub messages_per_second: u32,
    pub messages_burst: u32,
    pub frames_per_second: u32,
    pub file_bytes: usize,
    pub requests_per_minute: u32,
    pub login_timeout: Duration,
    pub body_timeout: Duration,
    pub upload_timeout: Duration,
    pub answer_timeout: Duration,
    pub download_stall: Duration,
    pub heartbeat_interval: Duration,
    pub heartbeat_timeout: Duration,
    pub recall_window: Duration,
    pub claim_grace: Duration,
    pub bot_answer_within: Duration,
    pub dispatcher_idle: Duration,
    pub presence_delay: Duration,
    pub offline_max_messages: usize,
    pub offline_ttl: Duration,
    pub files_dir: Option<PathBuf>,
    pub retention_every: Duration,
    pub allow_private: bool,
    pub events: bool,
    pub events_retention: Duration,
    pub webhook_retry_unit: Duration,
    pub webhook_give_up_after: Duration,
    pub webhook_dead_retention: Duration,
    pub prepare: prepared::Times,
    pub node: String,
    pub stream_events: usize,
    pub log_level: String,
    pub log_json: bool,
}

/// What is wrong with the configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    Value { key: String, value: String, allowed: &'static str },
    Key { key: String, value: String, known: Vec<String> },
    Source(String),
}

impl std::error::Error for Wrong {}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Value { key, value, allowed } => {
                write!(f, "configuration: {key} = {:?} is not allowed; allowed is {allowed}", public(key, value))
            }
            Wrong::Key { key, value, known } => write!(
                f,
                "configuration: there is no key {key} (its value here is {:?}); allowed are {}",
                public(key, value),
                known.join(", ")
            ),
            Wrong::Source(cause) => write!(f, "configuration: {cause}"),
        }
    }
}

/// A value as it may be shown: URLs without user and password, and no secrets.
fn public(key: &str, value: &str) -> String {
    match value {
        "" => String::new(),
        _ if key.starts_with("auth.s") => "…".to_owned(),
        url if url.contains('@') => postgres::shown(url),
        plain => plain.to_owned(),
    }
}

/// What has been given, by key, each value as text. Reading a key takes it out.
struct Given(BTreeMap<String, String>);

impl Given {
    fn gather(file: Option<&str>, flags: &[(String, String)]) -> Result<Given, Wrong> {
        let wrong = |error: config::ConfigError| Wrong::Source(error.to_string());
        let file = match file {
            Some(path) => File::new(path, FileFormat::Toml),
            None => File::new(FILE, FileFormat::Toml).required(false),
        };
        let environment = Environment::with_prefix("SHOPBELL").prefix_separator("__").separator("__");
        let mut source = Source::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(file)
            .add_source(environment);
        for (key, value) in flags {
            source = source.set_override(key, value.as_str()).map_err(wrong)?;
        }
        let root = source.build().and_then(|built| built.cache.into_table()).map_err(wrong)?;
        let mut flat = BTreeMap::new();
        root.into_iter().for_each(|(key, value)| flatten(key, value, &mut flat));
        Ok(Given(flat))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Wrong> {
        let value = self.0.remove(key).unwrap_or_default();
        parse(value.trim()).ok_or(Wrong::Value { key: key.to_owned(), value, allowed })
    }

    fn text(&mut self, key: &'static str) -> Result<String, Wrong> {
        self.read(key, "text", |s| Some(s.to_owned()))
    }

    /// Text, or nothing where it is empty.
    fn maybe(&mut self, key: &'static str) -> Result<Option<String>, Wrong> {
        Ok(Some(self.text(key)?).filter(|s| !s.is_empty()))
    }

    /// A wrong URL is named without its password.
    fn redis(&mut self) -> Result<Option<Redis>, Wrong> {
        let (url, ca_file) = (self.maybe("redis.url")?, self.maybe("redis.ca_file")?);
        let parse = |url: String| Redis::parse(&url, ca_file.as_deref().map(Path::new));
        url.map(parse).transpose().map_err(|wrong| match wrong {
            connect::Wrong::Url(value) => Wrong::Value { key: "redis.url".to_owned(), value, allowed: connect::FORMS },
            connect::Wrong::CaFile(path) => Wrong::Value {
                key: "redis.ca_file".to_owned(),
                value: path.display().to_string(),
                allowed: "empty, or a file of certificates (PEM)",
            },
        })
    }

    fn list(
        &mut self,
        key: &'static str,
        allowed: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Wrong> {
        self.read(key, allowed, |s| {
            let parts: Vec<_> =
                s.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
            parts.iter().all(|part| fits(part)).then_some(parts)
        })
    }

    fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        allowed: &'static str,
        min: u64,
        max: u64,
    ) -> Result<T, Wrong> {
        self.read(key, allowed, |s| {
            let n: u64 = s.parse().ok()?;
            if (min..=max).contains(&n) { T::try_from(n).ok() } else { None }
        })
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, Wrong> {
        self.read(key, "true or false", |s| s.parse().ok())
    }

    fn duration(&mut self, key: &'static str) -> Result<Duration, Wrong> {
        self.read(key, "a duration of at least 1ms, such as 500ms, 30s, 2m, 12h or 30d", duration)
    }
}

fn flatten(key: String, value: Value, flat: &mut BTreeMap<String, String>) {
    match value.kind {
        ValueKind::Table(table) => {
            table.into_iter().for_each(|(name, value)| flatten(format!("{key}.{name}"), value, flat));
        }
        ValueKind::Array(items) => {
            let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
            flat.insert(key, items.join(","));
        }
        ValueKind::Nil => {
            flat.insert(key, String::new());
        }
        kind => {
            flat.insert(key, kind.to_string());
        }
    }
}

/// `500ms`, `30s`, `2m`, `12h`, `30d`; from one millisecond to ten years.
pub fn duration(s: &str) -> Option<Duration> {
    let digits = s.find(|c: char| !c.is_ascii_digit())?;
    let (n, unit) = s.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = n.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    (1..=315_360_000_000).contains(&ms).then(|| Duration::from_millis(ms))
}

fn is_origin(s: &str) -> bool {
    let host = s.strip_prefix("https://").or_else(|| s.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
}

fn is_network(s: &str) -> bool {
    let (address, bits) = s.split_once('/').map_or((s, None), |(address, bits)| (address, Some(bits)));
    let widest = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= widest))
}

/// `info`, or `warn,shopbell=debug`.
fn is_log_filter(s: &str) -> bool {
    let level = |part: &str| part.rsplit_once('=').map_or(part, |(_, level)| level).parse::<tracing::Level>().is_ok();
    s.split(',').all(level) && tracing_subscriber::EnvFilter::try_new(s).is_ok()
}

impl Config {
    /// Reads the configuration: `file` where one is named, and `flags` as `(key, value)`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(file: Option<&str>, flags: &[(String, String)]) -> Result<Config, Wrong> {
        let known: Vec<String> = Given::defaults()?;
        let mut given = Given::gather(file, flags)?;
        if let Some((key, value)) = given.0.iter().find(|(key, _)| !known.contains(key)) {
            return Err(Wrong::Key { key: key.clone(), value: value.clone(), known });
        }
        Config::read(&mut given)
    }

    fn read(given: &mut Given) -> Result<Config, Wrong> {
        let address = "an address with a port, such as 127.0.0.1:7800 or 0.0.0.0:7800";
        let config = Config {
            bind: given.read("http.bind", address, |s| s.parse::<SocketAddr>().ok().map(|a| a.to_string()))?,
            allowed_origins: given.list(
                "http.allowed_origins",
                "a list of origins such as https://shop.example",
                is_origin,
            )?,
            trusted_proxies: given.list(
                "http.trusted_proxies",
                "a list of addresses and networks such as 10.0.0.5 or 10.0.0.0/8",
                is_network,
            )?,
            workers: given.number("http.workers", "0 to 1024", 0, 1_024)?,
            max_connections: given.number("http.max_connections", "1 to 10000000", 1, 10_000_000)?,
            database_url: given.read(
                "database.url",
                "sqlite://PATH, or postgres://USER:PASSWORD@HOST/DATABASE",
                |s| Location::parse(s).is_ok().then(|| s.to_owned()),
            )?,
            readers: given.number("database.readers", "1 to 1000", 1, 1_000)?,
            searchers: given.number("database.searchers", "1 to 100", 1, 100)?,
            lanes: given.number("journal.lanes", "1 to 64", 1, 64)?,
            redis: given.redis()?,
            allow_weak_durability: given.flag("database.allow_weak_durability")?,
            redis_prefix: given.read("redis.prefix", "text without spaces or braces", |s| {
                (!s.contains(['{', '}', ' '])).then(|| s.to_owned())
            })?,
            secret: given.maybe("auth.secret")?.map(SecretString::from),
            trust_shop_claims: given.flag("auth.trust_shop_claims")?,
            shop_passwords: given.flag("auth.shop_passwords")?,
            login_ttl: given.duration("auth.login_ttl")?,
            frame_bytes: given.number("limits.frame_bytes", "1024 to 16777216", 1_024, 16 << 20)?,
            messages_per_second: given.number("limits.messages_per_second", "1 to 1000000", 1, 1_000_000)?,
            messages_burst: given.number("limits.messages_burst", "1 to 1000000", 1, 1_000_000)?,
            frames_per_second: given.number("limits.frames_per_second", "1 to 1000000", 1, 1_000_000)?,
            file_bytes: given.number("limits.file_bytes", "1 to 1073741824", 1, 1 << 30)?,
            requests_per_minute: given.number("limits.requests_per_minute", "1 to 100000000", 1, 100_000_000)?,
            login_timeout: given.duration("limits.login_timeout")?,
            body_timeout: given.duration("limits.body_timeout")?,
            upload_timeout: given.duration("limits.upload_timeout")?,
            answer_timeout: given.duration("limits.answer_timeout")?,
            download_stall: given.duration("limits.download_stall")?,
            heartbeat_interval: Duration::from_millis(given.number(
                "heartbeat.interval_ms",
                "10 to 3600000",
                10,
                3_600_000,
            )?),
            heartbeat_timeout: Duration::from_millis(given.number(
                "heartbeat.timeout_ms",
                "20 to 7200000",
                20,
                7_200_000,
            )?),
            recall_window: given.duration("chat.recall_window")?,
            claim_grace: given.duration("chat.claim_grace")?,
            bot_answer_within: given.duration("bots.answer_within")?,
            dispatcher_idle: given.duration("chat.dispatcher_idle")?,
            presence_delay: given.duration("presence.delay")?,
            offline_max_messages: given.number("offline.max_messages", "1 to 1000000", 1, 1_000_000)?,
            offline_ttl: given.duration("offline.ttl")?,
            files_dir: given.maybe("files.url")?.map(PathBuf::from),
            retention_every: given.duration("retention.every")?,
            allow_private: given.flag("webhooks.allow_private")?,
            events: given.flag("events.enabled")?,
            events_retention: given.duration("events.retention")?,
            webhook_retry_unit: given.duration("webhooks.retry_unit")?,
            webhook_give_up_after: given.duration("webhooks.give_up_after")?,
            webhook_dead_retention: given.duration("webhooks.dead_retention")?,
            prepare: prepared::Times {
                timeout: given.duration("prepare.timeout")?,
                pause: given.duration("prepare.pause")?,
            },
            node: given.text("cluster.node")?,
            stream_events: given.number("cluster.stream_events", "100 to 10000000", 100, 10_000_000)?,
            log_level: given.read("log.level", "error, warn, info, debug, trace, or filters of these", |s| {
                is_log_filter(s).then(|| s.to_owned())
            })?,
            log_json: given.read("log.format", "text or json", |s| match s {
                "text" => Some(false),
                "json" => Some(true),
                _ => None,
            })?,
        };
        if config.heartbeat_timeout <= config.heartbeat_interval {
            let value = config.heartbeat_timeout.as_millis().to_string();
            let allowed = "more than heartbeat.interval_ms";
            return Err(Wrong::Value { key: "heartbeat.timeout_ms".into(), value, allowed });
        }
        Ok(config)
    }

    /// What serving and making tokens need beyond what is wrong by itself: on PostgreSQL the secret is never made here.
    ///
    /// # Errors
    /// [`Wrong::Value`] of `auth.secret`.
    pub fn complete(self) -> Result<Config, Wrong> {
        if self.secret.is_none() && self.database_url.starts_with("postgres") {
            let allowed = "a secret of the operator's with PostgreSQL: it must be the same for all nodes";
            return Err(Wrong::Value { key: "auth.secret".into(), value: String::new(), allowed });
        }
        Ok(self)
    }

    /// Where the database is.
    ///
    /// # Errors
    /// [`store::Error::Url`].
    pub fn location(&self) -> Result<Location, store::Error> {
        Ok(Location::parse(&self.database_url)?.allow_weak_durability(self.allow_weak_durability))
    }

    /// Where the server keeps files of its own: beside an SQLite database, else in the working directory.
    pub fn directory(&self) -> PathBuf {
        let location = self.location().ok();
        location.as_ref().and_then(Location::directory).map_or_else(|| PathBuf::from("."), PathBuf::from)
    }
}

impl Given {
    /// The keys there are.
    fn defaults() -> Result<Vec<String>, Wrong> {
        let wrong = |error: config::ConfigError| Wrong::Source(error.to_string());
        let defaults = Source::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build();
        let root = defaults.and_then(|built| built.cache.into_table()).map_err(wrong)?;
        let mut flat = BTreeMap::new();
        root.into_iter().for_each(|(key, value)| flatten(key, value, &mut flat));
        Ok(flat.into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Result<Config, Wrong> {
        Config::load(None, &[(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn every_documented_key_is_read_and_every_key_that_is_read_is_documented() {
        let mut given = Given::gather(None, &[]).unwrap();
        Config::read(&mut given).unwrap();
        assert_eq!(given.0, BTreeMap::new(), "documented, but never read");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = with("heartbeat.interval_ms", "often").unwrap_err().to_string();
        assert!(
            ["heartbeat.interval_ms", "\"often\"", "10 to 3600000"].iter().all(|part| wrong.contains(part)),
            "{wrong}"
        );
        let wrong = with("http.bnid", "x").unwrap_err().to_string();
        assert!(["http.bnid", "\"x\"", "http.bind"].iter().all(|part| wrong.contains(part)), "{wrong}");
        assert!(with("database.url", "mysql://x").is_err());
        let wrong = with("database.url", "mysql://ann:hidden@x/y").unwrap_err().to_string();
        assert!(!wrong.contains("hidden"), "{wrong}");
        let wrong = with("database.url", "postgres://ann:hidden@x/y").unwrap().complete().unwrap_err().to_string();
        assert!(wrong.contains("auth.secret") && !wrong.contains("hidden"), "{wrong}");
        assert!(with("heartbeat.timeout_ms", "5000").is_err());
        assert_eq!(with("chat.claim_grace", "90s").unwrap().claim_grace, Duration::from_secs(90));
        assert_eq!(with("http.allowed_origins", "https://a.b, http://c:1").unwrap().allowed_origins.len(), 2);
    }
}
