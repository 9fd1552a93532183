//! What one session has been sent and has not acked, and what still has to be sent to it.
//!
//! At most [`MESSAGES_MAX`] messages and [`BYTES_MAX`] bytes are unacked at a time. What does not fit waits with the session, which keeps
//! as much again, or is not held in memory: then it is only remembered which messages of which conversations are behind, and they are read
//! from the store as acks make room. A repeat is read from the store as well, so it shows the message as it is now.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{
    cursor::Given,
    ids::{ConversationId, Seq},
};

pub const MESSAGES_MAX: usize = 256;
pub const BYTES_MAX: usize = 256 << 10;
/// When a message that is not acked is sent again, counted from its first writing.
pub const REPEATS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(30)];
/// Only the oldest are sent again.
pub const REPEATS_AT_ONCE: usize = 16;
/// Conversations of which a session remembers what it has been given.
const REMEMBERED: usize = 4_096;
/// So many messages are read from the store while it is not known how large they are; and for so many there must be room again in a window
/// that was full.
const A_FEW: usize = 64;

#[derive(Debug)]
struct Unacked {
    bytes: usize,
    order: u64,
    at: Instant,
    repeats: usize,
}

/// Messages of a conversation that are due and not yet sent: `from..=upto`, or of these only the ones listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub from: Seq,
    pub upto: Seq,
    pub only: Option<BTreeSet<Seq>>,
    /// From here on they came while the session was there: it has not seen them before.
    pub fresh_from: Seq,
}

impl Behind {
    /// All of `from..=upto`, which others of the user's sessions may have seen.
    pub fn range(from: Seq, upto: Seq) -> Behind {
        Behind { from, upto, only: None, fresh_from: Seq::MAX }
    }

    fn wants(&self, seq: Seq) -> bool {
        (self.from..=self.upto).contains(&seq)
            && self.only.as_ref().is_none_or(|only| seq >= self.fresh_from || only.contains(&seq))
    }

    fn extend(&mut self, seq: Seq) {
        self.upto = self.upto.max(seq);
        self.fresh_from = self.fresh_from.min(seq);
    }
}

/// What becomes of a message that has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Send,
    /// It is read from the store when its turn comes.
    Later,
    /// The session has it.
    Skip,
}

/// Messages of `conversation` to read from the store: from `from` to `upto`, at most `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub conversation: ConversationId,
    pub from: Seq,
    pub upto: Seq,
    pub limit: usize,
}

#[derive(Debug, Default)]
pub struct Window {
    unacked: BTreeMap<(ConversationId, Seq), Unacked>,
    bytes: usize,
    sent: u64,
    given: HashMap<ConversationId, Given>,
    /// What it has seen in the history, which counts for acks too.
    shown: HashMap<ConversationId, Given>,
    behind: BTreeMap<ConversationId, Behind>,
    /// While the messages due at login are sent, what comes is kept for afterwards.
    held: Option<BTreeMap<ConversationId, Behind>>,
    /// What is being read, and from where on.
    fetching: BTreeMap<ConversationId, Seq>,
    /// So many messages there must be room for when it has been read.
    reserved: usize,
    full_since: Option<Instant>,
    /// It has been full, and nothing has been read since.
    was_full: bool,
}

impl Window {
    /// From now on what comes is held, until [`Window::release`].
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Everything that was due at login has been sent: what was held is next.
    pub fn release(&mut self) {
        for (conversation, behind) in self.held.take().unwrap_or_default() {
            self.behind.insert(conversation, behind);
        }
    }

    /// Notes what is due at login. All below has been acked: a node that has stood still may tell it only now, and it is not sent then.
    pub fn begin(&mut self, conversation: ConversationId, due: Behind) {
        if due.only.is_none() {
            self.note(conversation, 1, due.from - 1);
        }
        self.fall_behind(conversation, due);
    }

