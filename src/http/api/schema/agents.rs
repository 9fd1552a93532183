//! Who works in a shop.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::{Role, Status};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "bob", "name": "Bob", "role": "agent", "password": "correct horse battery" }))]
pub struct NewAgent {
    /// No visitor's.
    #[schema(max_length = 128, pattern = "^(?!visitor:)[A-Za-z0-9_.:@-]+$")]
    pub uid: String,
    /// Only for a user of the shop's own making.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: Option<String>,
    pub role: Role,
    /// Only for a user of the shop's own making.
    #[schema(min_length = 8, max_length = 256, pattern = "^[^\\x00]*$", format = Password)]
    pub password: Option<String>,
    /// The next login with the password is good for nothing but changing it. Only for a user of the shop's own making.
    pub must_change_password: Option<bool>,
    /// How many conversations at a time.
    #[schema(minimum = 1, maximum = 1000)]
    pub capacity: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "role": "supervisor", "capacity": null }))]
pub struct AgentChange {
    pub role: Option<Role>,
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: Option<String>,
    #[schema(min_length = 8, max_length = 256, pattern = "^[^\\x00]*$", format = Password)]
    pub password: Option<String>,
    /// The next login with the password is good for nothing but changing it. Only for a user of the shop's own making.
    pub must_change_password: Option<bool>,
    /// `null` lifts the limit.
    #[schema(minimum = 1, maximum = 1000)]
    pub capacity: Option<i32>,
    /// `true` ends everything that this agent may in the shop, until `false`.
    pub disabled: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "bob", "name": "Bob", "role": "agent", "status": "online", "capacity": 5, "disabled": false }))]
pub struct Agent {
    pub uid: String,
    pub name: String,
    pub role: Role,
    pub status: Status,
    #[schema(required)]
    pub capacity: Option<i32>,
    pub disabled: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Agents {
    /// By `uid`.
    pub items: Vec<Agent>,
    #[schema(required)]
    pub next: Option<String>,
}
