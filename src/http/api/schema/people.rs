//! People, and what they are in a shop.

use serde::Serialize;
use utoipa::ToSchema;

/// A person as others see it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "name": "Alice", "avatar": null }))]
pub struct User {
    pub uid: String,
    pub name: String,
    #[schema(required)]
    pub avatar: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "uid": "alice", "name": "Alice" }))]
pub struct Name {
    pub uid: String,
    pub name: String,
}

/// What an agent may do; each may do what those before it may.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A program, which has an API key instead of a password.
    Bot,
    Agent,
    Supervisor,
    Admin,
}

/// Whether an agent takes new conversations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Online,
    Away,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Buyer,
    Agent,
    Bot,
    User,
}

#[derive(Serialize, ToSchema)]
pub struct Author {
    pub uid: String,
    pub name: String,
    pub role: Speaker,
}

/// What a user or a shop is called by its platform.
#[derive(Serialize, ToSchema)]
#[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$", example = "acme")]
pub struct Uid(String);