    /// Notes messages that are due and lie in the store.
    pub fn fall_behind(&mut self, conversation: ConversationId, due: Behind) {
        self.behind
            .entry(conversation)
            .and_modify(|behind| {
                behind.from = behind.from.min(due.from);
                behind.upto = behind.upto.max(due.upto);
                if let (Some(mine), Some(more)) = (&mut behind.only, &due.only) {
                    mine.extend(more);
                } else {
                    behind.only = None;
                }
            })
            .or_insert(due);
    }

    /// The user receives for this conversation from now on: what is due follows, after the flush at login if that is still under way.
    pub fn hand_over(&mut self, conversation: ConversationId, from: Seq, upto: Seq) {
        // What the session has been given need not be read again.
        let from = self.given.get(&conversation).map_or(from, |given| given.reach(from - 1, upto) + 1);
        if from > upto {
            return;
        }
        match &mut self.held {
            Some(held) => {
                let behind = held.entry(conversation).or_insert_with(|| Behind::range(from, upto));
                behind.from = behind.from.min(from);
                behind.upto = behind.upto.max(upto);
            }
            None => self.fall_behind(conversation, Behind::range(from, upto)),
        }
    }

    /// Whether a message that is to be acked need not wait for room: it may be sent, or will be read from the store in any case.
    pub fn admits(&mut self, bytes: usize, now: Instant) -> bool {
        if self.held.is_some() {
            return true;
        }
        if !self.has_room(bytes) {
            self.full_since.get_or_insert(now);
        }
        self.has_room_beside(bytes)
    }

    /// Asks whether a message that has just come may be sent now. What lies between `after`, up to where the node has told
    /// everything, and `seq` has not come yet: it is read from the store, so that the order is kept. `tracked` is false for copies of
    /// the user's own messages, which are never acked.
    pub fn offer(
        &mut self,
        conversation: ConversationId,
        seq: Seq,
        after: Seq,
        bytes: usize,
        tracked: bool,
        now: Instant,
    ) -> Offer {
        let given = self.given.get(&conversation);
        if given.is_some_and(|given| given.contains(seq)) {
            return Offer::Skip;
        }
        let from = given.map_or(after, |given| given.reach(after, seq - 1)) + 1;
        let queue = self.held.as_mut().unwrap_or(&mut self.behind);
        if let Some(behind) = queue.get_mut(&conversation) {
            behind.extend(seq);
            return Offer::Later;
        }
        let hole = from < seq;
        if self.held.is_none() && !hole && (!tracked || self.has_room_beside(bytes)) {
            self.record(conversation, seq, bytes, tracked, now);
            return Offer::Send;
        }
        let late = Behind { from, upto: seq, only: None, fresh_from: seq };
        match &mut self.held {
            Some(held) => _ = held.insert(conversation, late),
            None => {
                self.behind.insert(conversation, late);
                if !hole && !self.has_room(bytes) {
                    self.full_since.get_or_insert(now);
                }
            }
        }
        Offer::Later
    }

    /// What should be read from the store now, if anything: as much as there is room for, and nothing while something is being read.
    pub fn fetch(&mut self) -> Vec<Fetch> {
        let room = MESSAGES_MAX - self.unacked.len().min(MESSAGES_MAX);
        // Once the window has been full, only an ack makes room: until then, reading again would find the same.
        if !self.fetching.is_empty() || self.full_since.is_some() || self.is_tight() {
            return Vec::new();
        }
        self.was_full = false;
        // As large as what is under way, no more of them fit.
        let fit = (BYTES_MAX - self.bytes.min(BYTES_MAX)).checked_div(self.bytes / self.unacked.len().max(1));
        let (mut fetches, mut left) = (Vec::new(), room.min(fit.unwrap_or(A_FEW).max(1)));
        for (&conversation, &Behind { from, upto, .. }) in &self.behind {
            if left == 0 {
                break;
            }
            let limit = left.min(usize::try_from(upto - from + 1).unwrap_or(left));
            left -= limit;
            self.fetching.insert(conversation, from);
            self.reserved += limit;
            fetches.push(Fetch { conversation, from, upto, limit });
        }
        fetches
    }

