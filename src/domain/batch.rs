//! Group commit: an idle writer gets what has come at once, and what gathers while it is busy is the next batch.
//!
//! Those who have been told that a large batch is written answer one after the other. Were the first of them written at once, large batches
//! and tiny ones would take turns, and each costs a transaction: so the next one waits for company, as long as the last one took, or until
//! it is as large as that was, or a part of it. A writer that is not busy is not made to wait.
//!
//! Where other nodes write the same conversations, the same messages come to each in smaller batches, and every transaction may find taken
//! what it needs: so the next one waits twice as long, however much comes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A batch of so many is large.
const LARGE: usize = 16;
/// No batch waits longer for company, or twice as long where others are in the way.
const COMPANY: Duration = Duration::from_millis(20);

/// How much company the batch after a large one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// As much as that was: fewer transactions are worth more than a writer who is never idle.
    AsMuch,
    /// Half of it: what is under way becomes two batches, of which one gathers while the other is written.
    Half,
}

#[derive(Debug)]
struct InFlight {
    size: usize,
    since: Instant,
    /// Some of it has been put back.
    is_contended: bool,
}

/// Entries that wait for a writer with one batch in flight.
#[derive(Debug)]
pub struct Batcher<T> {
    waiting: VecDeque<T>,
    in_flight: Option<InFlight>,
    /// The next batch waits to become so large, until then.
    company: Option<(usize, Instant)>,
    wants: Company,
    capacity: usize,
    largest: usize,
}

