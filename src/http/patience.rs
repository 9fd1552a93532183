//! How long a request may take.

use std::time::Duration;

use actix_web::{
    Error, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use tokio::time::timeout;

use super::problem::Problem;
use crate::domain::refusal::Refusal;

/// Answers 503 where nothing else has been answered in time; what is under way goes on, and the same may be asked again. A body that
/// is streamed has the time it takes.
///
/// # Errors
/// What comes from within.
pub async fn within(
    patience: Duration,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.request().clone();
    match timeout(patience, next.call(request)).await {
        Ok(answered) => answered.map(ServiceResponse::map_into_boxed_body),
        Err(_) => {
            tracing::error!(path = asked.match_pattern(), "a request was not answered in time");
            let problem = Problem::from(Refusal::BUSY);
            Ok(ServiceResponse::new(asked, problem.error_response()))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, middleware::from_fn, test, web};

    use super::*;

    #[actix_web::test]
    async fn what_hangs_is_answered() {
        let hasty = |request, next| within(Duration::from_millis(50), request, next);
        let hang = web::get().to(|| async { std::future::pending::<HttpResponse>().await }).wrap(from_fn(hasty));
        let swift = web::get().to(|| async { "here" }).wrap(from_fn(hasty));
        let app = test::init_service(App::new().route("/hang", hang).route("/swift", swift)).await;
        let ask = |path: &str| test::call_service(&app, test::TestRequest::get().uri(path).to_request());
        let hung = ask("/hang").await;
        assert_eq!(hung.status(), 503);
        assert_eq!(hung.headers().get("retry-after").unwrap(), "1");
        assert_eq!(ask("/swift").await.status(), 200);
    }
}
