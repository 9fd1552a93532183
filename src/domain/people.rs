//! Who takes part: users, shops, and what an agent may do.

use std::sync::Arc;

use super::ids::{ShopId, UserId, VISITOR};

/// A user as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub uid: Arc<str>,
    pub name: Arc<str>,
    pub avatar: Option<Arc<str>>,
}

impl Person {
    /// Whether this is an anonymous visitor, who may talk to shops but to nobody else.
    pub fn is_visitor(&self) -> bool {
        self.uid.starts_with(VISITOR)
    }
}

/// A shop as others see it: `shop` is its name in URLs and frames, `name` what people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    pub id: ShopId,
    pub shop: Arc<str>,
    pub name: Arc<str>,
}

/// What an agent may do in its shop; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A program that answers: does what an agent does.
    Bot,
    /// Claims conversations and answers those it has claimed.
    Agent,
    /// Also transfers, releases and resolves any conversation of the shop.
    Supervisor,
    /// Also manages the shop.
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Bot, Role::Agent, Role::Supervisor, Role::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Bot => "bot",
            Role::Agent => "agent",
            Role::Supervisor => "supervisor",
            Role::Admin => "admin",
        }
    }

    pub fn parse(s: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == s)
    }
}

/// Whether an agent takes new conversations; kept while it is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Online,
    Away,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Away => "away",
        }
    }

    pub fn parse(s: &str) -> Option<Status> {
        [Status::Online, Status::Away].into_iter().find(|status| status.as_str() == s)
    }
}

/// A user's place in a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub person: Arc<Person>,
    pub role: Role,
    pub status: Status,
}
