//! The server's doors: the socket, the REST API, pages, and what operations look at.

pub mod address;
pub mod api;
mod assets;
mod door;
mod download;
mod etag;
mod health;
pub mod identity;
mod origins;
mod patience;
pub mod problem;

use std::{net::TcpListener, sync::Arc};

use actix_cors::Cors;
use actix_web::{
    App, HttpServer,
    dev::Server,
    http::header,
    middleware::{Compat, DefaultHeaders},
    web,
};
use metrics_exporter_prometheus::PrometheusHandle;
pub use origins::Origins;

use api::ApiSettings;

use crate::{actors::node::Node, socket};

/// What every page and answer carries. Pages run no script but the server's own, and no markup brings styles.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: \
     http: data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-src 'self'; \
     frame-ancestors 'self'";

/// How much of the machine the server takes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Threads; 0: one for each processor.
    pub workers: usize,
    /// Connections at a time, for each thread.
    pub max_connections: usize,
}

/// The server, listening and not yet running.
///
/// # Errors
/// When it cannot listen.
pub fn server(
    listener: TcpListener,
    size: Size,
    node: Arc<Node>,
    origins: Origins,
    api: Arc<ApiSettings>,
    metrics: PrometheusHandle,
) -> std::io::Result<Server> {
    let workers = match size.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        n => n,
    };
    let app = move || {
        let headers = DefaultHeaders::new()
            .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((header::REFERRER_POLICY, "strict-origin-when-cross-origin"))
            .add((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY));
        App::new()
            .app_data(web::Data::from(node.clone()))
            .app_data(web::Data::new(origins.clone()))
            .app_data(web::Data::from(api.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .wrap(headers)
            .wrap(Compat::new(cors(origins.clone())))
            .route("/ws", web::get().to(door::open))
            .service(web::resource("/healthz").route(web::get().to(health::alive)).route(web::head().to(health::alive)))
            .service(web::resource("/readyz").route(web::get().to(health::ready)).route(web::head().to(health::ready)))
            .service(
                web::resource("/metrics").route(web::get().to(health::metrics)).route(web::head().to(health::metrics)),
            )
            .configure(assets::configure)
            .configure(api::configure)
            .default_service(web::to(problem::not_found))
    };
    // The body of a socket is polled only when the kernel has taken what came before: see `socket`.
    let server = HttpServer::new(app)
        .on_connect(socket::on_connect)
        .h1_write_buffer_size(1)
        .workers(workers)
        .max_connections(size.max_connections)
        .max_connection_rate(2_000)
        .backlog(4_096)
        .disable_signals()
        .shutdown_timeout(3)
        .listen(listener)?;
    Ok(server.run())
}

fn cors(origins: Origins) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| origins.allow(origin)))
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_NONE_MATCH, api::KEY])
        .expose_headers([header::ETAG, header::RETRY_AFTER, api::REPLAYED])
        .max_age(3_600)
        .block_on_origin_mismatch(false)
}
