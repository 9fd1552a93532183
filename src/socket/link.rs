//! A connection's hold on its socket: what the application sends and closes through.

use std::{
    cell::RefCell,
    net::{Shutdown, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use actix_http::ws::Message;
use bytes::Bytes;
use socket2::Socket;

use super::{End, Limits, encode, outbox::Outbox};

/// The way out of a connection.
pub struct Link {
    outbox: Rc<RefCell<Outbox>>,
    socket: Rc<Socket>,
    limits: &'static Limits,
    peer: Option<SocketAddr>,
    end: Option<End>,
    /// When the close handshake must be over.
    deadline: Option<Instant>,
}

impl Link {
    pub(super) fn new(
        outbox: Rc<RefCell<Outbox>>,
        socket: Rc<Socket>,
        limits: &'static Limits,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self { outbox, socket, limits, peer, end: None, deadline: None }
    }

    /// Queues an encoded frame. False when the connection is ending, which it is ([`End::Slow`]) once the queue is
    /// full.
    pub fn send(&mut self, frame: Bytes) -> bool {
        self.queue(|outbox, now| outbox.push(frame, now))
    }

    /// The same, for a frame that says how things are now: an older one with the same `key` that has not yet left is
    /// dropped.
    pub fn send_latest(&mut self, key: u64, frame: Bytes) -> bool {
        self.queue(|outbox, now| outbox.push_latest(key, frame, now))
    }

    fn queue(&mut self, push: impl FnOnce(&mut Outbox, Instant)) -> bool {
        if self.is_ending() {
            return false;
        }
        let full = self.outbox.borrow().is_full(self.limits.queue_bytes, self.limits.queue_frames);
        if full {
            self.close(End::Slow);
        } else {
            push(&mut self.outbox.borrow_mut(), Instant::now());
        }
        !full
    }

    /// Begins to close: nothing follows the close frame, and what the client still says is not heard. The reset comes
    /// after [`Limits::grace`] if the client does not play its part. The first end counts.
    pub fn close(&mut self, end: End) {
        if self.is_ending() {
            return;
        }
        let now = Instant::now();
        let mut outbox = self.outbox.borrow_mut();
        if matches!(end, End::Slow | End::Silent) {
            outbox.clear();
        }
        if end != End::Lost {
            outbox.push(encode(Message::Close(end.reason(&self.limits.codes))), now);
        }
        if !matches!(end, End::Server(..)) {
            outbox.finish(); // Else the client's close frame comes first.
        }
        drop(outbox);
        self.deadline = Some(now + self.limits.grace);
        self.end = Some(end);
    }

    /// Whether the connection is closing or gone.
    pub fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Bytes of all frames that were ever queued. Remember it after [`Link::send`]: the frame has been written to the
    /// socket once [`Link::flushed`] has reached it.
    pub fn pushed(&self) -> u64 {
        self.outbox.borrow().pushed()
    }

    /// The position, in the same count, up to which the kernel has taken all (or it was replaced before it left).
    pub fn flushed(&self) -> u64 {
        self.outbox.borrow().flushed()
    }

    /// The client's end of the TCP connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The limits that the connection was accepted with.
    pub fn limits(&self) -> &'static Limits {
        self.limits
    }

    /// The end that was chosen, [`End::Lost`] when there was none.
    pub(super) fn end(&self) -> End {
        self.end.clone().unwrap_or(End::Lost)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether something has been waiting for the kernel longer than it may.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let since = self.outbox.borrow().waiting_since();
        since.is_some_and(|since| now.saturating_duration_since(since) >= self.limits.stall)
    }

    /// Whether nothing is left to say, or nobody to say it.
    pub(super) fn is_drained(&self) -> bool {
        self.outbox.borrow().is_drained()
    }

    /// The client has answered our close frame, or says nothing more: what is queued is the last.
    pub(super) fn finish(&mut self) {
        self.outbox.borrow_mut().finish();
    }

    /// Makes the kernel send RST and free its buffers, once both descriptors are closed. The shutdown gives the
    /// dispatcher an error, whatever it waits for, so that it closes its own; where nothing was waiting it sends FIN
    /// first.
    pub(super) fn reset(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
