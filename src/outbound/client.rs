//! A client for HTTP that goes only where [`Guard`] lets it: it connects to the addresses that were looked at, follows no redirect, knows no
//! proxy, waits 10 s at most, and reads no more of an answer than is wanted.

use std::{error::Error as _, sync::Arc, time::Duration};

use reqwest::{
    dns::{Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{Guard, Wrong};

/// How long a request may take, from the name to the end of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer's body is read, in bytes.
pub const BODY_MAX: usize = 64 << 10;
/// What the other side reads who is asking.
const USER_AGENT: &str = concat!("Shopbell/", env!("CARGO_PKG_VERSION"));
/// How long a connection waits for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for requests to others cannot be made: {0}")]
pub struct Unusable(String);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Wrong(#[from] Wrong),
    #[error("no answer in time")]
    Timeout,
    /// In the words of who has failed: no such name, connection refused, a certificate that nobody trusts.
    #[error("{0}")]
    Connection(String),
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// At most [`BODY_MAX`] bytes of it.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Shared by all who send; cheap to clone.
#[derive(Clone)]
pub struct Client {
    guard: Guard,
    http: reqwest::Client,
}

impl Client {
    /// # Errors
    /// [`Unusable`].
    pub fn new(guard: Guard) -> Result<Client, Unusable> {
        let unusable = |error: &dyn std::error::Error| Unusable(error.to_string());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Those of the system too: whoever runs an authority of its own has put it there.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Guarded(guard.clone()))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Client { guard, http })
    }

    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Posts JSON. An answer that says no is an answer.
    ///
    /// # Errors
    /// [`Failure`], after [`TIMEOUT`] at the latest.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: String) -> Result<Answer, Failure> {
        let url = self.guard.read(url)?;
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json").headers(headers).body(body);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            body.extend_from_slice(&chunk[..chunk.len().min(BODY_MAX - body.len())]);
            if body.len() == BODY_MAX {
                break;
            }
        }
        Ok(Answer { status, body })
    }
}

/// The library's words for a failure are those of its innermost cause: what is around it names the URL, and a URL may hold a secret.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::Timeout;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(wrong) = error.downcast_ref::<Wrong>() {
            return Failure::Wrong(*wrong);
        }
        // An `io::Error` passes over what it wraps when it is asked for its source.
        let inside = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        if let Some(wrong) = inside.and_then(|inside| inside.downcast_ref::<Wrong>()) {
            return Failure::Wrong(*wrong);
        }
        match error.source() {
            Some(source) => cause = Some(source),
            None => return Failure::Connection(error.to_string()),
        }
    }
    Failure::Connection("the request failed".to_owned())
}

/// The guard, as the library asks for addresses.
struct Guarded(Guard);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = guard.resolve(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