    /// The window was full, and the first acks have made little room. Most are followed by others in a moment: to read two or three
    /// messages costs what it costs to read many.
    pub fn is_tight(&self) -> bool {
        let roomy = self.unacked.len() + A_FEW <= MESSAGES_MAX && self.bytes <= BYTES_MAX / 4 * 3;
        self.was_full && !roomy && !self.behind.is_empty()
    }

    /// What little room there is may be used.
    pub fn loosen(&mut self) {
        self.was_full = false;
    }

    /// Whether a message that has been read from the store is to be sent: `Some(fresh)`, with `fresh` false if the user may have
    /// seen it before. Call it in `seq` order; once it has answered `Err`, the window is full and the rest is read again later.
    ///
    /// # Errors
    /// `Err(Full)` when there is no room.
    pub fn fetched(
        &mut self,
        conversation: ConversationId,
        seq: Seq,
        bytes: usize,
        tracked: bool,
        now: Instant,
    ) -> Result<Option<bool>, Full> {
        let Some(behind) = self.behind.get(&conversation) else { return Ok(None) };
        if !behind.wants(seq) || self.given.get(&conversation).is_some_and(|given| given.contains(seq)) {
            return Ok(None);
        }
        if tracked && !self.has_room(bytes) {
            self.full_since.get_or_insert(now);
            return Err(Full);
        }
        let fresh = seq >= behind.fresh_from;
        if !tracked && !fresh {
            return Ok(None);
        }
        self.record(conversation, seq, bytes, tracked, now);
        Ok(Some(fresh))
    }

    /// What was read of a conversation is over: everything below `next` has been dealt with.
    pub fn fetch_done(&mut self, conversation: ConversationId, next: Seq) {
        let began = self.fetching.remove(&conversation).unwrap_or(next);
        if self.fetching.is_empty() {
            self.reserved = 0;
        }
        if let Some(behind) = self.behind.get_mut(&conversation) {
            let (from, end) = (behind.from.max(began), next.min(behind.upto + 1));
            if behind.only.is_none() && end > from {
                self.given.entry(conversation).or_default().insert(from, end - 1);
            }
            // What was handed over below while the store was read has its turn next; what was sent is skipped then.
            if behind.from >= began {
                behind.from = next.max(behind.from);
            }
            if behind.from > behind.upto {
                self.behind.remove(&conversation);
            }
        }
    }

    /// Nothing is left to be read from the store.
    pub fn is_level(&self) -> bool {
        self.behind.is_empty() && self.fetching.is_empty()
    }

    /// The session itself has written these.
    pub fn note(&mut self, conversation: ConversationId, from: Seq, to: Seq) {
        self.bound_memory();
        self.given.entry(conversation).or_default().insert(from, to);
    }

    /// The client has asked for these, and been given them as history. They are still sent as messages where they are due.
    pub fn show(&mut self, conversation: ConversationId, from: Seq, to: Seq) {
        if self.shown.len() >= REMEMBERED {
            self.shown.clear();
        }
        self.shown.entry(conversation).or_default().insert(from, to);
    }

    /// The client has acked; gives what it has been given of this conversation, by which the ack counts.
    pub fn ack(&mut self, conversation: ConversationId, seq: Seq) -> Given {
        let mut given = self.given.get(&conversation).cloned().unwrap_or_default();
        if let Some(shown) = self.shown.get(&conversation) {
            given.extend(shown);
        }
        self.drop_unacked(conversation, seq);
        given
    }

    /// All up to `seq` has been dealt with elsewhere.
    pub fn settle(&mut self, conversation: ConversationId, seq: Seq) {
        self.drop_unacked(conversation, seq);
        if let Some(behind) = self.behind.get_mut(&conversation) {
            behind.from = behind.from.max(seq + 1);
            if behind.from > behind.upto && !self.fetching.contains_key(&conversation) {
                self.behind.remove(&conversation);
            }
        }
    }

    /// The user no longer receives for this conversation.
    pub fn forget(&mut self, conversation: ConversationId) {
        self.settle(conversation, Seq::MAX - 1);
        self.behind.remove(&conversation);
        if let Some(held) = &mut self.held {
            held.remove(&conversation);
        }
    }

