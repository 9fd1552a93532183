//! What was sent, promised and given in a run, and what of it must not have happened: constant work a message, and memory only
//! for what is still under way.
//!
//! A talk is a conversation in which one session speaks, in the order of its messages' numbers, and some listen. Each message is
//! kept until it has an `ok` and has come to all who listen. `history` judges logs of any kind afterwards, with everything at hand;
//! this judges this one kind of run while it goes on, tens of thousands of messages a second.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;

use crate::history::Faults;

/// So many faults are told in words; all are counted.
const TOLD: usize = 20;
/// So many may listen to a talk.
pub const LISTENERS: usize = u128::BITS as usize;

/// Everything that is known of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    talks: Vec<Talk>,
    pub faults: Faults,
    /// The first faults, in words.
    pub details: Vec<String>,
    pub judged: Judged,
    /// Deliveries of what had come before, so marked.
    pub repeats: u64,
    /// Messages that were refused for now and are stored all the same: the server did not know by then what would become of them.
    pub refused_but_stored: u64,
}

/// Of a whole run, with all before and after the measured time: how much has been judged.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Judged {
    /// With an `ok`.
    pub messages: u64,
    /// Of these, to each who listens; repeats are not counted.
    pub deliveries: u64,
}

#[derive(Debug)]
struct Talk {
    /// 0 as long as it is not known.
    conversation: u64,
    /// The number of the oldest message that is kept.
    first: u32,
    kept: VecDeque<Sent>,
    /// For each who listens, the seq up to which it has been given everything.
    reached: Box<[u32]>,
    /// Of the messages with an `ok` that were sent once: the latest number, and its seq.
    latest: (u32, u32),
    /// What has an `ok`: how many, and a sum over which number has which seq, in any order.
    stored: u32,
    places: u64,
    /// Numbers that were refused for now and are not sent again: whether they are stored, nobody has said (`history::checker` judges alike).
    refused: BTreeSet<u32>,
}

/// A message under way.
#[derive(Debug, Default)]
struct Sent {
    /// When it should have been sent, in microseconds of the run's clock.
    due: u64,
    /// Its place, once somebody has named it.
    seq: u32,
    answered: bool,
    again: bool,
    /// Who has been given it, by bit.
    given: u128,
}

impl Ledger {
    /// A talk to which so many listen, at most [`LISTENERS`]; gives its number.
    pub fn open(&mut self, listeners: usize) -> u32 {
        self.talks.push(Talk {
            conversation: 0,
            first: 0,
            kept: VecDeque::new(),
            reached: vec![0; listeners.min(LISTENERS)].into(),
            latest: (0, 0),
            stored: 0,
            places: 0,
            refused: BTreeSet::new(),
        });
        self.talks.len() as u32 - 1
    }

    pub fn conversation(&self, talk: u32) -> u64 {
        self.talks[talk as usize].conversation
    }

    /// Where a talk is, told by a delivery before the `ok`.
    pub fn is_at(&mut self, talk: u32, conversation: u64) {
        self.talks[talk as usize].conversation = conversation;
    }

    /// Up to which seq a listener has been given everything.
    pub fn reached(&self, talk: u32, listener: usize) -> u32 {
        self.talks[talk as usize].reached[listener]
    }

    /// A message is about to be sent; gives its number.
    pub fn sent(&mut self, talk: u32, due: u64) -> u32 {
        let talk = &mut self.talks[talk as usize];
        talk.kept.push_back(Sent { due, ..Sent::default() });
        talk.first + talk.kept.len() as u32 - 1
    }

    /// The same message is about to be sent again.
    pub fn again(&mut self, talk: u32, number: u32) {
        if let Some(sent) = self.talks[talk as usize].get(number) {
            sent.again = true;
        }
    }

    /// The numbers of what has no answer, oldest first.
    pub fn unanswered(&self, talk: u32) -> Vec<u32> {
        let Talk { first, kept, .. } = &self.talks[talk as usize];
        (*first..).zip(kept).filter(|(_, sent)| !sent.answered).map(|(number, _)| number).collect()
    }

