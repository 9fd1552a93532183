//! Exports.

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "format": "csv", "what": "tickets", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z" }))]
pub struct NewExport {
    pub format: ExportFormat,
    pub what: Exported,
    /// What was said, opened or done at this time or later; from the beginning where it is absent.
    #[schema(format = DateTime, nullable = false)]
    pub from: Option<String>,
    /// Before this time; until now where it is absent.
    #[schema(format = DateTime, nullable = false)]
    pub to: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    Csv,
    Xlsx,
    Jsonl,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exported {
    Messages,
    Tickets,
    Audit,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "url": "/exports/0123456789abcdef0123456789abcdef/acme-tickets.csv",
    "expires_at": "2026-11-21T10:01:00.000Z",
}))]
pub struct Export {
    /// Of this server: good once, without a token.
    pub url: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
}
