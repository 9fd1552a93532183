//! The server under load: its address, its tokens, and the REST calls that make a shop with agents for a run.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::Url;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Delivery, PATIENCE};
use crate::auth::token::Tokens;

/// How long the tokens of a run are good for, in seconds.
const TOKEN_TTL: i64 = 24 * 3_600;

/// A server that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is no address of a server: `http://host:port` is")]
    Address(String),
    #[error("a token cannot be signed")]
    Token,
    #[error("cannot reach the server: {0}")]
    Http(#[from] reqwest::Error),
    #[error("POST {path}: {status}: {body}{hint}")]
    Refused { path: String, status: u16, body: String, hint: String },
}

/// Where a run goes.
pub struct Target {
    base: String,
    authority: String,
    tokens: Tokens,
    operator: String,
    http: reqwest::Client,
}

impl Target {
    /// `url` is `http://host:port`; `operator` is the uid of an operator there.
    ///
    /// # Errors
    /// [`TargetError::Address`]; [`TargetError::Http`] if there can be no HTTP client.
    pub fn new(url: &str, secret: &SecretString, operator: &str) -> Result<Self, TargetError> {
        let authority = authority(url)?;
        // The library asks whose cryptography it would use, even where nothing is encrypted. Only the first call has an effect.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let base = format!("http://{authority}/api/v1");
        Ok(Self { base, authority, tokens: Tokens::new(secret), operator: operator.into(), http })
    }

    /// Makes a shop.
    ///
    /// # Errors
    /// `Refused` above all where the operator is none; `Http`, `Token`.
    pub async fn make_shop(&self, shop: &str) -> Result<(), TargetError> {
        self.post("/shops", json!({"shop": shop, "name": shop})).await
    }

    /// Lists `uid` as an agent of the shop.
    ///
    /// # Errors
    /// As [`Target::make_shop`].
    pub async fn make_agent(&self, shop: &str, uid: &str) -> Result<(), TargetError> {
        self.post(&format!("/shops/{shop}/agents"), json!({"uid": uid, "name": uid, "role": "agent"})).await
    }

    /// A session of `uid`.
    ///
    /// # Errors
    /// As [`Client::login`].
    pub async fn login(
        &self,
        uid: &str,
        on_message: impl FnMut(Delivery) + Send + 'static,
    ) -> Result<Arc<Client>, ClientError> {
        let token = self.token(uid).map_err(|error| ClientError::Connect(error.to_string()))?;
        Client::login(&self.authority, uid, &token, on_message).await.map(Arc::new)
    }

    /// How many batches the server's journal has written, and how many entries were in them; `None` where it does not tell.
    pub async fn batches(&self) -> Option<(f64, f64)> {
        let metrics =
            self.http.get(format!("http://{}/metrics", self.authority)).send().await.ok()?.text().await.ok()?;
        let lines = metrics.lines().filter_map(|line| line.strip_prefix("shopbell_journal_batch_entries"));
        let of = |what: &str| {
            let values = lines.clone().filter_map(|line| line.strip_prefix(what)?.rsplit_once(' ')?.1.parse().ok());
            values.reduce(|sum: f64, value: f64| sum + value)
        };
        Some((of("_count")?, of("_sum")?))
    }

    /// The way in for sessions.
    ///
    /// # Errors
    /// [`TargetError::Address`] where the host has no address.
    pub fn door(&self) -> Result<Door, TargetError> {
        let address = self.authority.to_socket_addrs().ok().and_then(|mut all| all.next());
        let address = address.ok_or_else(|| TargetError::Address(self.authority.clone()))?;
        Ok(Door { address, authority: self.authority.clone(), tokens: self.tokens.clone() })
    }

    fn token(&self, uid: &str) -> Result<String, TargetError> {
        token(&self.tokens, uid)
    }

    async fn post(&self, path: &str, body: Value) -> Result<(), TargetError> {
        let token = self.token(&self.operator)?;
        let response = self.http.post(format!("{}{path}", self.base)).bearer_auth(token).json(&body).send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let hint = match status.as_u16() {
            403 => format!(" (make an operator there: `shopbell operator add {}`)", self.operator),
            401 => " (is `--secret` the `auth.secret` of that server?)".into(),
            _ => String::new(),
        };
        let body = response.text().await.unwrap_or_default();
        Err(TargetError::Refused { path: path.into(), status: status.as_u16(), body, hint })
    }
}

/// `host:port` of `http://host:port`.
fn authority(url: &str) -> Result<String, TargetError> {
    let bad = || TargetError::Address(url.into());
    let parsed = Url::parse(url).map_err(|_| bad())?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or_else(bad)?;
    Ok(format!("{host}:{}", parsed.port_or_known_default().ok_or_else(bad)?))
}

/// Where sessions begin, and what opens it.
pub struct Door {
    pub address: SocketAddr,
    /// `host:port`.
    pub authority: String,
    tokens: Tokens,
}

impl Door {
    /// A token of `uid`.
    ///
    /// # Errors
    /// [`TargetError::Token`]
    pub fn token(&self, uid: &str) -> Result<String, TargetError> {
        token(&self.tokens, uid)
    }
}

fn token(tokens: &Tokens, uid: &str) -> Result<String, TargetError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).map_err(|_| TargetError::Token)?;
    tokens.mint(uid, None, now, TOKEN_TTL).map_err(|_| TargetError::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_an_address() {
        assert_eq!(authority("http://127.0.0.1:7800/").unwrap(), "127.0.0.1:7800");
        assert_eq!(authority("http://chat.example").unwrap(), "chat.example:80");
        for bad in ["https://chat.example", "127.0.0.1:7800", "chat"] {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }
}