    /// `ok` to a message. When it was due, the first time.
    pub fn ok(&mut self, key: (u32, u32), conversation: u64, seq: u32, duplicate: bool) -> Option<u64> {
        let (at, number) = key;
        let talk = &mut self.talks[at as usize];
        if talk.conversation == 0 {
            talk.conversation = conversation;
        }
        let home = talk.conversation;
        let latest = talk.latest;
        let sent = talk.get(number)?;
        let (due, first) = (sent.due, !sent.answered);
        let (before, once) = (sent.seq, !sent.again);
        sent.answered = true;
        sent.seq = seq;
        if first {
            talk.stored += 1;
            talk.places = talk.places.wrapping_add(place(seq, number));
            if once && number > latest.0 {
                talk.latest = (number, seq);
            }
        }
        talk.forget();
        self.judged.messages += u64::from(first);
        if duplicate && once {
            self.found(
                |f| &mut f.doubled,
                || format!("doubled: {at}.{number} was sent once, and is said to be a duplicate"),
            );
        }
        if conversation != home || (before != 0 && before != seq) {
            self.found(|f| &mut f.doubled, || format!("doubled: {at}.{number} is at {before} and at {seq}"));
        }
        if first && once && latest.1 != 0 && (number > latest.0) != (seq > latest.1) {
            let (other, place) = latest;
            let words = || format!("out of order: {at}.{number} is at {seq}, and {at}.{other} at {place}");
            self.found(|f| &mut f.out_of_order, words);
        }
        first.then_some(due)
    }

    /// A message was refused for now, and is not sent again. When it was due.
    pub fn refused(&mut self, at: u32, number: u32) -> Option<u64> {
        let talk = &mut self.talks[at as usize];
        let listeners = talk.everybody();
        let sent = talk.get(number)?;
        let due = sent.due;
        sent.answered = true;
        sent.given = listeners;
        talk.refused.insert(number);
        talk.forget();
        Some(due)
    }

    /// Whether a message was refused for now: it may be stored, and come.
    pub fn is_in_doubt(&self, (at, number): (u32, u32)) -> bool {
        self.talks[at as usize].refused.contains(&number)
    }

    /// A message has come to one who listens. When it was due, the first time.
    pub fn given(&mut self, key: (u32, u32), listener: usize, seq: u32, redelivered: bool) -> Option<u64> {
        if self.is_in_doubt(key) {
            self.given_in_doubt(key, listener, seq, redelivered);
            return None;
        }
        let (at, number) = key;
        let talk = &mut self.talks[at as usize];
        let bit = 1_u128 << listener;
        let reached = talk.reached[listener];
        let next = talk.first + talk.kept.len() as u32;
        let known = talk.get(number).map(|sent| {
            let moved = sent.seq != 0 && sent.seq != seq;
            let again = sent.given & bit != 0;
            sent.seq = seq;
            sent.given |= bit;
            (sent.due, moved, again)
        });
        let Some((due, moved, again)) = known else {
            if number >= next {
                self.found(|f| &mut f.views, || format!("views: {at}.{number} was never sent"));
            } else if redelivered {
                self.repeats += 1;
            } else {
                self.found(|f| &mut f.doubled, || format!("doubled: {at}.{number} came again, at {seq}"));
            }
            return None;
        };
        if !again && seq == reached + 1 {
            talk.reached[listener] = seq;
        }
        talk.forget();
        self.judged.deliveries += u64::from(!again);
        if moved {
            self.found(|f| &mut f.doubled, || format!("doubled: {at}.{number} is at {seq} too"));
        }
        match (again, redelivered) {
            (true, true) => self.repeats += 1,
            (true, false) => {
                self.found(|f| &mut f.doubled, || format!("doubled: {at}.{number} came twice to {listener}"))
            }
            (false, false) if seq <= reached => {
                self.found(
                    |f| &mut f.out_of_order,
                    || format!("out of order: {at}.{number} at {seq} came to {listener} after {reached}"),
                );
            }
            (false, _) if seq > reached + 1 => {
                // What was left out may come yet; this talk goes on from here.
                self.talks[at as usize].reached[listener] = seq;
                self.found(
                    |f| &mut f.holes,
                    || format!("hole: {at}.{number} at {seq} came to {listener} after {reached}"),
                );
            }
            (false, _) => {}
        }
        (!again).then_some(due)
    }

    /// The same of one that was refused for now: it has its place among the others, and comes once.
    fn given_in_doubt(&mut self, (at, number): (u32, u32), listener: usize, seq: u32, redelivered: bool) {
        let reached = &mut self.talks[at as usize].reached[listener];
        let before = std::mem::replace(reached, seq.max(*reached));
        if seq > before + 1 {
            self.found(|f| &mut f.holes, || format!("hole: {at}.{number} at {seq} came to {listener} after {before}"));
        } else if seq <= before && redelivered {
            self.repeats += 1;
        } else if seq <= before {
            self.found(|f| &mut f.doubled, || format!("doubled: {at}.{number} came twice to {listener}, at {seq}"));
        }
    }

    /// How many messages have no answer, and how many deliveries are owed of those that have an `ok`.
    pub fn owed(&self) -> (u64, u64) {
        self.talks.iter().fold((0, 0), |(unanswered, undelivered), talk| {
            let everybody = talk.everybody();
            talk.kept.iter().fold((unanswered, undelivered), |(unanswered, undelivered), sent| match sent.answered {
                true => (unanswered, undelivered + u64::from((everybody & !sent.given).count_ones())),
                false => (unanswered + 1, undelivered),
            })
        })
    }

