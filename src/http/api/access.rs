//! Who may manage a shop, and who may read its records. Who is nothing to a shop does not learn that it exists.

use diesel::QueryResult;

use crate::{
    actors::{node::Node, session::Identity},
    domain::{command::Target, people::Role, permission::Permission, refusal::Refusal},
    store::{Db, agents, shops},
};

/// What somebody is in a shop. A key is good for its own shop.
fn role(db: &mut Db, me: &Identity, shop: &shops::Row) -> QueryResult<Option<Role>> {
    let id = shop.shop().id;
    if me.key.as_ref().is_some_and(|key| key.shop != id) {
        return Ok(None);
    }
    agents::role(db, id, me.person.id)
}

/// Makes sure that a key does not leave its shop, whatever else its user may.
///
/// # Errors
/// `NotFound`, `Unavailable`.
pub async fn reach(node: &Node, me: &Identity, target: &Target) -> Result<(), Refusal> {
    let Some(key) = &me.key else { return Ok(()) };
    let shop = node.shop_of(target).await?;
    if shop.is_some_and(|shop| shop.id == key.shop) { Ok(()) } else { Err(Refusal::NotFound) }
}

/// The shop, for its admins and for operators.
///
/// # Errors
/// `NotFound`; `Forbidden` for the shop's other agents.
pub fn manage(db: &mut Db, me: &Identity, shop: &str) -> QueryResult<Result<shops::Row, Refusal>> {
    let Some(row) = shops::by_name(db, shop)? else { return Ok(Err(Refusal::NotFound)) };
    if me.operator {
        return Ok(Ok(row));
    }
    let role = role(db, me, &row)?;
    Ok(match role {
        Some(Role::Admin) => Ok(row),
        Some(_) => Err(Refusal::Forbidden),
        None => Err(Refusal::NotFound),
    })
}

/// The shop, for its agents. Operators know that it exists, and read nothing in it.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub fn work(db: &mut Db, me: &Identity, shop: &str) -> QueryResult<Result<shops::Row, Refusal>> {
    let Some(row) = shops::by_name(db, shop)? else { return Ok(Err(Refusal::NotFound)) };
    let role = role(db, me, &row)?;
    Ok(match role {
        Some(_) => Ok(row),
        None if me.operator => Err(Refusal::Forbidden),
        None => Err(Refusal::NotFound),
    })
}

/// The shop, for whoever sees how it is set up: its agents, and operators, but for what has to do with its buyers.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub fn read_settings(
    db: &mut Db,
    me: &Identity,
    shop: &str,
    of_buyers: bool,
) -> QueryResult<Result<shops::Row, Refusal>> {
    match work(db, me, shop)? {
        Err(Refusal::Forbidden) if !of_buyers => manage(db, me, shop),
        worked => Ok(worked),
    }
}

/// The shop, for those of its agents whose role has this permission. Operators have none.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub fn permitted(db: &mut Db, me: &Identity, shop: &str, what: Permission) -> QueryResult<Result<shops::Row, Refusal>> {
    let Some(row) = shops::by_name(db, shop)? else { return Ok(Err(Refusal::NotFound)) };
    let role = role(db, me, &row)?;
    Ok(match role {
        Some(role) if role.may(what) => Ok(row),
        None if !me.operator => Err(Refusal::NotFound),
        _ => Err(Refusal::Forbidden),
    })
}

/// Operators only.
///
/// # Errors
/// `Forbidden`.
pub fn operate(me: &Identity) -> Result<(), Refusal> {
    if me.operator { Ok(()) } else { Err(Refusal::Forbidden) }
}
