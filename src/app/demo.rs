//! `serve --demo`: a fresh shop with people in it.

use std::{io, path::PathBuf};

use super::config::{Config, DEFAULT_DATABASE};
use crate::{
    auth::password,
    domain::people::Role,
    store::{self, Db, agents, events, shops, users},
};

/// The demo's own directory, removed when the demo ends.
pub struct Fresh(Option<PathBuf>);

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}

/// Gives the demo a fresh database, unless a database has been configured.
///
/// # Errors
/// When its directory cannot be made.
pub fn place(mut config: Config) -> io::Result<(Config, Fresh)> {
    if config.database_url != DEFAULT_DATABASE {
        return Ok((config, Fresh(None)));
    }
    let directory = std::env::temp_dir().join(format!("shopbell-demo-{:08x}", rand::random::<u32>()));
    std::fs::create_dir_all(&directory)?;
    config.database_url = format!("sqlite://{}", directory.join("shopbell.db").display());
    Ok((config, Fresh(Some(directory))))
}

pub const SHOP: &str = "demo";

/// Somebody who can log in to the demo.
pub struct Login {
    pub uid: &'static str,
    pub password: String,
    pub what: &'static str,
}

/// Makes the shop `demo`, its agents and an operator, with new passwords. Where they exist, the passwords are set anew.
///
/// # Errors
/// What the database says.
pub fn make(db: &mut Db) -> Result<Vec<Login>, store::Error> {
    let now = crate::actors::now();
    let mut logins = Vec::new();
    let people = [
        ("alice", "Alice", Some(Role::Admin), "admin of demo"),
        ("bob", "Bob", Some(Role::Agent), "agent of demo"),
        ("operator", "Operator", None, "operator"),
    ];
    let shop = match shops::by_name(db, SHOP)? {
        Some(shop) => shop.shop(),
        None => shops::insert(db, SHOP, "Demo shop", "[]", now)?.ok_or(diesel::result::Error::NotFound)?.shop(),
    };
    for (uid, name, role, what) in people {
        let user = users::refresh(db, uid, Some(name), None, now)?;
        let id = user.person().id;
        let bytes: [u8; 6] = rand::random();
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = password::hash(&password).map_err(|error| store::Error::Io(std::io::Error::other(error)))?;
        users::set_password(db, id, &hash)?;
        users::revoke_tokens(db, id, now.0 / 1_000)?;
        match role {
            Some(role) => {
                let is_new = agents::insert(db, shop.id, id, role, None, now)?;
                events::duty(db, shop.id, id, false, is_new, now)?;
                users::set_created_by(db, id, shop.id.0)?;
            }
            None => users::set_operator(db, id)?,
        }
        logins.push(Login { uid, password, what });
    }
    Ok(logins)
}
