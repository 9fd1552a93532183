//! The pages and what they are made of, compiled into the binary from `web/`.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::Write,
    sync::{PoisonError, RwLock},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, AcceptEncoding, ContentEncoding, ETag, Encoding, EntityTag, Header, TryIntoHeaderValue},
    web::{self, Bytes},
};
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;

use super::etag;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Web;

pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(page("/", "demo.html"))
        .service(page("/demo", "demo.html"))
        .service(page("/agent", "agent.html"))
        .service(page("/admin", "admin.html"))
        .service(page("/widget.js", "widget.js"))
        .service(web::resource("/assets/{path:.*}").route(web::get().to(asset)).route(web::head().to(asset)));
}

fn page(path: &'static str, file: &'static str) -> actix_web::Resource {
    let serve = move |request: HttpRequest| async move { serve(&request, file).await };
    web::resource(path).route(web::get().to(serve)).route(web::head().to(serve))
}

async fn asset(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    serve(&request, &path).await
}

/// A file with its ETag; 304 to who has it. Text goes with gzip to who takes it, under a tag of its own. Only what is the same for everybody
/// is ever compressed: in an answer that holds a secret beside what somebody else chose, its length would tell of the secret (BREACH).
async fn serve(request: &HttpRequest, file: &str) -> HttpResponse {
    let Some(found) = Web::get(file) else { return HttpResponse::NotFound().finish() };
    let kind = found.metadata.mimetype();
    let text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("json");
    let digest = found.metadata.sha256_hash();
    let plain = match found.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let squeezed =
        if (text || kind.ends_with("+xml")) && takes_gzip(request) { gzip(digest, plain.clone()).await } else { None };
    let tag = etag::of(&digest);
    let tag = if squeezed.is_some() { EntityTag::new_strong(format!("{}-gzip", tag.tag())) } else { tag };
    let known = etag::is_known(request, &tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    if let Ok(tag) = ETag(tag).try_into_value() {
        response.insert_header((header::ETAG, tag));
    }
    response.insert_header((header::CACHE_CONTROL, "no-cache")).insert_header((header::VARY, "Accept-Encoding"));
    if known {
        return response.finish();
    }
    let kind = if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    response.insert_header((header::CONTENT_TYPE, kind));
    match squeezed {
        Some(bytes) => response.insert_header(ContentEncoding::Gzip).body(bytes),
        None => response.body(plain),
    }
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let ours = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).ok().and_then(|wanted| wanted.negotiate(ours.iter())) == Some(Encoding::gzip())
}

/// A file with gzip, by its digest; each is compressed once. `None` where that makes it no smaller.
async fn gzip(digest: [u8; 32], plain: Bytes) -> Option<Bytes> {
    static DONE: RwLock<BTreeMap<[u8; 32], Option<Bytes>>> = RwLock::new(BTreeMap::new());
    let known = DONE.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
    if let Some(known) = known {
        return known;
    }
    let squeezed = web::block(move || squeeze(&plain)).await.ok()?;
    DONE.write().unwrap_or_else(PoisonError::into_inner).insert(digest, squeezed.clone());
    squeezed
}

fn squeeze(plain: &[u8]) -> Option<Bytes> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(plain).ok()?;
    writer.finish().ok().filter(|squeezed| squeezed.len() < plain.len()).map(Bytes::from)
}
