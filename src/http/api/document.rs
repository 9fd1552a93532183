//! The OpenAPI document, made of what stands beside each handler, and the page that shows it.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    web,
};
use utoipa::{
    OpenApi,
    openapi::{
        Content, ContentBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, ParameterIn},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::{BASE, FileRoutes, Routes, schema};
use crate::{
    domain::{people::Person, refusal::Refusal},
    http::problem::{MEDIA_TYPE, Problem},
};

/// The page has no script but the server's own; what it shows the document with writes styles into its elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE: &str = include_str!("../../../web/docs.html");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shopbell",
        description = "The REST API of a customer-service chat server. `Authorization: Bearer` carries a token: an HS256 JWT \
            with `sub` and `exp`, signed with `auth.secret`, or what `POST /login` and `POST /visitors` give. Errors are \
            problem documents (RFC 9457) with the same codes as on the socket. Lists take `limit` and `cursor`. Every GET \
            answers HEAD. Times are RFC 3339, UTC, with milliseconds.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "session", description = "Getting a token, giving it back, and who one is"),
        (name = "messages", description = "Saying something, and reading what was said"),
        (name = "conversations", description = "Conversations of which one is a member, or whose shop one works for"),
        (name = "files", description = "Uploads"),
        (name = "shops", description = "Making shops and changing them"),
        (name = "agents", description = "Who works in a shop"),
        (name = "records", description = "A shop's conversations and tickets"),
    ),
    components(schemas(schema::Problem)),
)]
struct Head;

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Head::openapi().nest(BASE, Routes::openapi()).merge_from(FileRoutes::openapi());
    let components = document.components.get_or_insert_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            complete(operation);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [("GET", &mut item.get), ("POST", &mut item.post), ("PATCH", &mut item.patch), ("DELETE", &mut item.delete)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Adds what is the same everywhere: an unmistakable id, who may, and the refusals that follow from what an operation takes.
fn complete(operation: &mut Operation) {
    if let (Some(id), Some(tag)) = (&operation.operation_id, operation.tags.as_ref().and_then(|tags| tags.first())) {
        operation.operation_id = Some(format!("{tag}_{id}"));
    }
    let mut refusals = vec![(503, "Nothing is wrong with the request: the same again, later")];
    let security =
        operation.security.get_or_insert_with(|| vec![SecurityRequirement::new("token", std::iter::empty::<String>())]);
    if security.iter().any(|requirement| *requirement != SecurityRequirement::default()) {
        refusals.push((401, "No valid token"));
    }
    let takes = |place: ParameterIn| {
        operation.parameters.iter().flatten().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    if takes(ParameterIn::Path) {
        refusals.push((404, "It does not exist, or whoever asks may not know that it does"));
    }
    if takes(ParameterIn::Query) {
        refusals.push((400, "A wrong parameter"));
    }
    if operation.request_body.is_some() {
        refusals.push((400, "No JSON object, or a field is missing, wrong or too long"));
        refusals.push((413, "Too large"));
        refusals.push((415, "Another media type"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in refusals {
        let refused = || RefOr::T(ResponseBuilder::new().description(description).build());
        responses.entry(status.to_string()).or_insert_with(refused);
    }
    for (status, response) in responses.iter_mut() {
        if let (RefOr::T(response), Some(status)) = (response, refused(status)) {
            let problem = problem(status, response);
            response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(problem));
        }
    }
}

/// The status of an answer that carries a problem document. 416 says all in its headers.
fn refused(status: &str) -> Option<u16> {
    status.parse().ok().filter(|status| *status >= 400 && *status != 416)
}

/// A problem document, with the first code that the description names as the example.
fn problem(status: u16, response: &Response) -> Content {
    let first = response.description.split('`').skip(1).step_by(2).find_map(|word| {
        let refusals = examples();
        refusals.into_iter().find(|refusal| crate::protocol::code::row(refusal).0 == word)
    });
    let refusal =
        first.or_else(|| examples().into_iter().find(|refusal| crate::protocol::code::row(refusal).1 == status));
    let problem = match (status, refusal) {
        (415, _) => Problem::media_type(),
        (_, Some(refusal)) => Problem::from(refusal),
        (_, None) => Problem::from(Refusal::BUSY),
    };
    let example = serde_json::to_value(&problem).ok();
    ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(example).build()
}

/// One refusal of each code.
fn examples() -> Vec<Refusal> {
    let alice = std::sync::Arc::new(Person {
        id: crate::domain::ids::UserId(1),
        uid: "alice".into(),
        name: "Alice".into(),
        avatar: None,
    });
    vec![
        Refusal::invalid("content.text"),
        Refusal::BadFrame,
        Refusal::Unauthenticated,
        Refusal::Forbidden,
        Refusal::NotFound,
        Refusal::Conflict,
        Refusal::NotClaimed,
        Refusal::AlreadyClaimed(alice.clone()),
        Refusal::NotClaimant(alice),
        Refusal::TooLarge,
        Refusal::RateLimited { retry_after_ms: 1_000 },
        Refusal::BUSY,
    ]
}

/// The document as JSON, made once.
static WRITTEN: LazyLock<web::Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());

pub async fn json() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).content_type("application/json").body(WRITTEN.clone())
}

pub async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::api::{ROUTES, files};

    #[test]
    fn what_is_mounted_is_documented_and_nothing_else() {
        let mounted: BTreeSet<(String, String)> = ROUTES
            .iter()
            .map(|(method, path)| ((*method).to_owned(), format!("{BASE}{path}")))
            .chain([("GET".to_owned(), files::URL.to_owned())])
            .collect();
        let mut documented = BTreeSet::new();
        for (path, item) in &mut document().paths.paths {
            for (method, _) in operations(item) {
                documented.insert((method.to_owned(), path.clone()));
            }
        }
        assert_eq!(mounted, documented);
    }

    #[test]
    fn every_operation_is_whole() {
        let mut ids = BTreeSet::new();
        for (path, item) in &mut document().paths.paths {
            for (method, operation) in operations(item) {
                let what = format!("{method} {path}");
                assert!(ids.insert(operation.operation_id.clone().unwrap()), "{what}: its id is another's");
                assert!(operation.summary.is_some(), "{what}: no summary");
                let in_path = path.matches('{').count();
                let described = operation.parameters.iter().flatten().filter(
                    |p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Path && p.description.is_some()),
                );
                assert_eq!(described.count(), in_path, "{what}: parameters of its path");
                for (status, response) in &operation.responses.responses {
                    let RefOr::T(response) = response else { panic!("{what} {status}") };
                    assert!(!response.description.is_empty(), "{what} {status}");
                    if refused(status).is_some() {
                        let problem = &response.content[MEDIA_TYPE];
                        assert!(matches!(problem, RefOr::T(p) if p.example.is_some()), "{what} {status}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_document_names_what_it_describes() {
        let json = serde_json::to_value(document()).unwrap();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"), "{}", json["openapi"]);
        assert_eq!(json["info"]["title"], "Shopbell");
        assert_eq!(json["info"]["version"], env!("CARGO_PKG_VERSION"));
        let text = json.to_string();
        let schemas = json["components"]["schemas"].as_object().unwrap();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is referred to and not there");
        }
    }
}
