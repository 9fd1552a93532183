//! Files that are made while they are sent: whoever takes nothing of one any more is let go, and what is kept for it with it.

use std::{
    cell::Cell,
    io,
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, rt, web::Bytes};
use futures_util::{Stream, StreamExt, stream::LocalBoxStream};
use socket2::Socket;

use crate::domain::refusal::Refusal;

/// What is given to the dispatcher at once. It asks for more when the kernel has taken that: see `socket`.
const PIECE: usize = 8 << 10;
/// How often it is looked whether a piece is taken, for each time that this may last.
const LOOKS: u32 = 10;

/// The body of an answer. Where a piece of it is not taken within `patience`, the connection is reset, and the body dropped with it.
///
/// # Errors
/// `Unavailable` where no descriptor was left for the connection.
pub fn taken_within(
    patience: Duration,
    request: &HttpRequest,
    body: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> Result<impl Stream<Item = io::Result<Bytes>> + 'static, Refusal> {
    let socket = request.conn_data::<Rc<Socket>>().cloned().ok_or(Refusal::BUSY)?;
    let given = Rc::new(Cell::new(None));
    let seen = Rc::downgrade(&given);
    rt::spawn(async move {
        // Until the body is dropped.
        while let Some(given) = seen.upgrade() {
            if given.get().is_some_and(|at: Instant| at.elapsed() >= patience) {
                tracing::info!("a download is ended of which nothing is taken");
                // The dispatcher sees an error, whatever it waits for, and drops the body.
                _ = socket.set_linger(Some(Duration::ZERO));
                _ = socket.shutdown(Shutdown::Both);
                return;
            }
            drop(given);
            rt::time::sleep(patience / LOOKS).await;
        }
    });
    Ok(Taken { body: body.boxed_local(), rest: Bytes::new(), given })
}

struct Taken {
    body: LocalBoxStream<'static, io::Result<Bytes>>,
    /// What has not been given yet of what was made.
    rest: Bytes,
    /// Since when a piece waits to be taken.
    given: Rc<Cell<Option<Instant>>>,
}

impl Stream for Taken {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.given.set(None);
        while self.rest.is_empty() {
            match ready!(self.body.poll_next_unpin(cx)) {
                Some(Ok(made)) => self.rest = made,
                over => return Poll::Ready(over),
            }
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        self.given.set(Some(Instant::now()));
        Poll::Ready(Some(Ok(piece)))
    }
}