impl<T> Batcher<T> {
    /// At most `capacity` entries wait, and at most `largest` go into one batch.
    pub fn new(capacity: usize, largest: usize, wants: Company) -> Batcher<T> {
        Batcher { waiting: VecDeque::new(), in_flight: None, company: None, wants, capacity, largest: largest.max(1) }
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

    /// When the writer takes a batch: `None` while it has one.
    pub fn free(&self, now: Instant) -> Option<Instant> {
        let waits = self.company.filter(|(size, _)| self.waiting.len() < *size);
        self.in_flight.is_none().then(|| waits.map_or(now, |(_, until)| until.max(now)))
    }

    /// The next batch, in the order of arrival, if the writer takes one and anything waits.
    pub fn next_batch(&mut self, now: Instant) -> Option<Vec<T>> {
        if self.waiting.is_empty() || self.free(now).is_none_or(|free| free > now) {
            return None;
        }
        let n = self.waiting.len().min(self.largest);
        self.in_flight = Some(InFlight { size: n, since: now, is_contended: false });
        Some(self.waiting.drain(..n).collect())
    }

    /// Puts entries of the batch in flight before all that wait, whatever the capacity: somebody else was writing what they are about.
    pub fn put_back(&mut self, entries: Vec<T>) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.is_contended |= !entries.is_empty();
        }
        entries.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
    }

    /// Takes out the first entries, as long as they are so.
    pub fn take_while(&mut self, is_so: impl Fn(&T) -> bool) -> Vec<T> {
        let n = self.waiting.iter().take_while(|entry| is_so(entry)).count();
        self.waiting.drain(..n).collect()
    }

    /// The batch in flight has been written, or refused.
    pub fn written(&mut self, now: Instant) {
        let Some(InFlight { size, since, is_contended }) = self.in_flight.take() else { return };
        let took = now.saturating_duration_since(since).min(COMPANY);
        let (company, wait) = match self.wants {
            _ if is_contended => (self.largest, took * 2),
            Company::AsMuch => (size, took),
            Company::Half => (size / 2, took),
        };
        self.company = (size >= LARGE).then_some((company, now + wait));
    }

    /// The next batch waits for nothing.
    pub fn at_once(&mut self) {
        self.company = None;
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_gathers_while_the_writer_is_busy_is_the_next_batch() {
        let (mut b, now) = (Batcher::new(4, 3, Company::AsMuch), Instant::now());
        b.push(1).unwrap();
        assert_eq!(b.next_batch(now), Some(vec![1]), "idle: at once");
        (2..=5).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.next_batch(now + 9 * MS), None, "one batch in flight");
        assert_eq!(b.push(6), Err(6), "full");
        b.written(now + 10 * MS);
        assert_eq!(b.next_batch(now + 10 * MS), Some(vec![2, 3, 4]), "in order, at most three");
        assert_eq!(b.free(now), None);
        b.written(now + 20 * MS);
        assert_eq!(b.next_batch(now + 20 * MS), Some(vec![5]));
        assert_eq!(b.waiting(), 0);
    }

    #[test]
    fn after_a_large_batch_the_next_one_waits_for_company() {
        let (mut b, now) = (Batcher::new(1_000, 1_000, Company::AsMuch), Instant::now());
        (0..20).for_each(|n| b.push(n).unwrap());
        b.next_batch(now).expect("idle: at once");
        b.written(now + 6 * MS);
        b.push(20).unwrap();
        assert_eq!(b.next_batch(now + 11 * MS), None);
        assert_eq!(b.free(now + 11 * MS), Some(now + 12 * MS), "as long as the last one took");
        (21..40).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.next_batch(now + 11 * MS).map(|batch| batch.len()), Some(20), "it is as large");
        let later = now + 11 * MS + 10 * COMPANY;
        b.written(later);
        b.push(40).unwrap();
        assert_eq!(b.free(later), Some(later + COMPANY), "no longer than that");
        b.next_batch(later + COMPANY).expect("what there is");
        b.written(later + COMPANY);
        assert_eq!(b.free(now), Some(now), "after a small one nobody waits");
    }

    #[test]
    fn where_others_write_the_same_the_next_one_waits_twice_as_long() {
        let (mut b, now) = (Batcher::new(1_000, 1_000, Company::AsMuch), Instant::now());
        (0..20).for_each(|n| b.push(n).unwrap());
        b.next_batch(now).expect("idle: at once");
        b.put_back(vec![18, 19]);
        b.written(now + 5 * MS);
        (20..100).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.free(now + 5 * MS), Some(now + 15 * MS), "however much comes");
        let batch = b.next_batch(now + 15 * MS).expect("it has waited");
        assert_eq!((batch.len(), batch[0]), (82, 18));
        b.written(now + 20 * MS);
        (0..82).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.free(now + 20 * MS), Some(now + 20 * MS), "nothing was taken: as many as before are enough");
        b.next_batch(now + 20 * MS).expect("a batch");
        b.written(now + 25 * MS);
        (0..3).for_each(|n| b.push(n).unwrap());
        b.next_batch(now + 30 * MS).expect("a small one");
        b.put_back(vec![2]);
        b.written(now + 31 * MS);
        assert_eq!(b.next_batch(now + 31 * MS), Some(vec![2]), "after a small one nobody waits");
    }

    #[test]
    fn of_two_halves_one_gathers_while_the_other_is_written() {
        let (mut b, now) = (Batcher::new(1_000, 1_000, Company::Half), Instant::now());
        (0..40).for_each(|n| b.push(n).unwrap());
        b.next_batch(now).expect("idle: at once");
        b.written(now + 6 * MS);
        (0..19).for_each(|n| b.push(n).unwrap());
        assert_eq!(b.next_batch(now + 7 * MS), None);
        b.push(19).unwrap();
        assert_eq!(b.next_batch(now + 7 * MS).map(|batch| batch.len()), Some(20), "half as large");
        (20..40).for_each(|n| b.push(n).unwrap());
        b.written(now + 9 * MS);
        assert_eq!(b.next_batch(now + 9 * MS).map(|batch| batch.len()), Some(20), "the other half has gathered");
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_its_order() {
        let (mut b, now) = (Batcher::new(2, 3, Company::AsMuch), Instant::now());
        b.push(5).unwrap();
        b.push(6).unwrap();
        b.put_back(vec![3, 4]);
        assert_eq!(b.next_batch(now), Some(vec![3, 4, 5]));
        b.put_back(vec![4, 1]);
        assert_eq!(b.take_while(|n| *n > 3), [4]);
        assert_eq!(b.waiting(), 2);
    }
}
