//! The door: what happens to a TCP connection when it comes, and to a handshake.

use std::{any::Any, cell::RefCell, rc::Rc, time::Duration};

use actix::prelude::*;
use actix_web::{Error, HttpRequest, HttpResponse, body::BodyStream, dev::Extensions, error, rt::net::TcpStream, web};
use actix_web_actors::ws;
use socket2::{SockRef, Socket};

use super::{
    App, Connection, Limits, Link,
    frames::Frames,
    outbox::{Body, Outbox},
};

/// The kernel's part of the way out, in bytes (Linux doubles it).
const SEND_BUFFER: usize = 64 << 10;

/// How long the kernel tries to deliver what it still holds when we are done with a connection.
const KERNEL_PATIENCE: Duration = Duration::from_secs(30);

/// For `HttpServer::on_connect`: bounds the kernel's part of the way out, sends small frames at once, and keeps a second
/// descriptor of the socket.
pub fn on_connect(io: &dyn Any, data: &mut Extensions) {
    let Some(tcp) = io.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(tcp);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_tcp_user_timeout(Some(KERNEL_PATIENCE));
    if let Ok(second) = socket.try_clone() {
        data.insert(Rc::new(second));
    }
}

/// Answers a handshake and starts the connection with `app`.
///
/// # Errors
///
/// 400 or 405 when the request is no handshake (RFC 6455 section 4.2.1); 503 when no descriptor was left for the
/// connection.
pub fn accept<A: App>(
    req: &HttpRequest,
    payload: web::Payload,
    limits: &'static Limits,
    app: A,
) -> Result<(HttpResponse, Addr<Connection<A>>), Error> {
    let mut response = ws::handshake(req)?;
    let socket =
        req.conn_data::<Rc<Socket>>().cloned().ok_or_else(|| error::ErrorServiceUnavailable("no descriptor left"))?;
    let outbox = Rc::new(RefCell::new(Outbox::default()));
    let body = Body { outbox: outbox.clone(), socket: socket.clone() };
    let link = Link::new(outbox, socket, limits, req.peer_addr());
    let address = Connection::create(|ctx| {
        ctx.add_stream(Frames::new(payload, limits.message));
        Connection::new(link, app)
    });
    Ok((response.body(BodyStream::new(body)), address))
}
