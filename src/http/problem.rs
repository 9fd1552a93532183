//! The one place where a refusal becomes an HTTP response.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use crate::{domain::refusal::Refusal, protocol::code};

/// A refusal as `application/problem+json` (RFC 9457).
#[derive(Debug)]
pub struct Problem(pub Refusal);

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(code::row(&self.0).0)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(code::row(&self.0).1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).content_type("application/problem+json").json(code::Problem(&self.0))
    }
}
