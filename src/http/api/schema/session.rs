//! Getting a token, giving it back, and who one is.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::{Role, Status, User};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "password": "correct horse battery" }))]
pub struct Login {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub uid: String,
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\x00]*$", format = Password)]
    pub password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shop": "acme", "name": "Mei" }))]
pub struct Visit {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub shop: String,
    /// What agents see; made up where it is absent.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "old": "correct horse battery", "new": "staple staple staple" }))]
pub struct NewPassword {
    /// Needed where there is a password already.
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\x00]*$", format = Password)]
    pub old: Option<String>,
    #[schema(min_length = 8, max_length = 256, pattern = "^[^\\x00]*$", format = Password)]
    pub new: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "expires_at": "2026-11-21T10:00:00.000Z",
    "user": { "uid": "alice", "name": "Alice", "avatar": null },
}))]
pub struct Granted {
    pub token: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
    pub user: User,
    /// There where it is so: the token is good for changing the password, and for nothing else.
    pub must_change_password: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct Membership {
    pub shop: String,
    pub name: String,
    pub role: Role,
    pub status: Status,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "user": { "uid": "alice", "name": "Alice", "avatar": null },
    "shops": [{ "shop": "acme", "name": "Acme", "role": "admin", "status": "online" }],
    "operator": false,
    "must_change_password": false,
    "expires_at": "2026-11-21T10:00:00.000Z",
}))]
pub struct Me {
    pub user: User,
    /// Where this user is an agent.
    pub shops: Vec<Membership>,
    pub operator: bool,
    /// The token is good for changing the password, and for nothing else.
    pub must_change_password: bool,
    #[schema(format = DateTime)]
    pub expires_at: String,
}
