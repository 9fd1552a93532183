//! The pages and what they are made of, compiled into the binary from `web/`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, TryIntoHeaderValue},
    web,
};
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
    let serve = move |request: HttpRequest| async move { serve(&request, file) };
    web::resource(path).route(web::get().to(serve)).route(web::head().to(serve))
}

async fn asset(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    serve(&request, &path)
}

/// A file with its ETag; 304 to who has it.
fn serve(request: &HttpRequest, file: &str) -> HttpResponse {
    let Some(found) = Web::get(file) else { return HttpResponse::NotFound().finish() };
    let tag = etag::of(&found.metadata.sha256_hash());
    let known = etag::is_known(request, &tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    if let Ok(tag) = ETag(tag).try_into_value() {
        response.insert_header((header::ETAG, tag));
    }
    response.insert_header((header::CACHE_CONTROL, "no-cache"));
    if known {
        return response.finish();
    }
    let kind = found.metadata.mimetype();
    let text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("json");
    let kind = if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    response.insert_header((header::CONTENT_TYPE, kind)).body(found.data.into_owned())
}
