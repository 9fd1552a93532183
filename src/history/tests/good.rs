//! Random runs of a perfect server: no fault is found in them; and whatever is broken in one, is.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Event, Log, message, summary};
use crate::history::{
    judge,
    log::{Deed, Line, Message, To},
};

const USERS: [&str; 4] = ["b1", "a1", "a2", "a3"];
const BUYER: usize = 0;

/// One thing that happens: what, to whom, and how it goes.
type Op = (u8, usize, u8);

/// A perfect server with one conversation, one buyer and three agents; each has one session at a time.
#[derive(Default)]
struct World {
    log: Log,
    record: Vec<Message>,
    version: u64,
    claimant: Option<usize>,
    /// How far the buyer's side and the shop's have acked.
    cursors: [u64; 2],
    sessions: [usize; 4],
    /// What the present session of each has been given.
    given: [BTreeSet<u64>; 4],
    /// Sent and, for all the sender knows, not stored.
    unsure: [Vec<(String, String, u64)>; 4],
    sends: usize,
}

impl World {
    fn run(ops: &[Op]) -> Vec<Line> {
        let mut world = World::default();
        (0..USERS.len()).for_each(|user| world.log.open(&world.session(user), USERS[user]));
        world.send(BUYER, 0);
        for (what, who, how) in ops {
            let agent = 1 + who % 3;
            match what % 8 {
                0 | 1 => world.send(BUYER, *how),
                2 => world.send(agent, *how),
                3 => world.claim(agent),
                4 => world.give_up(how % 2 == 0),
                5 => world.reconnect(who % USERS.len()),
                6 => world.ack(who % USERS.len()),
                _ => world.repeat(who % USERS.len(), usize::from(*how)),
            }
        }
        for user in 0..USERS.len() {
            world.tell(user);
            world.log.write(&world.session(user), Event::End);
            let messages = world.record.clone();
            world.log.write(&world.session(user), Event::Record { conversation: 1, messages });
        }
        world.log.lines
    }

    fn session(&self, user: usize) -> String {
        format!("{}/{}", USERS[user], self.sessions[user])
    }

    fn tell(&mut self, user: usize) {
        let told = summary(self.version, self.claimant.map(|user| USERS[user]), self.record.len() as u64);
        self.log.told(&self.session(user), told);
    }

    fn send(&mut self, user: usize, how: u8) {
        self.sends += 1;
        let (id, text) = (format!("m{}", self.sends), format!("text {}", self.sends));
        let session = self.session(user);
        let to = if self.record.is_empty() { To::Shop("acme".into()) } else { To::Conversation(1) };
        self.log.sent(&session, &id, to, &text);
        if user != BUYER && self.claimant != Some(user) {
            self.log.refused(&session, &id, "not_claimant", None);
            return;
        }
        match how % 5 {
            // Not stored; the sender gives up.
            3 => return self.log.refused(&session, &id, "unavailable", Some(100)),
            // Stored, and the answer is lost.
            4 => {
                let seq = self.store(user, &id, &text);
                self.unsure[user].push((id, text, seq));
                return self.reconnect(user);
            }
            _ => {}
        }
        let seq = self.store(user, &id, &text);
        self.log.acked(&session, &id, seq, false);
    }

    fn store(&mut self, user: usize, id: &str, text: &str) -> u64 {
        let seq = self.record.len() as u64 + 1;
        self.record.push(message(seq, USERS[user], id, text));
        let receivers: Vec<usize> = match (user, self.claimant) {
            (BUYER, Some(claimant)) => vec![claimant],
            (BUYER, None) => vec![1, 2, 3],
            _ => vec![BUYER],
        };
        receivers.into_iter().for_each(|receiver| self.give(receiver, seq, false));
        seq
    }

    fn give(&mut self, user: usize, seq: u64, redelivered: bool) {
        self.given[user].insert(seq);
        self.log.received(&self.session(user), &self.record[seq as usize - 1].clone(), redelivered);
    }

    /// What the other side has said above the cursor.
    fn due(&self, user: usize) -> Vec<u64> {
        let cursor = self.cursors[usize::from(user != BUYER)];
        let others = |message: &&Message| (&*message.role == "buyer") == (user != BUYER) && message.seq > cursor;
        self.record.iter().filter(others).map(|message| message.seq).collect()
    }

    fn claim(&mut self, agent: usize) {
        let session = self.session(agent);
        if let Some(claimant) = self.claimant.filter(|claimant| *claimant != agent) {
            let _ = claimant;
            return self.log.refused(&session, "claim", "already_claimed", None);
        }
        if self.claimant.is_none() {
            self.version += 1;
            self.claimant = Some(agent);
        }
        let told = summary(self.version, Some(USERS[agent]), self.record.len() as u64);
        self.log.deed(&session, Deed::Claim, told);
        self.due(agent).into_iter().for_each(|seq| self.give(agent, seq, true));
        self.tell(BUYER);
    }

