//! `shopbell token`: a token as the platform's own back end would sign it.

use std::time::Duration;

use super::{config::Config, secret};
use crate::{
    auth::token::{Invalid, Tokens},
    domain::ids::is_name,
    store,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the secret cannot be read: {0}")]
    Secret(#[from] std::io::Error),
    #[error("{0:?} is no uid: write 1 to 128 of A-Z a-z 0-9 _ . : @ -")]
    Uid(String),
    #[error(transparent)]
    Sign(#[from] Invalid),
}

/// # Errors
/// What is wrong with `uid` or with the secret.
pub fn mint(config: &Config, uid: &str, name: Option<&str>, ttl: Duration) -> Result<String, Error> {
    if !is_name(uid) {
        return Err(Error::Uid(uid.to_owned()));
    }
    let secret = match &config.secret {
        Some(secret) => secret.clone(),
        None => secret::load_or_make(&config.directory())?,
    };
    let now = crate::actors::now().0 / 1_000;
    Ok(Tokens::new(&secret).mint(uid, name, now, i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX))?)
}
