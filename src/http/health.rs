//! What operations look at.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    actors::{journal, node::Node, offline_box::AskFullness},
    store::{nodes, shops},
};

const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process runs.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /readyz`: the database takes writes and answers reads, and Redis answers where there is one; else 503, with what does not.
pub async fn ready(node: web::Data<Node>) -> HttpResponse {
    let (ask, lists) = oneshot::channel();
    node.offline.do_send(AskFullness(ask));
    let reads = timeout(PATIENCE, node.read(|db| shops::page(db, 0, 1)));
    let id = node.id;
    let writes = timeout(PATIENCE, journal::write(&node.journal, move |db| Ok(nodes::touch(db, id)?)));
    let (reads, writes, lists) = tokio::join!(reads, writes, timeout(PATIENCE, lists));
    let database = matches!(reads, Ok(Ok(_))) && matches!(writes, Ok(Ok(())));
    let lists = matches!(lists, Ok(Ok(Ok(_))));
    let state = |well: bool| if well { "ok" } else { "unavailable" };
    let body = serde_json::json!({ "database": state(database), "offline_lists": state(lists) });
    if database && lists { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// `GET /metrics`, in Prometheus' text format.
pub async fn metrics(recorded: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(recorded.render())
}