    /// The messages that are to be sent again now.
    pub fn repeats(&mut self, now: Instant) -> Vec<(ConversationId, Seq)> {
        let mut due = Vec::new();
        for (key, unacked) in oldest(&mut self.unacked) {
            if REPEATS.get(unacked.repeats).is_some_and(|&after| now >= unacked.at + after) {
                unacked.repeats = REPEATS.iter().filter(|&&after| now >= unacked.at + after).count();
                due.push(key);
            }
        }
        due.sort_unstable();
        due
    }

    /// Whether this message still waits for its ack.
    pub fn is_unacked(&self, conversation: ConversationId, seq: Seq) -> bool {
        self.unacked.contains_key(&(conversation, seq))
    }

    /// When the next repeat is due.
    pub fn next_repeat(&mut self) -> Option<Instant> {
        oldest(&mut self.unacked)
            .into_iter()
            .filter_map(|(_, u)| REPEATS.get(u.repeats).map(|&after| u.at + after))
            .min()
    }

    /// Since when there has been no room.
    pub fn full_since(&self) -> Option<Instant> {
        self.full_since
    }

    /// Everything that has been sent and not acked, for the offline list of a user who is gone.
    pub fn unacked(&self) -> impl Iterator<Item = (ConversationId, Seq)> {
        self.unacked.keys().copied()
    }

    /// Everything that was still to be sent.
    pub fn unsent(&self) -> impl Iterator<Item = (ConversationId, Seq)> {
        let held = self.held.iter().flatten();
        let all = self.behind.iter().chain(held);
        all.flat_map(|(&conversation, b)| {
            (b.from..=b.upto).filter(|&seq| b.wants(seq)).map(move |seq| (conversation, seq))
        })
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.unacked.len() < MESSAGES_MAX && (self.bytes + bytes <= BYTES_MAX || self.unacked.is_empty())
    }

    /// The same beside what is being read, which is older.
    fn has_room_beside(&self, bytes: usize) -> bool {
        self.has_room(bytes) && self.unacked.len() + self.reserved < MESSAGES_MAX
    }

    fn record(&mut self, conversation: ConversationId, seq: Seq, bytes: usize, tracked: bool, now: Instant) {
        self.bound_memory();
        self.given.entry(conversation).or_default().insert(seq, seq);
        if tracked {
            self.sent += 1;
            self.bytes += bytes;
            self.unacked.insert((conversation, seq), Unacked { bytes, order: self.sent, at: now, repeats: 0 });
            if self.unacked.len() == MESSAGES_MAX {
                self.full_since.get_or_insert(now);
            }
        }
    }

    fn drop_unacked(&mut self, conversation: ConversationId, seq: Seq) {
        let acked: Vec<_> = self.unacked.range((conversation, 0)..=(conversation, seq)).map(|(key, _)| *key).collect();
        for key in &acked {
            if let Some(unacked) = self.unacked.remove(key) {
                self.bytes -= unacked.bytes;
            }
        }
        if !acked.is_empty() {
            self.was_full |= self.full_since.take().is_some();
        }
    }

    /// Forgets what was given of conversations that are not moving, when there are very many. An ack for one of them then counts
    /// for nothing, and what it was for comes again.
    fn bound_memory(&mut self) {
        if self.given.len() > REMEMBERED {
            let (unacked, behind) = (&self.unacked, &self.behind);
            self.given
                .retain(|&c, _| behind.contains_key(&c) || unacked.range((c, 0)..=(c, Seq::MAX)).next().is_some());
        }
    }
}

/// There is no room in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

fn oldest(unacked: &mut BTreeMap<(ConversationId, Seq), Unacked>) -> Vec<((ConversationId, Seq), &mut Unacked)> {
    let mut all: Vec<_> = unacked.iter_mut().map(|(key, value)| (*key, value)).collect();
    if all.len() > REPEATS_AT_ONCE {
        all.select_nth_unstable_by_key(REPEATS_AT_ONCE, |(_, u)| u.order);
        all.truncate(REPEATS_AT_ONCE);
    }
    all
}

#[cfg(test)]
mod tests;
