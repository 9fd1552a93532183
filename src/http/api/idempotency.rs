//! `Idempotency-Key` on POST (draft-ietf-httpapi-idempotency-key-header): who asks again for the same under the same key gets what was
//! answered first, over whatever node, and nothing is done twice.

use actix_http::h1;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody, to_bytes},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName},
    },
    middleware::Next,
    web,
};

use super::input;
use crate::{
    actors::{journal::write, node::Node, now},
    domain::refusal::Refusal,
    http::{
        identity::{bearer, whoever},
        problem::Problem,
    },
    store::idempotency::{self, Answer, Known, Request},
};

pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub const KEY_MAX: usize = 255;
/// Larger answers are not kept.
const ANSWER_MAX: u64 = 64 * 1024;

/// Where a key is ignored: answers with a token or with the right to a file are not kept, and a file is not read twice to be known again.
pub fn is_exempt(path: &str) -> bool {
    const EXEMPT: [&str; 10] = [
        "/login",
        "/visitors",
        "/logout",
        "/me/password",
        "/files",
        "/shops/{shop}/exports",
        "/shops/{shop}/keys",
        "/shops/{shop}/webhooks",
        "/shops/{shop}/webhooks/{id}/secret",
        "/shops/{shop}/check-back",
    ];
    EXEMPT.contains(&path)
}

/// Does at most once what is asked for under a key.
///
/// # Errors
/// What comes from within.
pub async fn once(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.request().clone();
    match attempt(request, next).await {
        Ok(response) => response,
        Err(problem) => Ok(ServiceResponse::new(asked, problem.error_response())),
    }
}

type Response = Result<ServiceResponse<BoxBody>, Error>;

async fn attempt(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<Response, Problem> {
    let asked = request.request().clone();
    let (Some(key), Some(_)) = (key(&asked)?, bearer(&asked).ok().flatten()) else {
        return Ok(next.call(request).await.map(ServiceResponse::map_into_boxed_body));
    };
    let node = asked.app_data::<web::Data<Node>>().ok_or(Refusal::BUSY)?.clone();
    let user = whoever(&asked).await?.person.id;
    let body = input::read(&asked, request.take_payload()).await?;
    let digest = digest(&node, &asked, &body)?;
    request.set_payload(again(body));
    let made = Request { user, key, digest, at: now() };
    let noted = made.clone();
    match write(&node.journal, move |db| Ok(idempotency::begin(db, &noted)?)).await? {
        Known::Nothing => {}
        Known::Answered(answer) => return Ok(Ok(ServiceResponse::new(asked, replay(answer)))),
        Known::UnderWay => return Err(Refusal::BUSY.into()),
        Known::Other => return Err(Refusal::Conflict.into()),
    }
    // Who has gone meanwhile and comes again gets this answer.
    let running = actix_web::rt::spawn(async move {
        let response = next.call(request).await.map(ServiceResponse::map_into_boxed_body);
        keep(&node, made, response).await
    });
    running.await.map_err(|_| Problem::from(Refusal::BUSY))
}

/// The key of a request: visible characters, as they stand.
fn key(request: &HttpRequest) -> Result<Option<String>, Refusal> {
    let mut keys = request.headers().get_all(&KEY);
    let Some(key) = keys.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().map(str::trim).filter(fits).filter(|_| keys.next().is_none());
    key.map(|key| Some(key.to_owned())).ok_or(Refusal::invalid("idempotency-key"))
}

/// Of what makes a request this one. A body may hold a password, so not everybody can compute it.
fn digest(node: &Node, request: &HttpRequest, body: &[u8]) -> Result<String, Refusal> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let all = [request.method().as_str().as_bytes(), b" ", target.as_bytes(), b"\n", body].concat();
    node.tokens.digest("idempotency", &all).map_err(|_| Refusal::BUSY)
}

/// A body that has been read, to be read again.
fn again(body: web::Bytes) -> Payload {
    let (_, mut payload) = h1::Payload::create(true);
    payload.unread_data(body);
    payload.into()
}

fn replay(answer: Answer) -> HttpResponse {
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::OK));
    response.insert_header((REPLAYED, "true"));
    if let Some(media) = answer.media {
        response.insert_header((CONTENT_TYPE, media));
    }
    response.body(answer.body)
}

/// Whether the same request would be answered so again, whenever it is made.
fn is_final(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_success() || status.is_client_error() && !passing.contains(&status)
}

fn is_small(body: &BoxBody) -> bool {
    match body.size() {
        BodySize::None => true,
        BodySize::Sized(length) => length <= ANSWER_MAX,
        BodySize::Stream => false,
    }
}

async fn keep(node: &Node, made: Request, response: Response) -> Response {
    let forget = async |made: Request| write(&node.journal, move |db| Ok(idempotency::forget(db, &made)?)).await;
    let response = match response {
        Ok(response) if is_final(response.status()) && is_small(response.response().body()) => response,
        other => {
            noted(forget(made).await);
            return other;
        }
    };
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let bytes = to_bytes(body).await?;
    let media = response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).map(str::to_owned);
    let status = i16::try_from(response.status().as_u16()).unwrap_or_default();
    match String::from_utf8(bytes.to_vec()) {
        Ok(body) => {
            let answer = Answer { status, media, body };
            noted(write(&node.journal, move |db| Ok(idempotency::finish(db, &made, &answer)?)).await);
        }
        Err(_) => noted(forget(made).await),
    }
    Ok(ServiceResponse::new(request, response.set_body(BoxBody::new(bytes))))
}

/// Without it, the same request runs again after a while: what it does is done, and its answer goes out.
fn noted(result: Result<(), Refusal>) {
    if let Err(refusal) = result {
        tracing::warn!(?refusal, "an answer could not be kept under its key");
    }
}
