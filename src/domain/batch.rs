//! Group commit without a timer: an idle writer gets what has come at once; what gathers while it is busy is the next batch.

use std::collections::VecDeque;

/// Entries that wait for a writer with one batch in flight.
#[derive(Debug)]
pub struct Batcher<T> {
    waiting: VecDeque<T>,
    in_flight: bool,
    capacity: usize,
    largest: usize,
}

impl<T> Batcher<T> {
    /// At most `capacity` entries wait, and at most `largest` go into one batch.
    pub fn new(capacity: usize, largest: usize) -> Batcher<T> {
        Batcher { waiting: VecDeque::new(), in_flight: false, capacity, largest: largest.max(1) }
    }

    /// Takes an entry, or gives it back when too many wait already.
    ///
    /// # Errors
    /// The entry itself.
    pub fn push(&mut self, entry: T) -> Result<(), T> {
        if self.waiting.len() >= self.capacity {
            return Err(entry);
        }
        self.waiting.push_back(entry);
        Ok(())
    }

    /// The next batch, in the order of arrival, if the writer is idle and anything waits.
    pub fn next_batch(&mut self) -> Option<Vec<T>> {
        if self.in_flight || self.waiting.is_empty() {
            return None;
        }
        self.in_flight = true;
        let n = self.waiting.len().min(self.largest);
        Some(self.waiting.drain(..n).collect())
    }

    /// Whether the writer is idle and all that waits, if anything does, is so.
    pub fn is_idle_but_for(&self, is_so: impl Fn(&T) -> bool) -> bool {
        !self.in_flight && self.waiting.iter().all(is_so)
    }

    /// Puts entries before all that wait, whatever the capacity.
    pub fn put_back(&mut self, entries: Vec<T>) {
        entries.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
    }

    /// Takes out the first entries, as long as they are so.
    pub fn take_while(&mut self, is_so: impl Fn(&T) -> bool) -> Vec<T> {
        let n = self.waiting.iter().take_while(|entry| is_so(entry)).count();
        self.waiting.drain(..n).collect()
    }

    /// The batch in flight has been written, or refused.
    pub fn written(&mut self) {
        self.in_flight = false;
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Batcher;

    #[test]
    fn what_gathers_while_the_writer_is_busy_is_the_next_batch() {
        let mut b = Batcher::new(4, 3);
        b.push(1).unwrap();
        assert_eq!(b.next_batch(), Some(vec![1]), "idle: at once");
        (2..=5).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.next_batch(), None, "one batch in flight");
        assert_eq!(b.push(6), Err(6), "full");
        b.written();
        assert_eq!(b.next_batch(), Some(vec![2, 3, 4]), "in order, at most three");
        assert!(!b.is_idle_but_for(|n| *n == 5), "not idle");
        b.written();
        assert!(b.is_idle_but_for(|n| *n == 5) && !b.is_idle_but_for(|n| *n == 6));
        assert_eq!(b.next_batch(), Some(vec![5]));
        assert_eq!(b.waiting(), 0);
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_its_order() {
        let mut b = Batcher::new(2, 3);
        b.push(5).unwrap();
        b.push(6).unwrap();
        b.put_back(vec![3, 4]);
        assert_eq!(b.next_batch(), Some(vec![3, 4, 5]));
        b.put_back(vec![4, 1]);
        assert_eq!(b.take_while(|n| *n > 3), [4]);
        assert_eq!(b.waiting(), 2);
    }
}