    /// The end: what is still owed is lost.
    pub fn close(&mut self) {
        for at in 0..self.talks.len() {
            let talk = &self.talks[at];
            let (everybody, first) = (talk.everybody(), talk.first);
            let missing: Vec<(u32, u32)> = (first..)
                .zip(&talk.kept)
                .filter(|(_, sent)| sent.answered && sent.given != everybody)
                .map(|(number, sent)| (number, (everybody & !sent.given).count_ones()))
                .collect();
            for (number, listeners) in missing {
                for _ in 0..listeners {
                    self.found(|f| &mut f.lost, || format!("lost: {at}.{number} never came to one who listens"));
                }
            }
        }
    }

    /// Compares a talk's whole record with what was promised: numbers by rising seq.
    pub fn record(&mut self, at: u32, record: &[(u32, u32)]) {
        let talk = &self.talks[at as usize];
        let sent = talk.first + talk.kept.len() as u32;
        let open: Vec<u32> = self.unanswered(at);
        let mut seen = vec![false; sent as usize];
        let (mut doubled, mut unknown) = (0_u64, 0_u64);
        for (_, number) in record {
            match seen.get_mut(*number as usize) {
                Some(seen) if *seen => doubled += 1,
                Some(seen) => *seen = true,
                None => unknown += 1,
            }
        }
        let promised = |number: &u32| !talk.refused.contains(number) && !open.contains(number);
        let lost = (0..sent).filter(|number| !seen[*number as usize] && promised(number)).count() as u64;
        let refused = talk.refused.iter().filter(|number| seen[**number as usize]).count() as u64;
        let holes = record.iter().zip(1..).filter(|((seq, _), place)| seq != place).count().min(1) as u64;
        let answered = record.iter().filter(|(_, number)| !open.contains(number) && !talk.refused.contains(number));
        let places = answered.fold(0, |sum: u64, (seq, number)| sum.wrapping_add(place(*seq, *number)));
        self.refused_but_stored += refused;
        let moved = u64::from(doubled + unknown + lost == 0 && places != talk.places);
        for (count, field, words) in [
            (doubled, (|f| &mut f.doubled) as fn(&mut Faults) -> &mut u64, "doubled: stored twice"),
            (lost, |f| &mut f.lost, "lost: with an `ok` and not in the record"),
            (unknown, |f| &mut f.views, "views: in the record and never sent"),
            (holes, |f| &mut f.holes, "hole: in the record"),
            (moved, |f| &mut f.views, "views: the record has other places than were named"),
        ] {
            for _ in 0..count {
                self.found(field, || format!("{words}, talk {at}"));
            }
        }
    }

    /// A fault that others than the ledger see.
    pub fn found(&mut self, count: impl Fn(&mut Faults) -> &mut u64, words: impl FnOnce() -> String) {
        *count(&mut self.faults) += 1;
        if self.details.len() < TOLD {
            self.details.push(words());
        }
    }
}

impl Talk {
    fn everybody(&self) -> u128 {
        match self.reached.len() {
            LISTENERS.. => u128::MAX,
            listeners => (1 << listeners) - 1,
        }
    }

    fn get(&mut self, number: u32) -> Option<&mut Sent> {
        self.kept.get_mut(number.checked_sub(self.first)? as usize)
    }

    /// Lets go of what has come to its end.
    fn forget(&mut self) {
        let everybody = self.everybody();
        while self.kept.front().is_some_and(|sent| sent.answered && sent.given == everybody) {
            self.kept.pop_front();
            self.first += 1;
        }
    }
}

