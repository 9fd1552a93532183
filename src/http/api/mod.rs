//! The REST API: its routes, grouped by what they are about.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `session` | login, visitors, logout, password, who one is |
//! | `messages` | saying something, reading what was said |
//! | `prepared` | messages in two phases |
//! | `check_back` | where a shop is asked what has become of them |
//! | `edits` | adding, editing and deleting messages of a shop |
//! | `erase` | erasing a person's data |
//! | `conversations` | own conversations, claims, cursors, ratings |
//! | `files` | uploads, and who reads them |
//! | `shops`, `agents` | making shops, and who works there |
//! | `replies` | canned replies |
//! | `keys` | API keys of a shop's programs |
//! | `webhooks` | endpoints to which a shop has its events posted, and what has not arrived there |
//! | `audit` | the list of administrative acts |
//! | `records`, `tickets` | a shop's conversations, and its rounds of service |
//! | `search` | a shop's messages by their words |
//! | `statistics` | a shop's figures |
//! | `exports` | messages, tickets and audit as files |
//! | `events` | what happens in a shop, for the shop's own systems |
//! | `schema`, `document` | the OpenAPI document and its page; bodies have a file for each group of routes |
//! | `access` | who may manage a shop, and who may read in it |
//! | `acting` | who changes something in a shop, whence, and what the audit keeps of it |
//! | `idempotency` | the same request again |
//! | `settings`, `input`, `output` | what all of them keep to, read and write |

mod access;
mod acting;
mod agents;
mod audit;
mod check_back;
mod conversations;
mod document;
mod edits;
mod erase;
mod events;
mod exports;
mod files;
mod idempotency;
mod input;
mod keys;
mod messages;
mod output;
mod prepared;
mod records;
mod replies;
pub mod schema;
mod search;
mod session;
mod settings;
mod shops;
mod statistics;
mod tickets;
mod webhooks;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{ResourceDef, ServiceRequest, ServiceResponse},
    guard,
    http::header::CACHE_CONTROL,
    middleware::{DefaultHeaders, Next, from_fn},
    web,
};

pub use idempotency::{KEY, REPLAYED};
pub use settings::{ApiSettings, Options};

use super::{etag, patience, problem::Problem};
use crate::domain::refusal::Refusal;

/// Makes the table of routes: what is mounted, and what a wrong method and the tests look up.
macro_rules! routes {
    ($($method:ident $path:literal => $($handler:ident)::+,)+) => {
        /// Every route under [`BASE`]: method and path.
        const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),+];

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+),+))]
        struct Routes;

        fn mount(cfg: &mut web::ServiceConfig) {
            $(cfg.route($path, wrapped(stringify!($method), $path, method(stringify!($method)).to($($handler)::+)));)+
        }
    };
}

pub const BASE: &str = "/api/v1";

