//! The one place where a refusal becomes an HTTP answer: a problem document (RFC 9457) with the code that the socket has for it.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{domain::refusal::Refusal, protocol::code};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request is not answered with what it asks for. The status is the refusal's, unless HTTP has a better one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    refusal: Refusal,
    status: StatusCode,
    /// The methods that a path knows, for 405.
    allow: Option<String>,
}

impl Problem {
    /// 405: the path is known, the method is not; `allow` names those that are (RFC 9110, section 10.2.1).
    pub fn method(allow: &[&str]) -> Problem {
        let problem = Problem::from(Refusal::invalid("method"));
        Problem { status: StatusCode::METHOD_NOT_ALLOWED, allow: Some(allow.join(", ")), ..problem }
    }

    /// 415: a body in a format that is not read here.
    pub fn media_type() -> Problem {
        Problem { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Problem::from(Refusal::invalid("content-type")) }
    }

    /// 408: the request has not come whole in time. The connection ends with the answer.
    pub fn slow() -> Problem {
        Problem { status: StatusCode::REQUEST_TIMEOUT, ..Problem::from(Refusal::BUSY) }
    }

    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (_, status, _) = code::row(&refusal);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem { refusal, status, allow: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(code::row(&self.refusal).2)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type(MEDIA_TYPE);
        match &self.refusal {
            Refusal::Unauthenticated => header(&mut response, (WWW_AUTHENTICATE, "Bearer")),
            Refusal::RateLimited { retry_after_ms } | Refusal::Unavailable { retry_after_ms } => {
                header(&mut response, (RETRY_AFTER, retry_after_ms.div_ceil(1_000).to_string()));
            }
            _ => {}
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            response.force_close();
        }
        if let Some(allow) = &self.allow {
            header(&mut response, (ALLOW, allow.as_str()));
        }
        response.body(serde_json::to_string(self).unwrap_or_default())
    }
}

fn header(response: &mut HttpResponseBuilder, header: impl actix_web::http::header::TryIntoHeaderPair) {
    response.insert_header(header);
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (code, _, message) = code::row(&self.refusal);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/docs#{code}"))?;
        map.serialize_entry("title", message)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        code::serialize_into(&self.refusal, &mut map)?;
        map.end()
    }
}

/// What a path that nobody knows gets.
///
/// # Errors
/// Always `NotFound`.
pub async fn not_found(_: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Refusal::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(problem: impl Into<Problem>, status: u16, headers: &[(&str, &str)], body: &str) {
        let problem = problem.into();
        let response = problem.error_response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().get("content-type").unwrap(), MEDIA_TYPE);
        for (name, value) in headers {
            assert_eq!(response.headers().get(*name).unwrap(), value);
        }
        assert_eq!(serde_json::to_string(&problem).unwrap(), body);
    }

    #[test]
    fn refusals_are_problem_documents() {
        check(
            Refusal::invalid("content.text"),
            400,
            &[],
            r#"{"type":"/docs#invalid","title":"a field is missing, wrong or too long","status":400,"code":"invalid","message":"a field is missing, wrong or too long","field":"content.text"}"#,
        );
        check(
            Refusal::Unauthenticated,
            401,
            &[("www-authenticate", "Bearer")],
            r#"{"type":"/docs#unauthenticated","title":"log in first, with a valid token","status":401,"code":"unauthenticated","message":"log in first, with a valid token"}"#,
        );
        check(
            Refusal::Unavailable { retry_after_ms: 1_001 },
            503,
            &[("retry-after", "2")],
            r#"{"type":"/docs#unavailable","title":"not available at the moment: try the same again","status":503,"code":"unavailable","message":"not available at the moment: try the same again","retry_after_ms":1001}"#,
        );
        check(
            Problem::method(&["GET", "HEAD"]),
            405,
            &[("allow", "GET, HEAD")],
            r#"{"type":"/docs#invalid","title":"a field is missing, wrong or too long","status":405,"code":"invalid","message":"a field is missing, wrong or too long","field":"method"}"#,
        );
    }
}
