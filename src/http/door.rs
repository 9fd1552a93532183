//! The socket's door: who may open one, and the session behind it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::Origins;
use crate::{
    actors::{
        node::Node,
        session::{Session, identify_for_socket},
    },
    domain::refusal::Refusal,
    http::problem::Problem,
    protocol::event::Language,
    socket,
};

/// `GET /ws`: 403 for a page of another origin, 401 for a bad token in the upgrade request, else 101.
pub async fn open(
    request: HttpRequest,
    payload: web::Payload,
    node: web::Data<Node>,
    origins: web::Data<Origins>,
) -> Result<HttpResponse, actix_web::Error> {
    if !origins.admit(&request) {
        return Err(Problem::from(Refusal::Forbidden).into());
    }
    let identity = match bearer(&request) {
        Some(token) => Some(identify_for_socket(&node, token).await.map_err(Problem::from)?),
        None => None,
    };
    let languages = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = languages.map(Language::accepted).unwrap_or_default();
    let limits = node.socket;
    let session = Session::new(Arc::clone(&node), language, identity);
    Ok(socket::accept(&request, payload, limits, session)?.0)
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1); an unreadable header is an empty token.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?;
    let value = value.to_str().unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ => Some(""),
    }
}
