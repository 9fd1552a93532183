//! An echo server on the socket layer alone, for conformance suites: `cargo run --example echo -- 127.0.0.1:9001`.
//!
//! Prints the address it listens on, so port 0 may be given.

use std::sync::LazyLock;

use actix::Context;
use actix_web::{App as WebApp, HttpRequest, HttpServer, web};
use shopbell::socket::{self, App, Connection, Limits, Link, Message};

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Limits { message: 16 << 20, queue_bytes: 64 << 20, ..Limits::default() });

struct Echo;

impl App for Echo {
    fn message(&mut self, message: Message, link: &mut Link, _: &mut Context<Connection<Self>>) {
        link.send(socket::encode(message));
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let echo = async |req: HttpRequest, payload: web::Payload| {
        socket::accept(&req, payload, &LIMITS, Echo).map(|(response, _)| response)
    };
    let server = HttpServer::new(move || WebApp::new().route("/", web::get().to(echo)))
        .on_connect(socket::on_connect)
        .h1_write_buffer_size(1)
        .workers(1)
        .bind(address)?;
    for address in server.addrs() {
        println!("listening on ws://{address}/");
    }
    server.run().await
}