routes! {
    POST   "/login"                                 => session::login,
    POST   "/visitors"                              => session::visitors,
    POST   "/logout"                                => session::logout,
    GET    "/me"                                    => session::me,
    POST   "/me/password"                           => session::password,

    POST   "/messages"                              => messages::send,
    POST   "/messages/prepare"                      => prepared::prepare,
    POST   "/messages/commit"                       => prepared::commit,
    POST   "/messages/abort"                        => prepared::abort,
    GET    "/conversations"                         => conversations::list,
    GET    "/conversations/{id}"                    => conversations::one,
    GET    "/conversations/{id}/messages"           => messages::list,
    GET    "/conversations/{id}/messages/{seq}"     => messages::one,
    POST   "/conversations/{id}/messages"           => edits::add,
    DELETE "/conversations/{id}/messages"           => edits::delete_several,
    PATCH  "/conversations/{id}/messages/{seq}"     => edits::edit,
    DELETE "/conversations/{id}/messages/{seq}"     => edits::delete,
    GET    "/conversations/{id}/timeline"           => conversations::timeline,
    POST   "/conversations/{id}/read"               => conversations::read,
    POST   "/conversations/{id}/claim"              => conversations::claim,
    POST   "/conversations/{id}/release"            => conversations::release,
    POST   "/conversations/{id}/transfer"           => conversations::transfer,
    POST   "/conversations/{id}/resolve"            => conversations::resolve,
    POST   "/conversations/{id}/rating"             => conversations::rating,

    POST   "/files"                                 => files::upload::upload,

    GET    "/shops"                                 => shops::list,
    POST   "/shops"                                 => shops::make,
    GET    "/shops/{shop}"                          => shops::one,
    PATCH  "/shops/{shop}"                          => shops::change,
    GET    "/shops/{shop}/agents"                   => agents::list,
    POST   "/shops/{shop}/agents"                   => agents::add,
    PATCH  "/shops/{shop}/agents/{uid}"             => agents::change,
    DELETE "/shops/{shop}/agents/{uid}"             => agents::remove,
    GET    "/shops/{shop}/keys"                     => keys::list,
    POST   "/shops/{shop}/keys"                     => keys::add,
    DELETE "/shops/{shop}/keys/{id}"                => keys::revoke,
    GET    "/shops/{shop}/webhooks"                 => webhooks::list,
    POST   "/shops/{shop}/webhooks"                 => webhooks::add,
    PATCH  "/shops/{shop}/webhooks/{id}"            => webhooks::change,
    DELETE "/shops/{shop}/webhooks/{id}"            => webhooks::remove,
    POST   "/shops/{shop}/webhooks/{id}/secret"     => webhooks::rotate,
    POST   "/shops/{shop}/webhooks/{id}/retry"      => webhooks::deliveries::retry,
    GET    "/shops/{shop}/webhooks/{id}/deliveries" => webhooks::deliveries::list,
    GET    "/shops/{shop}/audit"                    => audit::list,
    GET    "/shops/{shop}/replies"                  => replies::list,
    POST   "/shops/{shop}/replies"                  => replies::add,
    PATCH  "/shops/{shop}/replies/{id}"             => replies::change,
    DELETE "/shops/{shop}/replies/{id}"             => replies::remove,
    GET    "/shops/{shop}/conversations"            => records::conversations,
    GET    "/shops/{shop}/messages"                 => search::messages,
    GET    "/shops/{shop}/prepared"                 => prepared::list,
    POST   "/shops/{shop}/prepared/{ticket}/commit" => prepared::commit_parked,
    POST   "/shops/{shop}/prepared/{ticket}/abort"  => prepared::abort_parked,
    GET    "/shops/{shop}/check-back"               => check_back::one,
    POST   "/shops/{shop}/check-back"               => check_back::set,
    DELETE "/shops/{shop}/check-back"               => check_back::remove,
    GET    "/shops/{shop}/tickets"                  => tickets::list,
    GET    "/shops/{shop}/stats"                    => statistics::read,
    POST   "/shops/{shop}/exports"                  => exports::make,
    POST   "/shops/{shop}/erase"                    => erase::erase,
    GET    "/shops/{shop}/events"                   => events::list,
    GET    "/shops/{shop}/event-groups"             => events::groups::list,
    GET    "/shops/{shop}/event-groups/{name}"      => events::groups::one,
    POST   "/shops/{shop}/event-groups/{name}"      => events::groups::set,
    DELETE "/shops/{shop}/event-groups/{name}"      => events::groups::delete,
    POST   "/shops/{shop}/event-groups/{name}/take" => events::groups::take,
    POST   "/shops/{shop}/event-groups/{name}/ack"  => events::groups::ack,
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(files::serve::serve, exports::download))]
struct FileRoutes;

/// Mounts the API. Its handlers need `web::Data<Node>` and `web::Data<ApiSettings>`.
pub fn configure(cfg: &mut web::ServiceConfig) {
    let never_stored = DefaultHeaders::new().add((CACHE_CONTROL, "no-store"));
    cfg.service(web::scope(BASE).wrap(never_stored).configure(mount).default_service(web::to(unmatched)));
    cfg.route(files::URL, method("GET").to(files::serve::serve));
    cfg.route(exports::URL, method("GET").to(exports::download));
    cfg.route("/api/openapi.json", method("GET").to(document::json));
    cfg.route("/docs", method("GET").to(document::page));
}

/// What GET answers, HEAD answers too.
fn method(name: &str) -> actix_web::Route {
    match name {
        "GET" => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
        "PATCH" => web::patch(),
        "DELETE" => web::delete(),
        _ => web::post(),
    }
}

/// What goes around a handler: a tag on what is read, one answer under one key, and a bound on the time it takes. Uploads have the time
/// that their bytes need, and who waits for events says how long.
fn wrapped(method: &str, path: &str, route: actix_web::Route) -> actix_web::Route {
    let route = match method {
        "GET" => route.wrap(from_fn(etag::tagged)),
        "POST" if !idempotency::is_exempt(path) => route.wrap(from_fn(idempotency::once)),
        _ => route,
    };
    let has_time = path == "/files" || events::WAITING.contains(&path);
    if has_time { route } else { route.wrap(from_fn(in_time)) }
}

async fn in_time(
    api: web::Data<ApiSettings>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    patience::within(api.options.answer_timeout, request, next).await
}

/// A path that nobody knows, or one that knows other methods.
async fn unmatched(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.path().strip_prefix(BASE).unwrap_or_default();
    let known =
        ROUTES.iter().filter(|(_, pattern)| ResourceDef::new(*pattern).is_match(path)).map(|(method, _)| *method);
    let allow: Vec<&str> =
        known.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect();
    if allow.is_empty() { Err(Refusal::NotFound.into()) } else { Err(Problem::method(&allow)) }
}
