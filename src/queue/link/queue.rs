//! What waits to be sent: bounded, by receiver.

use std::collections::HashMap;

use bytes::Bytes;

use super::Presence;
use crate::domain::ids::NodeId;

/// How much may wait for a Redis that is slow.
const PAYLOADS: usize = 20_000;
const BYTES: usize = 16 << 20;

/// What one node is to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub payloads: Vec<Bytes>,
    /// What came after these was dropped.
    pub dropped: bool,
}

#[derive(Default)]
pub struct Queue {
    waiting: HashMap<NodeId, Waiting>,
    presence: Vec<Presence>,
    payloads: usize,
    bytes: usize,
    /// Nothing is taken, since nothing can be sent.
    pub closed: bool,
    pub stopping: bool,
}

impl Queue {
    /// False: dropped. Whatever else comes for this node before the next [`Queue::take`] is dropped as well, so that what is lost lies
    /// in one place.
    pub fn push(&mut self, to: NodeId, payload: &Bytes) -> bool {
        let waiting = self.waiting.entry(to).or_default();
        let full = self.payloads >= PAYLOADS || self.bytes + payload.len() > BYTES;
        waiting.dropped |= self.closed || full;
        if waiting.dropped {
            return false;
        }
        self.payloads += 1;
        self.bytes += payload.len();
        waiting.payloads.push(payload.clone());
        true
    }

    pub fn change(&mut self, change: Presence) {
        self.presence.push(change);
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.presence.is_empty()
    }

    pub fn take(&mut self) -> (HashMap<NodeId, Waiting>, Vec<Presence>) {
        (self.payloads, self.bytes) = (0, 0);
        (std::mem::take(&mut self.waiting), std::mem::take(&mut self.presence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_lies_behind_what_is_kept() {
        let (a, b) = (NodeId(1), NodeId(2));
        let big = Bytes::from(vec![0; BYTES / 2 - 1]);
        let small = Bytes::from_static(b"x");
        let mut queue = Queue::default();
        assert!(queue.push(a, &big) && queue.push(a, &big));
        assert!(!queue.push(a, &big), "full");
        assert!(!queue.push(a, &small), "it would fit, and come after a loss");
        assert!(queue.push(b, &small), "others go on");
        let (taken, _) = queue.take();
        assert_eq!((taken[&a].payloads.len(), taken[&a].dropped), (2, true));
        assert!(!taken[&b].dropped);
        assert!(queue.is_empty() && queue.push(a, &small));
        queue.closed = true;
        assert!(!queue.push(b, &small));
        assert!(queue.take().0[&b].dropped);
    }

    #[test]
    fn the_number_of_payloads_is_bounded() {
        let mut queue = Queue::default();
        let kept = (0..PAYLOADS + 5).filter(|_| queue.push(NodeId(1), &Bytes::new())).count();
        assert_eq!(kept, PAYLOADS);
    }
}
