//! What the command line does to the database, beside a running server or without one.

use super::config::Config;
use crate::{
    auth::password,
    domain::ids::is_name,
    store::{self, audit, migrate, users},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{0:?} is no uid: write 1 to 128 of A-Z a-z 0-9 _ . : @ -")]
    Uid(String),
    #[error("a password has {} to {} characters", password::LENGTH.start(), password::LENGTH.end())]
    Password,
}

/// Brings the database up to date; gives how many migrations were run.
///
/// # Errors
/// The store's.
pub fn migrate(config: &Config) -> Result<usize, Error> {
    Ok(migrate::migrate(&mut config.location()?.writer()?)?)
}

/// Makes a user an operator.
///
/// # Errors
/// What is wrong with `uid` or `password`; the store's.
pub fn add(config: &Config, uid: &str, name: Option<&str>, password: Option<&str>) -> Result<(), Error> {
    if !is_name(uid) {
        return Err(Error::Uid(uid.to_owned()));
    }
    if password.is_some_and(|password| !password::LENGTH.contains(&password.chars().count())) {
        return Err(Error::Password);
    }
    let hash = password.map(password::hash).transpose().map_err(|_| Error::Password)?;
    let mut db = config.location()?.writer()?;
    migrate::migrate(&mut db)?;
    let now = crate::actors::now();
    db.write(|db| {
        let user = users::refresh(db, uid, name, None, now)?.person();
        users::set_operator(db, user.id)?;
        if let Some(hash) = &hash {
            users::set_password(db, user.id, hash)?;
        }
        // Who did it is not known here: whoever may write into the database. It belongs to no shop.
        let (what, subject, by) = ("operator.added", uid, user.id);
        audit::insert(db, &audit::Act { shop: None, by, address: None, what, subject, before: None, after: None }, now)
    })
    .map_err(store::Error::from)?;
    Ok(())
}
