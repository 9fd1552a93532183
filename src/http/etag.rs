//! Entity tags (RFC 9110, section 8.8.3): who polls, and has what there is, is not sent it again.

use actix_web::{
    Error, HttpRequest,
    body::{BodySize, BoxBody, MessageBody, to_bytes},
    dev::ServiceRequest,
    dev::ServiceResponse,
    http::{
        StatusCode,
        header::{self, ETAG, EntityTag, Header, HeaderValue, IfNoneMatch},
    },
    middleware::Next,
};
use sha2::{Digest, Sha256};

/// Larger answers go as they are.
const TAGGED_MAX: u64 = 1 << 20;

/// The tag of what has this digest.
pub fn of(digest: &[u8]) -> EntityTag {
    EntityTag::new_strong(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
}

/// Whether who asks has what has this tag.
pub fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Gives every whole answer to a GET a tag, made of its bytes; 304 to who has it. The answer was made for who asks now, so a tag tells
/// nobody anything.
///
/// # Errors
/// Those of the answer's body.
pub async fn tagged(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let whole = matches!(response.response().body().size(), BodySize::Sized(length) if length <= TAGGED_MAX);
    if response.status() != StatusCode::OK || !whole || response.headers().contains_key(ETAG) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (mut response, body) = response.into_parts();
    let bytes = to_bytes(body).await?;
    let tag = of(&Sha256::digest(&bytes));
    if let Ok(value) = HeaderValue::from_str(&tag.to_string()) {
        response.headers_mut().insert(ETAG, value);
    }
    if is_known(&request, &tag) {
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(ServiceResponse::new(request, response.set_body(BoxBody::new(()))));
    }
    Ok(ServiceResponse::new(request, response.set_body(BoxBody::new(bytes))))
}
