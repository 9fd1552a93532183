//! Webhooks, and what has not arrived there.

use serde::Serialize;
use utoipa::ToSchema;

/// Whether events are posted to it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    On,
    /// By an admin.
    Off,
    /// It has failed for three days.
    Failed,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 3,
    "url": "https://shop.example/hooks/chat",
    "types": ["message.stored", "conversation.resolved"],
    "state": "on",
    "failing_since": "2026-11-20T12:00:00.000Z",
    "switched_off_at": null,
    "waiting": 12,
    "dead": 0,
    "old_secret_until": null,
    "created_at": "2026-11-20T10:00:00.000Z",
    "updated_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct Webhook {
    pub id: i64,
    pub url: String,
    /// None named: all.
    pub types: Vec<String>,
    pub state: WebhookState,
    /// Since when nothing has arrived.
    #[schema(required, format = DateTime)]
    pub failing_since: Option<String>,
    #[schema(required, format = DateTime)]
    pub switched_off_at: Option<String>,
    /// How many events wait to be sent, for the first time or again.
    pub waiting: i64,
    /// How many dead letters there are.
    pub dead: i64,
    /// Until then what is posted is signed with the secret before, too.
    #[schema(required, format = DateTime)]
    pub old_secret_until: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Only where it is new.
    #[schema(format = Password)]
    pub secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Webhooks {
    /// In the order of their making.
    pub items: Vec<Webhook>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "url": "https://shop.example/hooks/chat", "types": ["message.stored", "conversation"] }))]
pub struct NewWebhook {
    /// Of a public address.
    #[schema(min_length = 1, max_length = 2048)]
    pub url: String,
    /// Kinds of events, or groups of them (`conversation`); none named: all.
    pub types: Option<Vec<String>>,
    /// `whsec_`, and 24 to 64 bytes in base64. One is made where it is absent.
    #[schema(max_length = 128, pattern = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$")]
    pub secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "types": ["message"], "disabled": false }))]
pub struct WebhookChange {
    #[schema(min_length = 1, max_length = 2048)]
    pub url: Option<String>,
    pub types: Option<Vec<String>>,
    /// `false` also switches on what has been switched off for failing.
    pub disabled: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "overlap_s": 3600 }))]
pub struct NewSecret {
    /// One is made where it is absent.
    #[schema(max_length = 128, pattern = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$")]
    pub secret: Option<String>,
    /// How long the one before signs too, in seconds; a day where it is absent.
    #[schema(minimum = 0, maximum = 604800)]
    pub overlap_s: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "dead")]
pub enum DeliveryState {
    Dead,
    Waiting,
}

/// An attempt that has failed.
#[derive(Serialize, ToSchema)]
pub struct DeliveryAttempt {
    #[schema(format = DateTime)]
    pub at: String,
    pub took_ms: i64,
    /// `null`: there was no answer.
    #[schema(required)]
    pub status: Option<i32>,
    /// The beginning of what was answered, or why nothing was.
    pub answer: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "position": 17,
    "type": "message.stored",
    "conversation": 4,
    "at": "2026-11-20T10:00:00.000Z",
    "state": "dead",
    "due_at": null,
    "dead_at": "2026-11-20T14:00:00.000Z",
    "attempts": [{ "at": "2026-11-20T10:00:00.100Z", "took_ms": 31, "status": 503, "answer": "come back later" }],
}))]
pub struct Delivery {
    /// Of the event.
    pub position: i64,
    #[schema(required)]
    pub r#type: Option<String>,
    #[schema(required)]
    pub conversation: Option<i64>,
    /// When it happened.
    #[schema(required, format = DateTime)]
    pub at: Option<String>,
    pub state: DeliveryState,
    /// When it is tried next, if those before it have arrived by then.
    #[schema(required, format = DateTime)]
    pub due_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub dead_at: Option<String>,
    pub attempts: Vec<DeliveryAttempt>,
}

#[derive(Serialize, ToSchema)]
pub struct Deliveries {
    /// In the order in which they happened.
    pub items: Vec<Delivery>,
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "position": 17 }))]
pub struct Retry {
    /// Of a dead letter; all where it is absent.
    #[schema(minimum = 1)]
    pub position: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "events": 12 }))]
pub struct Retried {
    pub events: u64,
}
