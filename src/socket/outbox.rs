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
        if self.frames.front()?.bytes.len() > room {
            return None;
        }
        let frame = self.frames.pop_front()?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outbox(frames: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in frames {
            outbox.push(Bytes::from_static(frame.as_bytes()), Instant::now());
        }
        outbox
    }

    /// What the body gives until it has nothing more to give.
    fn drain(outbox: &mut Outbox) -> Vec<Bytes> {
        std::iter::from_fn(|| match outbox.poll(Instant::now(), Waker::noop()) {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => None,
        })
        .collect()
    }

    fn next(outbox: &mut Outbox, now: Instant) -> Option<Bytes> {
        match outbox.poll(now, Waker::noop()) {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => None,
        }
    }

    #[test]
    fn small_frames_leave_together_in_order() {
        assert_eq!(drain(&mut outbox(&["one ", "two ", "three"])), ["one two three"]);
        assert_eq!(drain(&mut outbox(&["alone"])), ["alone"]);
    }

    #[test]
    fn no_chunk_is_larger_than_its_size_and_large_frames_leave_in_pieces() {
        let mut outbox = outbox(&["small"]);
        let large: Bytes = (0..20_000u32).map(|n| n as u8).collect();
        outbox.push(large.clone(), Instant::now());
        outbox.push(Bytes::from_static(b"after"), Instant::now());
        let chunks = drain(&mut outbox);
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks.concat(), [b"small", &large[..], b"after"].concat());
    }

    #[test]
    fn a_newer_frame_of_the_same_key_replaces_one_that_has_not_left() {
        let mut outbox = outbox(&["a "]);
        let now = Instant::now();
        outbox.push_latest(1, Bytes::from_static(b"old "), now);
        outbox.push_latest(2, Bytes::from_static(b"other "), now);
        outbox.push(Bytes::from_static(b"b "), now);
        outbox.push_latest(1, Bytes::from_static(b"new"), now);
        assert_eq!(drain(&mut outbox), ["a other b new"]);
        outbox.push_latest(1, Bytes::from_static(b"newest"), now);
        assert_eq!(drain(&mut outbox), ["newest"]);
    }

    #[test]
    fn it_is_full_at_its_bytes_or_frames_and_replacing_does_not_fill_it() {
        let mut outbox = outbox(&["12345", "12345"]);
        assert!(outbox.is_full(10, 9) && outbox.is_full(99, 2));
        assert!(!outbox.is_full(11, 3));
        for _ in 0..100 {
            outbox.push_latest(7, Bytes::from_static(b"x"), Instant::now());
        }
        assert!(outbox.is_full(11, 3) && !outbox.is_full(12, 4));
        drain(&mut outbox);
        assert!(!outbox.is_full(1, 1));
    }

    #[test]
    fn the_rest_of_a_large_frame_counts_and_survives_clearing() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from(vec![b'x'; 2 * CHUNK]), Instant::now());
        outbox.push(Bytes::from_static(b"dropped"), Instant::now());
        assert!(next(&mut outbox, Instant::now()).is_some());
        assert!(outbox.is_full(CHUNK, 9));
        outbox.clear();
        outbox.push(Bytes::from_static(b"close"), Instant::now());
        assert_eq!(drain(&mut outbox).concat(), [&vec![b'x'; CHUNK][..], b"close"].concat());
    }

    #[test]
    fn a_frame_is_flushed_when_the_body_is_polled_after_it() {
        let mut outbox = outbox(&["12345"]);
        let first = outbox.pushed();
        outbox.push(Bytes::from(vec![b'x'; CHUNK + 1]), Instant::now());
        let second = outbox.pushed();
        assert_eq!((first, outbox.flushed()), (5, 0));
        let mut flushed = Vec::new();
        while next(&mut outbox, Instant::now()).is_some() {
            flushed.push(outbox.flushed());
        }
        assert_eq!(flushed, [0, first, first]); // the small one, two pieces of the large one
        assert_eq!(outbox.flushed(), second);
    }

    #[test]
    fn replaced_frames_hold_up_no_mark() {
        let mut outbox = Outbox::default();
        outbox.push_latest(1, Bytes::from_static(b"old"), Instant::now());
        let mark = outbox.pushed();
        outbox.push_latest(1, Bytes::from_static(b"newer"), Instant::now());
        drain(&mut outbox);
        assert!(outbox.flushed() >= mark && outbox.flushed() == outbox.pushed());
    }

    #[test]
    fn waiting_begins_anew_with_each_chunk_that_the_kernel_took() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut outbox = Outbox::default();
        assert!(outbox.is_drained());
        outbox.push(Bytes::from(vec![b'x'; 2 * CHUNK]), at(1));
        outbox.push(Bytes::from_static(b"y"), at(2));
        assert_eq!(outbox.waiting_since(), Some(at(1)));
        next(&mut outbox, at(3));
        assert_eq!(outbox.waiting_since(), Some(at(3)));
        next(&mut outbox, at(6));
        next(&mut outbox, at(7));
        assert_eq!(outbox.waiting_since(), Some(at(7)));
        assert!(!outbox.is_drained());
        assert_eq!(next(&mut outbox, at(8)), None);
        assert!(outbox.is_drained());
    }

    #[test]
    fn a_finished_outbox_gives_what_it_has_and_ends() {
        let mut outbox = outbox(&["bye"]);
        outbox.finish();
        assert!(matches!(outbox.poll(Instant::now(), Waker::noop()), Poll::Ready(Some(_))));
        assert!(matches!(outbox.poll(Instant::now(), Waker::noop()), Poll::Ready(None)));
    }

    #[test]
    fn an_empty_queue_gives_its_memory_back() {
        let mut outbox = outbox(&["x"; 1000]);
        drain(&mut outbox);
        assert_eq!(outbox.frames.capacity(), 0);
    }
}