    fn give_up(&mut self, resolve: bool) {
        let Some(agent) = self.claimant.take() else { return };
        self.version += 1;
        let told = summary(self.version, None, self.record.len() as u64);
        self.log.deed(&self.session(agent), if resolve { Deed::Resolve } else { Deed::Release }, told);
        self.tell(1);
    }

    fn reconnect(&mut self, user: usize) {
        self.log.write(&self.session(user), Event::Close);
        self.sessions[user] += 1;
        self.given[user].clear();
        self.log.open(&self.session(user), USERS[user]);
        if user == BUYER || self.claimant.is_none_or(|claimant| claimant == user) {
            self.due(user).into_iter().for_each(|seq| self.give(user, seq, true));
        }
        self.tell(user);
        for (id, text, seq) in std::mem::take(&mut self.unsure[user]) {
            self.log.sent(&self.session(user), &id, To::Conversation(1), &text);
            self.log.acked(&self.session(user), &id, seq, true);
        }
    }

    fn ack(&mut self, user: usize) {
        let side = usize::from(user != BUYER);
        if user == BUYER || self.claimant == Some(user) {
            let due = self.due(user);
            let acked = due.into_iter().take_while(|seq| self.given[user].contains(seq)).last();
            self.cursors[side] = acked.unwrap_or(self.cursors[side]);
        }
    }

    fn repeat(&mut self, user: usize, which: usize) {
        if let Some(seq) = self.given[user].iter().copied().nth(which % self.given[user].len().max(1)) {
            self.give(user, seq, true);
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec((any::<u8>(), 0..4_usize, any::<u8>()), 0..120)
}

/// The lines of all arrivals of messages that came more than once to their session, after the first.
fn repeats(lines: &[Line]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let again = |(at, line): (usize, &Line)| match &line.event {
        Event::Received { message, .. } => (!seen.insert((line.session.clone(), message.seq))).then_some(at),
        _ => None,
    };
    lines.iter().enumerate().filter_map(again).collect()
}

fn change_records(lines: &mut [Line], change: impl Fn(&mut Vec<Message>)) {
    lines.iter_mut().for_each(|line| {
        if let Event::Record { messages, .. } = &mut line.event {
            change(messages);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_good_run_has_no_fault(ops in ops()) {
        let lines = World::run(&ops);
        let verdict = judge(lines.clone());
        prop_assert!(verdict.is_good(), "{verdict}\n{lines:#?}");
    }

    #[test]
    fn the_order_of_the_files_does_not_matter(ops in ops()) {
        let mut lines = World::run(&ops);
        lines.reverse();
        prop_assert!(judge(lines).is_good());
    }

    #[test]
    fn what_is_taken_out_of_the_record_is_missed(ops in ops(), which: prop::sample::Index) {
        let mut lines = World::run(&ops);
        change_records(&mut lines, |record| drop(record.remove(which.index(record.len()))));
        prop_assert!(judge(lines).faults.lost > 0);
    }

    #[test]
    fn what_is_stored_again_is_seen(ops in ops(), which: prop::sample::Index) {
        let mut lines = World::run(&ops);
        change_records(&mut lines, |record| {
            let again = record[which.index(record.len())].clone();
            record.push(Message { seq: record.len() as u64 + 1, ..again });
        });
        prop_assert!(judge(lines).faults.doubled > 0);
    }

    #[test]
    fn what_one_reader_reads_otherwise_is_seen(ops in ops(), which: prop::sample::Index, reader: prop::sample::Index) {
        let mut lines = World::run(&ops);
        let records: Vec<usize> = (0..lines.len()).filter(|at| matches!(lines[*at].event, Event::Record { .. })).collect();
        let at = records[reader.index(records.len())];
        change_records(&mut lines[at..=at], |record| {
            let which = which.index(record.len());
            record[which].text = "something else".into();
        });
        prop_assert!(judge(lines).faults.views > 0);
    }

    #[test]
    fn a_repeat_that_does_not_say_so_is_seen(ops in ops(), which: prop::sample::Index) {
        let mut lines = World::run(&ops);
        let repeats = repeats(&lines);
        prop_assume!(!repeats.is_empty());
        let Event::Received { redelivered, .. } = &mut lines[repeats[which.index(repeats.len())]].event else { unreachable!() };
        *redelivered = false;
        prop_assert!(judge(lines).faults.doubled > 0);
    }

    #[test]
    fn a_second_claimant_is_seen(ops in ops(), which: prop::sample::Index) {
        let mut lines = World::run(&ops);
        let told = lines.iter_mut().filter_map(|line| match &mut line.event {
            Event::Agreed { summary, .. } if summary.claimed_by.is_some() => Some(summary),
            _ => None,
        });
        let mut told: Vec<_> = told.collect();
        prop_assume!(!told.is_empty());
        let which = which.index(told.len());
        told[which].claimed_by = Some("a9".into());
        prop_assert!(judge(lines).faults.two_claimants > 0);
    }
}