/// What a message at a place adds to a sum in which the order is none.
fn place(seq: u32, number: u32) -> u64 {
    let mut mixed = (u64::from(seq) << 32 | u64::from(number)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A talk in conversation 17 with two who listen, of which so many messages are stored and have come to both.
    fn talk(messages: u32) -> Ledger {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.open(2), 0);
        for number in 0..messages {
            assert_eq!(ledger.sent(0, 100), number);
            assert_eq!(ledger.ok((0, number), 17, number + 1, false), Some(100));
            for listener in 0..2 {
                assert_eq!(ledger.given((0, number), listener, number + 1, false), Some(100));
            }
        }
        ledger
    }

    fn record(messages: u32) -> Vec<(u32, u32)> {
        (0..messages).map(|number| (number + 1, number)).collect()
    }

    #[track_caller]
    fn finds(mut ledger: Ledger, fault: &str) {
        ledger.close();
        let found: Vec<_> =
            ledger.faults.each().into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
        assert_eq!(found, if fault.is_empty() { vec![] } else { vec![fault] }, "{:?}", ledger.details);
    }

    #[test]
    fn what_is_as_it_should_be_leaves_nothing_behind() {
        let mut ledger = talk(1_000);
        assert!(ledger.talks[0].kept.is_empty());
        assert_eq!((ledger.owed(), ledger.reached(0, 1), ledger.conversation(0)), ((0, 0), 1_000, 17));
        ledger.record(0, &record(1_000));
        finds(ledger, "");
    }

    #[test]
    fn repeats_that_are_marked_are_no_fault() {
        let mut ledger = talk(3);
        // Long forgotten, and just now.
        assert_eq!(ledger.given((0, 1), 0, 2, true), None);
        ledger.sent(0, 5);
        assert_eq!(ledger.given((0, 3), 0, 4, false), Some(5));
        assert_eq!(ledger.given((0, 3), 0, 4, true), None);
        assert_eq!((ledger.repeats, ledger.owed()), (2, (1, 0)));
        // A connection was lost: it is sent again, and answered with its place.
        ledger.again(0, 3);
        assert_eq!(ledger.unanswered(0), [3]);
        assert_eq!(ledger.ok((0, 3), 17, 4, true), Some(5));
        assert_eq!(ledger.given((0, 3), 1, 4, true), Some(5));
        ledger.record(0, &record(4));
        finds(ledger, "");
    }

    #[test]
    fn what_is_lost_is_found() {
        let mut ledger = talk(2);
        ledger.sent(0, 0);
        ledger.ok((0, 2), 17, 3, false);
        ledger.given((0, 2), 0, 3, false);
        assert_eq!(ledger.owed(), (0, 1));
        finds(ledger, "lost");
        let mut ledger = talk(3);
        ledger.record(0, &record(2));
        finds(ledger, "lost");
    }

    #[test]
    fn what_is_doubled_is_found() {
        let mut ledger = talk(2);
        ledger.given((0, 1), 0, 2, false);
        finds(ledger, "doubled");
        let mut ledger = talk(2);
        ledger.sent(0, 0);
        ledger.ok((0, 2), 17, 3, false);
        ledger.given((0, 2), 0, 3, false);
        ledger.given((0, 2), 1, 4, true);
        assert_eq!(ledger.faults.doubled, 1);
        let mut ledger = talk(2);
        ledger.record(0, &[(1, 0), (2, 1), (3, 1)]);
        finds(ledger, "doubled");
        let mut ledger = talk(1);
        ledger.sent(0, 0);
        ledger.ok((0, 1), 17, 2, true);
        assert_eq!(ledger.faults.doubled, 1);
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        let mut ledger = talk(1);
        ledger.sent(0, 0);
        ledger.sent(0, 0);
        ledger.ok((0, 1), 17, 3, false);
        ledger.ok((0, 2), 17, 2, false);
        assert_eq!(ledger.faults.out_of_order, 1);
        let mut ledger = talk(1);
        for number in 1..=2 {
            ledger.sent(0, 0);
            ledger.ok((0, number), 17, number + 1, false);
        }
        ledger.given((0, 2), 0, 3, false);
        ledger.given((0, 1), 0, 2, false);
        assert_eq!((ledger.faults.holes, ledger.faults.out_of_order), (1, 1));
    }

    #[test]
    fn what_was_refused_for_now_may_be_stored_once() {
        // One with a place, and one that nobody has heard of again.
        let refused = |messages| {
            let mut ledger = talk(1);
            for number in 1..=messages {
                ledger.sent(0, 0);
                assert_eq!(ledger.refused(0, number), Some(0));
            }
            ledger
        };
        let mut ledger = refused(1);
        ledger.record(0, &record(1));
        assert_eq!(ledger.refused_but_stored, 0);
        finds(ledger, "");
        let mut ledger = refused(1);
        for listener in 0..2 {
            assert_eq!(ledger.given((0, 1), listener, 2, false), None, "no figure is measured by it");
            assert_eq!(ledger.given((0, 1), listener, 2, true), None);
        }
        ledger.sent(0, 5);
        ledger.ok((0, 2), 17, 3, false);
        assert_eq!([0, 1].map(|listener| ledger.given((0, 2), listener, 3, false)), [Some(5); 2], "behind it");
        ledger.record(0, &record(3));
        assert_eq!((ledger.refused_but_stored, ledger.repeats), (1, 2));
        finds(ledger, "");
        let mut ledger = refused(1);
        ledger.given((0, 1), 0, 2, false);
        ledger.given((0, 1), 0, 2, false);
        finds(ledger, "doubled");
        let mut ledger = refused(2);
        ledger.given((0, 2), 0, 3, false);
        finds(ledger, "holes");
        let mut ledger = refused(1);
        ledger.record(0, &[(1, 0), (2, 1), (3, 1)]);
        finds(ledger, "doubled");
        let mut ledger = talk(1);
        ledger.record(0, &[(1, 0), (2, 7)]);
        finds(ledger, "views");
    }
}
