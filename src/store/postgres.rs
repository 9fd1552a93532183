//! A PostgreSQL server: how it is reached, what its sessions are set to, and what it must promise before we write to it.

use std::fmt;

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};

use super::Error;

/// Parts of the connection that the URL may set otherwise. Seconds, but for `tcp_user_timeout`: milliseconds.
const PARAMETERS: [(&str, &str); 8] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "2"),
    ("tcp_user_timeout", "5000"),
    ("application_name", "shopbell"),
    ("client_encoding", "UTF8"),
    // Nothing of ours is authenticated by Kerberos; asking for it costs a round trip.
    ("gssencmode", "disable"),
];

/// What every session is set to; `options` in the URL comes later and wins. Times are milliseconds, but for those of `tcp_keepalives`.
///
/// A node that stands still inside a transaction holds its rows for `idle_in_transaction_session_timeout`, one whose machine is gone
/// until the server's own keepalives notice.
const SETTINGS: [(&str, &str); 9] = [
    ("statement_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "3000"),
    ("lock_timeout", "3000"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "2"),
    ("tcp_user_timeout", "10000"),
    ("default_transaction_isolation", "read\\ committed"),
    ("default_transaction_deferrable", "off"),
];

/// Where a PostgreSQL is. Its password is never shown.
#[derive(Clone)]
pub struct Server {
    url: String,
    pub allow_weak_durability: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Server {
    /// # Errors
    /// [`Error::Url`] for anything but `postgres://…` and `postgresql://…`.
    pub fn parse(url: &str) -> Result<Server, Error> {
        let server = Server { url: url.to_owned(), allow_weak_durability: false };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let after_user = rest.split_once(['@', '/']).map_or("", |(_, after)| after);
        let path = after_user.split('?').next().unwrap_or_default();
        // An @ behind the host means a password with a / in it, of which the rest would be taken for a database's name, and shown.
        if !matches!(scheme, "postgres" | "postgresql") || path.contains('@') {
            return Err(Error::Url(shown(url)));
        }
        Ok(server)
    }

    /// The URL without what is secret.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// A connection, all of its settings made.
    ///
    /// # Errors
    /// [`Error::Open`], with PostgreSQL's own words.
    pub fn connect(&self) -> Result<PgConnection, Error> {
        PgConnection::establish(&self.with_parameters()).map_err(|error| self.open(&error.to_string()))
    }

    /// A connection that may write: to a server that keeps what it has said it has stored.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Weak`] with the setting's name.
    pub fn connect_to_write(&self) -> Result<PgConnection, Error> {
        let mut db = self.connect()?;
        let promises: Promises = sql_query(PROMISES).get_result(&mut db).map_err(|e| self.open(&e.to_string()))?;
        if promises.standby {
            return Err(self.open("it is a standby; with several hosts, add target_session_attrs=read-write"));
        }
        if promises.encoding != "UTF8" {
            return Err(self.open(&format!("its encoding is {}, and must be UTF8", promises.encoding)));
        }
        match promises.weakness() {
            Some((setting, value)) if self.allow_weak_durability => {
                tracing::warn!(setting, value, "messages may be lost with the database server, as has been allowed");
            }
            Some((setting, value)) => return Err(Error::Weak { url: self.shown(), setting, value }),
            None => {}
        }
        Ok(db)
    }

    fn open(&self, cause: &str) -> Error {
        Error::Open { url: self.shown(), cause: self.scrub(cause) }
    }

    /// `text` without the password.
    fn scrub(&self, text: &str) -> String {
        let mut scrubbed = text.trim().replace(&self.url, &self.shown());
        for secret in secrets(&self.url) {
            scrubbed = scrubbed.replace(&secret, "***");
        }
        scrubbed
    }

    fn with_parameters(&self) -> String {
        let (before, query) = split_query(&self.url);
        let given: Vec<(&str, &str)> = query.split('&').filter_map(|part| part.split_once('=')).collect();
        let mut options: Vec<String> =
            SETTINGS.iter().map(|(name, value)| encode(&format!("-c {name}={value}"))).collect();
        let mut parts: Vec<String> = Vec::new();
        for (name, value) in &given {
            match *name {
                "options" => options.push((*value).to_owned()),
                _ => parts.push(format!("{name}={value}")),
            }
        }
        let absent = PARAMETERS.iter().filter(|(name, _)| given.iter().all(|(other, _)| other != name));
        parts.extend(absent.map(|(name, value)| format!("{name}={value}")));
        format!("{before}?{}&options={}", parts.join("&"), options.join("%20"))
    }
}

/// What the server says of itself, to a session of this role and database.
#[derive(QueryableByName)]
struct Promises {
    #[diesel(sql_type = sql_types::Text)]
    fsync: String,
    #[diesel(sql_type = sql_types::Text)]
    full_page_writes: String,
    #[diesel(sql_type = sql_types::Text)]
    synchronous_commit: String,
    #[diesel(sql_type = sql_types::Text)]
    standbys: String,
    #[diesel(sql_type = sql_types::Text)]
    encoding: String,
    #[diesel(sql_type = sql_types::Bool)]
    standby: bool,
}

const PROMISES: &str = "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes, \
                        current_setting('synchronous_commit') AS synchronous_commit, \
                        current_setting('synchronous_standby_names') AS standbys, \
                        current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby";

impl Promises {
    /// The first setting under which a message could be lost that was said to be stored. `local` is as good as `on` where there are
    /// no synchronous standbys; where there are, messages would not wait for them.
    fn weakness(&self) -> Option<(&'static str, String)> {
        let commit = self.synchronous_commit.as_str();
        if self.fsync == "off" {
            Some(("fsync", self.fsync.clone()))
        } else if self.full_page_writes == "off" {
            Some(("full_page_writes", self.full_page_writes.clone()))
        } else if commit == "off" || (commit == "local" && !self.standbys.trim().is_empty()) {
            Some(("synchronous_commit", commit.to_owned()))
        } else {
            None
        }
    }
}

/// The URL before its `?`, and its parameters. A `?` before the `@` belongs to the password, as libpq has it.
fn split_query(url: &str) -> (&str, &str) {
    let host = url.split_once("://").map_or(0, |(scheme, rest)| {
        scheme.len() + 3 + rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@')).unwrap_or(0)
    });
    match url[host..].find('?') {
        Some(at) => (&url[..host + at], &url[host + at + 1..]),
        None => (url, ""),
    }
}

/// Scheme, hosts and database: neither user, nor password, nor parameters.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{}", rest.split('?').next().unwrap_or_default())
}

/// What must not be shown: the password, as it is written and as it is meant.
fn secrets(url: &str) -> Vec<String> {
    let (before, query) = split_query(url);
    let user = before.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    let named = query.split('&').filter_map(|part| part.split_once('=')).filter(|(name, _)| name.contains("password"));
    let mut secrets: Vec<String> = Vec::new();
    for written in named.map(|(_, value)| value).chain([password]).filter(|secret| !secret.is_empty()) {
        secrets.extend([written.to_owned(), decode(written)]);
    }
    secrets
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let server = Server::parse("postgres://ann:s%3Acret@h1:1,h2:2/chat?target_session_attrs=read-write").unwrap();
        assert_eq!(server.shown(), "postgres://h1:1,h2:2/chat");
        assert_eq!(format!("{server:?}"), "postgres://h1:1,h2:2/chat");
        let scrubbed = server.scrub("no s%3Acret, and no s:cret");
        assert_eq!(scrubbed, "no ***, and no ***");
        let server = Server::parse("postgresql:///chat?host=/tmp&password=hidden").unwrap();
        assert_eq!(server.scrub(&format!("{}: hidden", server.url)), "postgresql:///chat: ***");
        for wrong in ["mysql://u:hidden@h/d", "postgres://u:hid/den@h/d", "postgres:hidden", ""] {
            let error = Server::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("hid"), "{error}");
        }
    }

    #[test]
    fn what_the_url_sets_stays() {
        let server = Server::parse("postgres://u:what?@h/d?connect_timeout=9&options=-c%20work_mem%3D1MB").unwrap();
        let full = server.with_parameters();
        assert!(full.starts_with("postgres://u:what?@h/d?connect_timeout=9&keepalives_idle=5&"), "{full}");
        assert!(!full.contains("connect_timeout=3"), "{full}");
        assert!(full.ends_with("%20-c%20work_mem%3D1MB"), "{full}");
        assert!(full.contains("-c%20default_transaction_isolation%3Dread%5C%20committed"), "{full}");
    }
}
