//! What a crowd still waits for, and since when: how long a repair takes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many acks keep their time.
const REMEMBERED: usize = 1_000;

/// What everybody of a crowd has been promised and given.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// When each message was acked that has not come to the other side, by conversation and seq.
    pending: HashMap<(u64, u64), Instant>,
    received: HashSet<(u64, u64)>,
    acked: u64,
    last_acks: VecDeque<Instant>,
    unacked: usize,
    unserved: HashSet<usize>,
    oddities: BTreeMap<String, u64>,
}

/// How long it took from the end of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    /// Until the last user had something carried out.
    pub served: Duration,
    /// Until all was delivered that had been acked by then.
    pub delivered: Duration,
}

impl Repair {
    /// Until all was well.
    pub fn whole(&self) -> Duration {
        self.served.max(self.delivered)
    }
}

impl Ledger {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is under way.
    pub fn sent(&self) {
        self.book().unacked += 1;
    }

    /// It has been refused for good.
    pub fn refused(&self) {
        self.book().unacked -= 1;
    }

    /// It has its `ok`.
    pub fn acked(&self, conversation: u64, seq: u64) {
        let mut book = self.book();
        book.unacked -= 1;
        book.acked += 1;
        book.last_acks.push_back(Instant::now());
        if book.last_acks.len() > REMEMBERED {
            book.last_acks.pop_front();
        }
        if !book.received.contains(&(conversation, seq)) {
            book.pending.insert((conversation, seq), Instant::now());
        }
    }

    /// It has come to the other side.
    pub fn received(&self, conversation: u64, seq: u64) {
        let mut book = self.book();
        if book.received.insert((conversation, seq)) {
            book.pending.remove(&(conversation, seq));
        }
    }

    /// Something that a user asked for has been carried out.
    pub fn served(&self, user: usize) {
        self.book().unserved.remove(&user);
    }

    /// Whether that is so since the last fault.
    pub fn is_served(&self, user: usize) -> bool {
        !self.book().unserved.contains(&user)
    }

    /// Something that must not be.
    pub fn odd(&self, what: impl Into<String>) {
        *self.book().oddities.entry(what.into()).or_default() += 1;
    }

    /// What must not be, with its count.
    pub fn oddities(&self) -> BTreeMap<String, u64> {
        self.book().oddities.clone()
    }

    /// How many messages have been acked.
    pub fn count(&self) -> u64 {
        self.book().acked
    }

    /// How many of the last acks came within this time; not more than a thousand.
    pub fn acks_within(&self, time: Duration) -> usize {
        self.book().last_acks.iter().filter(|at| at.elapsed() < time).count()
    }

    /// How many wait for their `ok`, and how many for their delivery.
    pub fn waiting(&self) -> (usize, usize) {
        let book = self.book();
        (book.unacked, book.pending.len())
    }

    /// A fault is over now: waits until each of `users` has been served again and what was acked by now has been delivered.
    ///
    /// # Errors
    /// What is still waited for, where that takes longer than `bound`.
    pub async fn repaired(&self, users: usize, bound: Duration) -> Result<Repair, String> {
        let since = Instant::now();
        self.book().unserved = (0..users).collect();
        let (mut served, mut delivered) = (None, None);
        loop {
            {
                let book = self.book();
                if served.is_none() && book.unserved.is_empty() {
                    served = Some(since.elapsed());
                }
                if delivered.is_none() && book.pending.values().all(|acked| *acked > since) {
                    delivered = Some(since.elapsed());
                }
                if let (Some(served), Some(delivered)) = (served, delivered) {
                    return Ok(Repair { served, delivered });
                }
                if since.elapsed() >= bound {
                    let late = book.pending.iter().filter(|(_, acked)| **acked <= since);
                    let late: Vec<_> = late.map(|(place, acked)| (place, acked.elapsed())).take(5).collect();
                    let out: Vec<_> = book.unserved.iter().take(5).collect();
                    return Err(format!(
                        "not repaired within {bound:?}: {} of {users} users not served ({out:?}), not delivered (conversation, seq; since): \
                         {late:?}",
                        book.unserved.len()
                    ));
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
