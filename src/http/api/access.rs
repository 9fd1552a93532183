//! Who may manage a shop, and who may read its records. Who is nothing to a shop does not learn that it exists.

use diesel::QueryResult;

use crate::{
    actors::session::Identity,
    domain::{people::Role, permission::Permission, refusal::Refusal},
    store::{Db, agents, shops},
};

/// The shop, for its admins and for operators.
///
/// # Errors
/// `NotFound`; `Forbidden` for the shop's other agents.
pub fn manage(db: &mut Db, me: &Identity, shop: &str) -> QueryResult<Result<shops::Row, Refusal>> {
    let Some(row) = shops::by_name(db, shop)? else { return Ok(Err(Refusal::NotFound)) };
    if me.operator {
        return Ok(Ok(row));
    }
    let role = agents::role(db, row.shop().id, me.person.id)?;
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
    let role = agents::role(db, row.shop().id, me.person.id)?;
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
    let role = agents::role(db, row.shop().id, me.person.id)?;
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
