//! What somebody of a shop may do with its records and figures.

use super::people::Role;

/// An act on a shop's records that not everybody who works there may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Adding a message on behalf of the buyer or an agent.
    AddMessage,
    EditMessage,
    DeleteMessage,
    /// Deciding what becomes of messages that others have prepared, and reading them before.
    DecidePrepared,
    /// Removing what a person has written.
    ErasePerson,
    /// Taking the shop's messages and tickets away in a file.
    Export,
    ReadStatistics,
    /// Letting programs of the shop in: API keys, webhooks.
    Integrate,
    /// Following what happens in the shop.
    ReadEvents,
}

/// Each permission, and the least role that has it.
const GRANTED: [(Permission, Role); 9] = [
    (Permission::AddMessage, Role::Admin),
    (Permission::EditMessage, Role::Admin),
    (Permission::DeleteMessage, Role::Admin),
    (Permission::DecidePrepared, Role::Admin),
    (Permission::ErasePerson, Role::Admin),
    (Permission::Export, Role::Admin),
    (Permission::ReadStatistics, Role::Supervisor),
    (Permission::Integrate, Role::Admin),
    (Permission::ReadEvents, Role::Admin),
];

impl Role {
    /// What no row grants, nobody may.
    pub fn may(self, permission: Permission) -> bool {
        GRANTED.iter().any(|(granted, least)| *granted == permission && self >= *least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_its_rows_say() {
        use Permission::{
            AddMessage, DecidePrepared, DeleteMessage, EditMessage, ErasePerson, Export, Integrate, ReadEvents,
            ReadStatistics,
        };
        let all = [
            AddMessage,
            EditMessage,
            DeleteMessage,
            DecidePrepared,
            ErasePerson,
            Export,
            ReadStatistics,
            Integrate,
            ReadEvents,
        ];
        assert_eq!(GRANTED.map(|(permission, _)| permission), all, "each once");
        for role in Role::ALL {
            let may: Vec<Permission> = all.into_iter().filter(|permission| role.may(*permission)).collect();
            let expected: &[Permission] = match role {
                Role::Bot | Role::Agent => &[],
                Role::Supervisor => &[ReadStatistics],
                Role::Admin => &all,
            };
            assert_eq!(may, expected, "{role:?}");
        }
    }
}
