//! Which URLs may be sent to, and which addresses their names may stand for.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use reqwest::Url;
use tokio::time::timeout;

use crate::domain::public_address::is_public;

/// The longest URL, in bytes.
const URL_MAX: usize = 2_048;
/// How long it may take to find a name's addresses, when it is registered.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing is sent to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No URL, not `https:` or `http:`, too long, or with a user or a password in it.
    #[error("not a URL that can be posted to")]
    Url,
    #[error("not a public address")]
    Private,
}

/// Finds the addresses that a name stands for.
pub trait Names: Send + Sync {
    fn find(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// As the system finds them.
pub struct System;

impl Names for System {
    fn find(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Lets only public addresses through, unless all are allowed.
#[derive(Clone)]
pub struct Guard {
    allow_private: bool,
    names: Arc<dyn Names>,
}

impl Guard {
    pub fn new(allow_private: bool) -> Guard {
        Guard::with(allow_private, Arc::new(System))
    }

    /// With names that are found in another way.
    pub fn with(allow_private: bool, names: Arc<dyn Names>) -> Guard {
        Guard { allow_private, names }
    }

    /// Looks at a URL that is being registered, and at the addresses of its name. A name that has none now may have one later, and is
    /// looked at again then.
    ///
    /// # Errors
    /// [`Wrong`].
    pub async fn check(&self, url: &str) -> Result<Url, Wrong> {
        let url = self.read(url)?;
        if let Some(name) = url.domain()
            && let Ok(Ok(found)) = timeout(PATIENCE, self.names.find(name)).await
        {
            self.permit(&found)?;
        }
        Ok(url)
    }

    /// Reads a URL, without asking whom its name stands for. An address in it, in whatever form it is written (`0x7f.1`, `2130706433`), is
    /// looked at here: nobody is asked about it later.
    pub(super) fn read(&self, url: &str) -> Result<Url, Wrong> {
        if url.len() > URL_MAX || url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(Wrong::Url);
        }
        let url = Url::parse(url).map_err(|_| Wrong::Url)?;
        if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
            return Err(Wrong::Url);
        }
        let host = url.host_str().ok_or(Wrong::Url)?;
        // The parser has made numbers and brackets into plain addresses; whatever is none is a name.
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.permit(&[address])?,
            Err(_) if !self.allow_private && is_local(host) => return Err(Wrong::Private),
            Err(_) => {}
        }
        Ok(url)
    }

    /// Finds the addresses of a name that is about to be connected to.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.names.find(name).await?;
        self.permit(&found).map_err(io::Error::other)?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }

    /// A name that stands for a public address and another is not believed at all.
    fn permit(&self, addresses: &[IpAddr]) -> Result<(), Wrong> {
        let is_fine = self.allow_private || addresses.iter().all(|address| is_public(*address));
        if is_fine { Ok(()) } else { Err(Wrong::Private) }
    }
}

/// Names that mean something inside only (RFC 6761, 6762, 8375, 9476): those without a dot, and these endings.
fn is_local(host: &str) -> bool {
    const ENDINGS: [&str; 7] = ["localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa"];
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let ends = |ending: &str| name == ending || name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.') || ENDINGS.iter().any(|ending| ends(ending))
}
