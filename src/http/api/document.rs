//! The OpenAPI document, made of what stands beside each handler, and the page that shows it.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    web,
};
use serde_json::{Value, json};
use utoipa::{
    OpenApi,
    openapi::{
        Content, ContentBuilder, HeaderBuilder, Object, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::ArrayItems,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    BASE, FileRoutes, Routes, idempotency,
    schema::{self, parameters},
};
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
        (name = "replies", description = "Canned replies"),
        (name = "keys", description = "API keys of a shop's programs"),
        (name = "webhooks", description = "Endpoints to which a shop has its events posted, and what has not arrived there"),
        (name = "audit", description = "Who did what in a shop, when and whence"),
        (name = "exports", description = "Messages, tickets and audit as files"),
        (name = "records", description = "A shop's conversations"),
        (name = "prepared", description = "Messages in two phases, tied to a shop's own transactions"),
        (name = "search", description = "A shop's messages by their words"),
        (name = "tickets", description = "A shop's rounds of service"),
        (name = "events", description = "What happens in a shop, for the shop's own systems"),
        (name = "event_groups", description = "Readers of a shop's events that share the work"),
        (name = "statistics", description = "A shop's figures"),
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
    exemplify(&mut components.schemas);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            around(method, path.strip_prefix(BASE), operation);
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

/// Adds what goes around every handler of a method, for paths of the API: tags and keys.
fn around(method: &str, path: Option<&str>, operation: &mut Operation) {
    let Some(path) = path else { return };
    let mut takes = |name: &str, description: &str| {
        let parameter =
            ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).description(Some(description));
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
    };
    let header = |description: &str, example: &str| {
        let text = Object::with_type(Type::String);
        RefOr::T(
            HeaderBuilder::new()
                .schema(Some(text))
                .description(Some(description))
                .example(Some(example.into()))
                .build(),
        )
    };
    let responses = &mut operation.responses.responses;
    if method == "GET" {
        takes("If-None-Match", "`ETag` of the answer that one has: 304 where it is still the answer");
        let unchanged = ResponseBuilder::new().description("Unchanged, to who has it").build();
        responses.entry("304".to_owned()).or_insert(RefOr::T(unchanged));
        for status in ["200", "304"] {
            if let Some(RefOr::T(response)) = responses.get_mut(status) {
                response.headers.insert("ETag".to_owned(), header("Of these bytes", "\"5d41402abc4b2a76b9719d91\""));
            }
        }
    }
    if method == "POST" && !idempotency::is_exempt(path) {
        takes(
            "Idempotency-Key",
            "The same request under the same key, within a day: the first answer again. Another request: `conflict`",
        );
        let conflict = ResponseBuilder::new().description("Another request under the same key: `conflict`").build();
        responses.entry("409".to_owned()).or_insert(RefOr::T(conflict));
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
            let RefOr::T(response) = response else { continue };
            let replayed = header("On an answer that was given before", "true");
            response.headers.insert("Idempotency-Replayed".to_owned(), replayed);
        }
    }
}

/// Gives a parameter the schema and the example that all of its name have.
fn describe(parameter: &mut Parameter) {
    let Some(known) = parameters::of(&parameter.name, parameter.parameter_in == ParameterIn::Query) else { return };
    match &mut parameter.schema {
        Some(RefOr::T(Schema::Object(own))) if own.maximum.is_some() || own.pattern.is_some() => {
            own.example = known.get("example").cloned();
        }
        // A word of a list that only this one has.
        Some(RefOr::Ref(_) | RefOr::T(Schema::OneOf(_))) => {}
        schema => {
            *schema = serde_json::from_value::<Object>(known).ok().map(|known| RefOr::T(Schema::Object(known)));
        }
    }
}

/// Gives a page the example of what it is a page of.
fn exemplify(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let example = |(name, schema): (&String, &RefOr<Schema>)| match schema {
        RefOr::T(Schema::Object(schema)) => Some((format!("#/components/schemas/{name}"), schema.example.clone()?)),
        _ => None,
    };
    let examples: BTreeMap<String, Value> = schemas.iter().filter_map(example).collect();
    for schema in schemas.values_mut() {
        let RefOr::T(Schema::Object(page)) = schema else { continue };
        let Some(RefOr::T(Schema::Array(list))) = page.properties.get("items") else { continue };
        let ArrayItems::RefOrSchema(item) = &list.items else { continue };
        let RefOr::Ref(item) = item.as_ref() else { continue };
        if let (None, Some(example)) = (&page.example, examples.get(&item.ref_location)) {
            let (end, value) =
                if page.properties.contains_key("more") { ("more", json!(false)) } else { ("next", Value::Null) };
            page.example = Some(json!({ "items": [example], end: value }));
        }
    }
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
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            describe(parameter);
        }
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
    if takes(ParameterIn::Query) || takes(ParameterIn::Header) {
        refusals.push((400, "A wrong parameter"));
    }
    if operation.request_body.is_some() {
        refusals.push((400, "No JSON object, or a field is missing, wrong or too long"));
        refusals.push((408, "The body has not come whole in time"));
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
        (408, _) => Problem::slow(),
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
        Refusal::Gone { earliest: 4_711 },
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
    use crate::http::api::{ROUTES, exports, files};

    #[test]
    fn what_is_mounted_is_documented_and_nothing_else() {
        let mounted: BTreeSet<(String, String)> = ROUTES
            .iter()
            .map(|(method, path)| ((*method).to_owned(), format!("{BASE}{path}")))
            .chain([files::URL, exports::URL].map(|path| ("GET".to_owned(), path.to_owned())))
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

    /// The schema, looked up where it is named.
    fn whole<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => document.pointer(name.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    #[test]
    fn every_operation_shows_what_is_asked_and_answered() {
        let document = serde_json::to_value(document()).unwrap();
        let mut without = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let what = format!("{method} {path}");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let schema = &parameter["schema"];
                    let mut schemas = schema["oneOf"].as_array().into_iter().flatten().chain([schema]);
                    let is_shown = schemas.any(|schema| !whole(&document, schema)["example"].is_null());
                    if !is_shown && parameter["name"] != "cursor" {
                        without.push(format!("{what}: {}", parameter["name"]));
                    }
                }
                let answers = operation["responses"].as_object().unwrap().iter();
                let bodies = answers.map(|(status, answer)| (status.as_str(), answer));
                for (which, body) in bodies.chain([("body", &operation["requestBody"])]) {
                    for (media, content) in body["content"].as_object().into_iter().flatten() {
                        let shown =
                            !content["example"].is_null() || !whole(&document, &content["schema"])["example"].is_null();
                        if !shown && media != "multipart/form-data" {
                            without.push(format!("{what}: {which}"));
                        }
                    }
                }
            }
        }
        assert_eq!(without, Vec::<String>::new(), "no example");
    }

    #[test]
    fn types_of_events_are_the_same_everywhere() {
        let json = serde_json::to_value(document()).unwrap();
        let parameter = parameters::of("types", true).unwrap();
        let field = &json["components"]["schemas"]["EventGroupChange"]["properties"]["types"];
        assert_eq!(field["pattern"], parameter["pattern"]);
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
