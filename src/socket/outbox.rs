//! The way out: a bounded queue of frames, and the response body that empties it.
//!
//! The queue belongs to the actor, the body to the HTTP dispatcher; both run on the same thread. The dispatcher polls
//! the body only when the kernel has taken everything that the body gave before (see the settings in
//! [`super`]), so a poll says "flushed", and no poll says "stuck".

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use socket2::Socket;

/// What is given to the dispatcher at once: frames that wait together leave together up to this size, larger frames
/// leave in pieces. It is the size of the dispatcher's own write buffer, which would stay larger once it has grown.
const CHUNK: usize = 8 << 10;

/// A queue that has grown beyond this gives its memory back when it is empty.
const KEPT_CAPACITY: usize = 8;

/// A frame in the queue.
struct Waiting {
    bytes: Bytes,
    /// The stream position of its last byte, by which its writer knows it.
    end: u64,
    /// Frames with the same key replace one another.
    key: Option<u64>,
}

/// A queue of encoded frames. Pure but for the waker; time is an argument.
#[derive(Default)]
pub struct Outbox {
    frames: VecDeque<Waiting>,
    /// Of `frames`.
    bytes: usize,
    /// The rest of a frame that has begun to leave: it must leave whole, whatever happens to the others.
    rest: Option<Waiting>,
    pushed: u64,
    handed: u64,
    flushed: u64,
    waiting_since: Option<Instant>,
    finished: bool,
    /// The body is gone, with its dispatcher or because all is done.
    abandoned: bool,
    body: Option<Waker>,
}

impl Outbox {
    /// Queues a frame at the end.
    pub fn push(&mut self, frame: Bytes, now: Instant) {
        self.enqueue(frame, None, now);
    }

    /// Queues a frame at the end, in place of an older one with the same key that has not begun to leave. The end,
    /// because the newer one may speak of frames that came in between.
    pub fn push_latest(&mut self, key: u64, frame: Bytes, now: Instant) {
        self.remove(key);
        self.enqueue(frame, Some(key), now);
    }

    fn enqueue(&mut self, bytes: Bytes, key: Option<u64>, now: Instant) {
        self.pushed += bytes.len() as u64;
        self.bytes += bytes.len();
        self.waiting_since.get_or_insert(now);
        self.frames.push_back(Waiting { bytes, end: self.pushed, key });
        self.wake();
    }

    fn remove(&mut self, key: u64) {
        if let Some(at) = self.frames.iter().rposition(|frame| frame.key == Some(key))
            && let Some(old) = self.frames.remove(at)
        {
            self.bytes -= old.bytes.len();
        }
    }

    /// Whether so much waits that no further frame should: at least `bytes`, or at least `frames`.
    pub fn is_full(&self, bytes: usize, frames: usize) -> bool {
        self.bytes + self.rest.as_ref().map_or(0, |rest| rest.bytes.len()) >= bytes || self.frames.len() >= frames
    }

    /// Drops what waits, but for the rest of a frame that the client has begun to receive.
    pub fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    /// Says that nothing follows.
    pub fn finish(&mut self) {
        self.finished = true;
        self.wake();
    }

    /// All bytes that were ever queued.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// The stream position up to which everything has left, or was replaced or dropped: a frame is with the kernel once
    /// this has reached what [`Outbox::pushed`] was after it was queued.
    pub fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Since when the kernel has taken nothing although something waits for it.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Whether the kernel has taken everything, or nobody is left to give it.
    pub fn is_drained(&self) -> bool {
        self.abandoned || self.waiting_since.is_none()
    }

    /// The next bytes for the dispatcher: the rest of a large frame, a piece of one, one frame as it is, or several
    /// small ones joined to share one write.
    fn next_chunk(&mut self) -> Option<Bytes> {
        let first = self.rest.take().or_else(|| self.pop(usize::MAX))?;
        if first.bytes.len() > CHUNK {
            let mut rest = first;
            let piece = rest.bytes.split_to(CHUNK);
            self.rest = Some(rest);
            return Some(piece);
        }
        self.handed = first.end;
        let room = CHUNK - first.bytes.len();
        let Some(second) = self.pop(room) else { return Some(first.bytes) };
        let mut chunk = BytesMut::with_capacity(CHUNK.min(first.bytes.len() + second.bytes.len() + self.bytes));
        chunk.extend_from_slice(&first.bytes);
        let mut next = Some(second);
        while let Some(frame) = next {
            chunk.extend_from_slice(&frame.bytes);
            self.handed = frame.end;
            next = self.pop(CHUNK - chunk.len());
        }
        Some(chunk.freeze())
    }

    /// Takes the oldest frame if it is no longer than `room`.
    fn pop(&mut self, room: usize) -> Option<Waiting> {
        let frame = self.frames.pop_front_if(|frame| frame.bytes.len() <= room)?;
        self.bytes -= frame.bytes.len();
        Some(frame)
    }

    /// What the body says to the dispatcher, which has flushed everything that it was given.
    fn poll(&mut self, now: Instant, waker: &Waker) -> Poll<Option<Bytes>> {
        self.flushed = self.handed;
        if let Some(chunk) = self.next_chunk() {
            self.waiting_since = Some(now);
            return Poll::Ready(Some(chunk));
        }
        self.waiting_since = None;
        if self.frames.capacity() > KEPT_CAPACITY {
            self.frames = VecDeque::new();
        }
        if self.finished {
            return Poll::Ready(None);
        }
        self.body = Some(waker.clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(waker) = self.body.take() {
            waker.wake();
        }
    }
}

/// The streaming response body, the only consumer of the outbox.
pub(super) struct Body {
    pub outbox: Rc<RefCell<Outbox>>,
    pub socket: Rc<Socket>,
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let answer = self.outbox.borrow_mut().poll(Instant::now(), cx.waker());
        if let Poll::Ready(None) = answer {
            // All is flushed: FIN now. Left alone, the dispatcher first waits for the client's.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        answer.map(|chunk| chunk.map(Ok))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.outbox.borrow_mut().abandoned = true;
    }
}
