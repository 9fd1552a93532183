//! WebSocket connections (RFC 6455) as plain actix actors, that survive clients which do not read.
//!
//! ```text
//!  request payload ─▶ Frames (Codec + Assembler) ─▶ Connection<A: App> ─▶ Outbox ─▶ Body ─▶ HTTP dispatcher
//! ```
//!
//! An actor that lives inside the response body, as `actix_web_actors::ws::WebsocketContext` does, stands still when
//! the client stops reading: its timers stop and its mailbox fills. Here the actor has a task of its own and only
//! `Body` hangs on the dispatcher. The actor therefore sees that its `Outbox` is full or is not
//! being emptied, and ends the connection through a second descriptor of the socket, kept since [`on_connect`].
//!
//! This layer knows nothing of chat. An application implements [`App`] and is given whole messages; it answers through
//! its [`Link`]. Handlers of further actor messages are written for `Connection<TheApp>` and begin with
//! [`Connection::parts`]. [`App::ended`] is called from `Drop`, so that no road out of a connection misses it.
//!
//! # What the `HttpServer` must be set to
//!
//! - `.on_connect(socket::on_connect)`: without it [`accept`] answers 503.
//! - `.h1_write_buffer_size(1)`: the dispatcher then polls a body only once the kernel has taken all that the body gave
//!   before. [`Link::flushed`] and the detection of slow readers rest on it. The price: the head of any
//!   other response is written before its body, not with it.
//! - `.client_disconnect_timeout(…)` not zero (the default is one second): after the last frame the dispatcher goes on
//!   reading for so long, else unread input would make the kernel send a reset that destroys our close frame.
//! - no TLS of its own: put a proxy in front. Inside TLS there is no socket for [`on_connect`] to keep.
//!
//! Each connection holds two descriptors.

mod accept;
mod connection;
mod end;
mod frames;
mod limits;
mod link;
mod outbox;

pub use accept::{accept, on_connect};
pub use actix_http::ws::Message;
pub use connection::{App, Connection};
pub use end::{Codes, End};
pub use frames::{encode, encode_text};
pub use limits::Limits;
pub use link::Link;
