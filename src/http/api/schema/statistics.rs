//! A shop's figures.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::people::Name;

/// How many tickets.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "count": 40,
    "tickets": "/api/v1/shops/acme/tickets?event=opened&from=2026-11-01T00:00:00.000Z&to=2026-12-01T00:00:00.000Z&count=true",
}))]
pub struct TicketCount {
    pub count: i64,
    /// Where they are listed; the list's `count` is the same.
    pub tickets: String,
}

#[derive(Serialize, ToSchema)]
pub struct MessageCount {
    pub messages: i64,
    /// In how many tickets.
    pub count: i64,
    /// Where these are listed; the list has the same `count` and `messages`.
    pub tickets: String,
}

/// Of times, in milliseconds of working time.
#[derive(Serialize, ToSchema)]
pub struct Times {
    #[schema(required)]
    pub median_ms: Option<i64>,
    #[schema(required)]
    pub p90_ms: Option<i64>,
    /// Of how many tickets.
    pub count: i64,
    pub tickets: String,
}

/// Of the tickets that could expect an answer within 30 s: who got it.
#[derive(Serialize, ToSchema)]
pub struct Share {
    /// From 0 to 1.
    #[schema(required)]
    pub share: Option<f64>,
    pub within: TicketCount,
    pub not_within: TicketCount,
}

#[derive(Serialize, ToSchema)]
pub struct Ratings {
    #[schema(required)]
    pub average: Option<f64>,
    pub count: i64,
    pub tickets: String,
    /// One for each score, from 1 to 5.
    pub scores: Vec<ScoreCount>,
}

#[derive(Serialize, ToSchema)]
pub struct ScoreCount {
    pub score: i64,
    pub count: i64,
    pub tickets: String,
}

#[derive(Serialize, ToSchema)]
pub struct Figures {
    pub opened: TicketCount,
    pub left_messages: TicketCount,
    pub claimed: TicketCount,
    pub resolved: TicketCount,
    /// Of these, those that only a bot has had.
    pub resolved_by_bot: TicketCount,
    pub messages_in: MessageCount,
    pub messages_out: MessageCount,
    /// From when it came before people to the first claim.
    pub wait: Times,
    /// From when it came before people to the first answer.
    pub first_response: Times,
    /// From the first claim to the first answer.
    pub first_response_after_claim: Times,
    /// From when it came before people to the end, of those that did.
    pub resolution: Times,
    pub within_30s: Share,
    pub ratings: Ratings,
}

#[derive(Serialize, ToSchema)]
pub struct PieceFigures {
    #[schema(format = DateTime)]
    pub from: String,
    #[schema(format = DateTime)]
    pub to: String,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Serialize, ToSchema)]
pub struct AgentFigures {
    pub agent: Name,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Serialize, ToSchema)]
pub struct OldestWait {
    #[schema(format = DateTime)]
    pub since: String,
    pub wait_ms: i64,
    pub count: i64,
    pub tickets: String,
}

/// The shop as it is.
#[derive(Serialize, ToSchema)]
pub struct Live {
    /// Agents, but bots, with a session, by their status.
    pub agents_online: i64,
    pub agents_away: i64,
    pub waiting: TicketCount,
    pub claimed: TicketCount,
    #[schema(required)]
    pub oldest_wait: Option<OldestWait>,
    pub webhooks: WebhookTroubles,
}

/// What is wrong with the shop's endpoints: more under `webhooks`, for admins.
#[derive(Serialize, ToSchema)]
pub struct WebhookTroubles {
    /// Endpoints at which nothing has arrived lately.
    pub failing: i64,
    /// Endpoints that were given up: they are told nothing any more.
    pub switched_off: i64,
    /// Events that were given up, at all of them.
    pub dead_letters: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "shop": "acme",
    "time_zone": "Europe/Berlin",
    "now": {
        "agents_online": 2,
        "agents_away": 1,
        "waiting": tickets(0, "state=waiting"),
        "claimed": tickets(3, "state=claimed"),
        "oldest_wait": null,
        "webhooks": { "failing": 0, "switched_off": 0, "dead_letters": 0 },
    },
    "from": "2026-11-20T00:00:00.000Z",
    "to": "2026-11-21T00:00:00.000Z",
    "bucket": null,
    "total": figures(),
    "buckets": [],
    "agents": [],
}))]
pub struct Statistics {
    pub shop: String,
    pub time_zone: String,
    pub now: Live,
    #[schema(format = DateTime)]
    pub from: String,
    #[schema(format = DateTime)]
    pub to: String,
    #[schema(required)]
    pub bucket: Option<String>,
    /// Of the whole period.
    pub total: Figures,
    /// Of its pieces, one after the other.
    pub buckets: Vec<PieceFigures>,
    /// Of all agents who have a part in it, by `uid`.
    pub agents: Vec<AgentFigures>,
}

/// An example.
fn tickets(count: i64, sought: &str) -> Value {
    json!({ "count": count, "tickets": format!("/api/v1/shops/acme/tickets?{sought}&count=true") })
}

fn figures() -> Value {
    const DAY: &str = "from=2026-11-20T00:00:00.000Z&to=2026-11-21T00:00:00.000Z";
    let list = |count: i64, event: &str, more: &str| tickets(count, &format!("event={event}&{DAY}{more}"));
    let with = |mut figure: Value, values: Value| {
        if let (Some(figure), Value::Object(values)) = (figure.as_object_mut(), values) {
            figure.extend(values);
        }
        figure
    };
    let times = |list: Value, median: i64, p90: i64| with(list, json!({ "median_ms": median, "p90_ms": p90 }));
    let score = |score: i64| {
        let count = i64::from(score == 5);
        with(list(count, "rated", &format!("&score={score}")), json!({ "score": score }))
    };
    let scores = [1, 2, 3, 4, 5].map(score);
    json!({
        "opened": list(4, "opened", ""),
        "left_messages": list(1, "opened", "&left_message=true"),
        "claimed": list(3, "claimed", ""),
        "resolved": list(2, "resolved", ""),
        "resolved_by_bot": list(0, "resolved", "&by_bot=true"),
        "messages_in": with(list(4, "message_in", ""), json!({ "messages": 12 })),
        "messages_out": with(list(3, "message_out", ""), json!({ "messages": 9 })),
        "wait": times(list(3, "claimed", "&outbound=false"), 4_000, 9_600),
        "first_response": times(list(3, "answered", "&outbound=false"), 21_000, 37_000),
        "first_response_after_claim": times(list(3, "answered", "&outbound=false"), 15_000, 28_600),
        "resolution": times(list(2, "resolved", "&by_bot=false"), 300_000, 420_000),
        "within_30s": {
            "share": 0.75,
            "within": list(3, "opened", "&within_30s=true"),
            "not_within": list(1, "opened", "&within_30s=false"),
        },
        "ratings": with(list(1, "rated", ""), json!({ "average": 5.0, "scores": scores })),
    })
}
