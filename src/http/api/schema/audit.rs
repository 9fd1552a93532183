//! The list of administrative acts.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::Name;

/// An administrative act. What `before` and `after` have follows from what it was done to.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 42,
    "at": "2026-11-20T10:00:00.000Z",
    "by": { "uid": "boss", "name": "Boss" },
    "address": "192.0.2.7",
    "what": "agent.changed",
    "subject": "bob",
    "before": { "name": "Bob", "role": "agent", "capacity": null, "disabled": false },
    "after": { "name": "Bob", "role": "supervisor", "capacity": null, "disabled": false },
}))]
pub struct Act {
    pub id: i64,
    #[schema(format = DateTime)]
    pub at: String,
    pub by: Name,
    #[schema(required)]
    pub address: Option<String>,
    pub what: String,
    /// The shop, the user, or whatever it was done to.
    pub subject: String,
    #[schema(required)]
    pub before: Option<serde_json::Value>,
    #[schema(required)]
    pub after: Option<serde_json::Value>,
}

#[derive(Serialize, ToSchema)]
pub struct Acts {
    /// The latest first.
    pub items: Vec<Act>,
    #[schema(required)]
    pub next: Option<String>,
}
