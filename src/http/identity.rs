//! The extractors that yield an identity: a handler that takes an [`Identity`] is for those who are logged in.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, header::AUTHORIZATION},
    web,
};
use futures_util::future::{FutureExt, LocalBoxFuture};

use super::{api::BASE, problem::Problem};
use crate::{
    actors::{
        node::Node,
        session::{Identity, identify, identify_whoever},
    },
    auth::token::Claims,
    domain::refusal::Refusal,
};

/// Whoever has any key may ask whose it is.
const ME: &str = "/me";

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1); `None` without the header.
///
/// # Errors
/// `Unauthenticated` for a header of another kind.
pub fn bearer(request: &HttpRequest) -> Result<Option<&str>, Refusal> {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) =
        header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or(Refusal::Unauthenticated)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(Refusal::Unauthenticated) }
}

/// What the token of a request says, for those who must know when it was issued.
///
/// # Errors
/// `Unauthenticated`.
pub fn claims(request: &HttpRequest, node: &Node) -> Result<Claims, Refusal> {
    let token = bearer(request)?.ok_or(Refusal::Unauthenticated)?;
    node.tokens.verify(token, crate::actors::now().0 / 1_000).map_err(|_| Refusal::Unauthenticated)
}

async fn of(request: HttpRequest) -> Result<Identity, Problem> {
    let node = request.app_data::<web::Data<Node>>().ok_or(Refusal::BUSY)?;
    let token = bearer(&request)?.ok_or(Refusal::Unauthenticated)?;
    let identity = identify(node, token).await?;
    permit(&identity, &request)?;
    Ok(identity)
}

/// Lets a key ask for no more than its scopes are good for; tokens ask for what they like.
fn permit(identity: &Identity, request: &HttpRequest) -> Result<(), Refusal> {
    let Some(key) = &identity.key else { return Ok(()) };
    let pattern = request.match_pattern().unwrap_or_default();
    let path = pattern.strip_prefix(BASE).unwrap_or(&pattern);
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let is_open = path == ME || key.scopes.iter().any(|scope| scope.opens(method.as_str(), path));
    if is_open { Ok(()) } else { Err(Refusal::Forbidden) }
}

/// Who asks, if it may ask for this at all.
///
/// # Errors
/// `Unauthenticated`; `Forbidden` for a key without the scope; `Unavailable`.
pub async fn whoever(request: &HttpRequest) -> Result<Identity, Problem> {
    let node = request.app_data::<web::Data<Node>>().ok_or(Refusal::BUSY)?;
    let token = bearer(request)?.ok_or(Refusal::Unauthenticated)?;
    let identity = identify_whoever(node, token).await?;
    permit(&identity, request)?;
    Ok(identity)
}

impl FromRequest for Identity {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Identity, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        of(request.clone()).boxed_local()
    }
}

/// Somebody who is logged in, be it with a token that is good for changing the password only.
pub struct Whoever(pub Identity);

impl FromRequest for Whoever {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Whoever, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { Ok(Whoever(whoever(&request).await?)) }.boxed_local()
    }
}

/// Somebody who is logged in, or nobody; what a bad token does not pass for.
pub struct Anyone(pub Option<Identity>);

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Anyone, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            match bearer(&request)? {
                Some(_) => Ok(Anyone(Some(of(request.clone()).await?))),
                None => Ok(Anyone(None)),
            }
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_token_travels_in_the_bearer_scheme_only() {
        let check = |header: &str| {
            let request = TestRequest::default().insert_header((AUTHORIZATION, header)).to_http_request();
            bearer(&request).map(|token| token.map(str::to_owned))
        };
        assert_eq!(check("Bearer a.b.c"), Ok(Some("a.b.c".to_owned())));
        assert_eq!(check("bearer  a.b.c"), Ok(Some("a.b.c".to_owned())));
        for bad in ["Basic YTpi", "a.b.c", "Bearer", ""] {
            assert_eq!(check(bad), Err(Refusal::Unauthenticated), "{bad}");
        }
        assert_eq!(bearer(&TestRequest::default().to_http_request()), Ok(None));
    }
}
