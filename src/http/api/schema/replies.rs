//! Canned replies.

use serde::Serialize;
use utoipa::ToSchema;

/// `{buyer.name}`, `{agent.name}` and `{shop.name}` in its text are filled in for a conversation.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 3,
    "group": "Greetings",
    "shortcut": "hi",
    "text": "Hello {buyer.name}, this is {agent.name}.",
    "rendered": "Hello Mei, this is Ann.",
    "own": false,
    "created_at": "2026-11-20T10:00:00.000Z",
    "updated_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct Reply {
    pub id: i64,
    #[schema(required)]
    pub group: Option<String>,
    pub shortcut: String,
    pub text: String,
    /// There where a conversation was asked for.
    pub rendered: Option<String>,
    /// Whether it is the agent's own; `false`: the whole shop's.
    pub own: bool,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct Replies {
    /// By shortcut.
    pub items: Vec<Reply>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shortcut": "hi", "text": "Hello {buyer.name}, this is {agent.name}.", "group": "Greetings" }))]
pub struct NewReply {
    /// Without blanks, and without a slash at its beginning; unique among the shop's, or one's own.
    #[schema(
        min_length = 1,
        max_length = 24,
        pattern = "^[^\\s/\\x00-\\x1f\\x7f-\\x9f][^\\s\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub shortcut: String,
    /// Placeholders: `{buyer.name}`, `{agent.name}`, `{shop.name}`.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = "^\\s*([^\\s\\x00{}]|\\{(buyer|agent|shop)[.]name\\})([^\\x00{}]|\\{(buyer|agent|shop)[.]name\\})*$"
    )]
    pub text: String,
    #[schema(max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub group: Option<String>,
    /// One's own, and not the whole shop's.
    pub own: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "text": "Good day, {buyer.name}.", "group": null }))]
pub struct ReplyChange {
    #[schema(
        min_length = 1,
        max_length = 24,
        pattern = "^[^\\s/\\x00-\\x1f\\x7f-\\x9f][^\\s\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub shortcut: Option<String>,
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = "^\\s*([^\\s\\x00{}]|\\{(buyer|agent|shop)[.]name\\})([^\\x00{}]|\\{(buyer|agent|shop)[.]name\\})*$"
    )]
    pub text: Option<String>,
    /// `null`: none.
    #[schema(max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub group: Option<String>,
}
