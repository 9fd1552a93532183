//! Adds tickets up: in total, for each piece of a period, and for each agent.

use std::collections::BTreeMap;

use super::{
    clock::Clock,
    period::Period,
    ticket::{Event, Ticket},
};
use crate::domain::{
    cursor::Which,
    ids::{Timestamp, UserId},
};

/// A message of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub at: Timestamp,
    /// `First` is the buyer's.
    pub side: Which,
    pub by: UserId,
}

/// Messages, and how many tickets they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    pub messages: u64,
    pub tickets: u64,
}

/// The figures of a period, of one of its pieces, or of an agent. Times are in milliseconds, and not sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub opened: u64,
    pub left_messages: u64,
    /// Tickets that were answered within 30 s, and those that should have been.
    pub within_30s: u64,
    pub not_within_30s: u64,
    pub claimed: u64,
    pub waits: Vec<i64>,
    pub first_responses: Vec<i64>,
    pub first_responses_after_claim: Vec<i64>,
    pub resolved: u64,
    /// Of these, those that only a bot has had.
    pub resolved_by_bot: u64,
    pub resolutions: Vec<i64>,
    /// How many ratings of 1 to 5.
    pub scores: [u64; 5],
    pub messages_in: Messages,
    pub messages_out: Messages,
}

impl Figures {
    fn add(&mut self, event: Event, ticket: &Ticket, clock: &Clock) {
        match event {
            Event::Opened => {
                self.opened += 1;
                self.left_messages += u64::from(ticket.left_message);
                let within = ticket.within_30s(clock);
                self.within_30s += u64::from(within == Some(true));
                self.not_within_30s += u64::from(within == Some(false));
            }
            Event::Claimed => {
                self.claimed += 1;
                self.waits.extend(ticket.wait(clock));
            }
            Event::Answered => {
                self.first_responses.extend(ticket.first_response(clock));
                self.first_responses_after_claim.extend(ticket.first_response_after_claim(clock));
            }
            Event::Resolved => {
                self.resolved += 1;
                self.resolved_by_bot += u64::from(ticket.offered_at.is_none());
                self.resolutions.extend(ticket.resolution(clock));
            }
            Event::Rated => {
                let score = ticket.rated.and_then(|(_, score)| usize::try_from(score - 1).ok());
                if let Some(count) = score.and_then(|score| self.scores.get_mut(score)) {
                    *count += 1;
                }
            }
            Event::MessageIn | Event::MessageOut => {}
        }
    }

    fn messages(&mut self, side: Which) -> &mut Messages {
        match side {
            Which::First => &mut self.messages_in,
            Which::Second => &mut self.messages_out,
        }
    }
}

/// Whose figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Total,
    Piece(usize),
    Agent(UserId),
}

/// All figures of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub total: Figures,
    /// As many as the period has pieces.
    pub pieces: Vec<Figures>,
    pub agents: BTreeMap<UserId, Figures>,
}

impl Sums {
    fn of(&mut self, account: Account) -> &mut Figures {
        match account {
            Account::Total => &mut self.total,
            Account::Piece(number) => &mut self.pieces[number],
            Account::Agent(agent) => self.agents.entry(agent).or_default(),
        }
    }
}

/// Figures in the making.
#[derive(Clone, Debug)]
pub struct Tally {
    clock: Clock,
    period: Period,
    pub sums: Sums,
}

impl Tally {
    pub fn new(clock: Clock, period: Period) -> Tally {
        let sums = Sums { pieces: vec![Figures::default(); period.pieces.len()], ..Sums::default() };
        Tally { clock, period, sums }
    }

    /// Adds what happened to a ticket, and the messages in it, as far as they lie in the period.
    pub fn add(&mut self, ticket: &Ticket, messages: &[Message]) {
        for event in Event::ALL {
            let happened = ticket.happened(event).filter(|(at, _)| self.period.span.contains(*at));
            for account in happened.into_iter().flat_map(|(at, agent)| accounts(&self.period, at, agent)) {
                self.sums.of(account).add(event, ticket, &self.clock);
            }
        }
        let mut counts = BTreeMap::<(Account, i16), u64>::new();
        for message in messages.iter().filter(|message| self.period.span.contains(message.at)) {
            let agent = match message.side {
                Which::First => ticket.first_claimant(),
                Which::Second => Some(message.by),
            };
            for account in accounts(&self.period, message.at, agent) {
                *counts.entry((account, message.side.index())).or_default() += 1;
            }
        }
        for ((account, side), count) in counts {
            let messages = self.sums.of(account).messages(Which::from_index(side));
            messages.messages += count;
            messages.tickets += 1;
        }
    }
}

fn accounts(period: &Period, at: Timestamp, agent: Option<UserId>) -> impl Iterator<Item = Account> + use<> {
    let piece = period.piece(at).map(Account::Piece);
    [Some(Account::Total), piece, agent.map(Account::Agent)].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::{
        clock::Zone,
        period::{Bucket, Span},
        ticket::tests::{ANN, BOB, at, office, opened},
    };

    const BUYER: UserId = UserId(9);

    fn tally(from: i64, to: i64) -> Tally {
        let span = Span { from: at(from, 0), to: at(to, 0) };
        Tally::new(office(), Period::cut(span, Some(Bucket::Hour), &Zone::UTC, 100).unwrap())
    }

    fn said(hour: i64, second: i64, by: UserId) -> Message {
        let side = if by == BUYER { Which::First } else { Which::Second };
        Message { at: at(hour, second), side, by }
    }

    #[test]
    fn each_event_counts_when_it_happened_for_whom_it_was() {
        let mut tally = tally(10, 13);
        let ticket = Ticket {
            claimed: Some((at(10, 10), ANN)),
            answered: Some((at(10, 20), ANN)),
            last_claimed_by: Some(BOB),
            resolved: Some((at(11, 0), BOB)),
            rated: Some((at(12, 0), 4)),
            ..opened(at(10, 0))
        };
        let messages =
            [said(10, 0, BUYER), said(10, 20, ANN), said(10, 30, ANN), said(11, 0, BUYER), said(9, 0, BUYER)];
        tally.add(&ticket, &messages);
        tally.add(&Ticket { left_message: true, ..opened(at(12, 5)) }, &[said(12, 5, BUYER)]);
        let Sums { total, pieces, agents } = &tally.sums;
        assert_eq!((total.opened, total.claimed, total.resolved, total.left_messages), (2, 1, 1, 1));
        assert_eq!((total.within_30s, total.not_within_30s), (1, 0));
        assert_eq!((&*total.waits, &*total.first_responses), (&[10_000][..], &[20_000][..]));
        assert_eq!((&*total.first_responses_after_claim, &*total.resolutions), (&[10_000][..], &[3_600_000][..]));
        assert_eq!(total.scores, [0, 0, 0, 1, 0]);
        assert_eq!(total.messages_in, Messages { messages: 3, tickets: 2 }, "one was before the period");
        assert_eq!(total.messages_out, Messages { messages: 2, tickets: 1 });
        let opened: Vec<_> = pieces.iter().map(|piece| (piece.opened, piece.resolved, piece.scores[3])).collect();
        assert_eq!(opened, [(1, 0, 0), (0, 1, 0), (1, 0, 1)]);
        let (ann, bob) = (&agents[&ANN], &agents[&BOB]);
        assert_eq!((ann.opened, ann.claimed, ann.resolved, ann.messages_in.messages), (1, 1, 0, 2));
        assert_eq!((bob.opened, bob.claimed, bob.resolved, bob.scores[3]), (0, 0, 1, 1));
        assert_eq!((ann.messages_out.messages, bob.messages_out.messages), (2, 0));
        assert_eq!(agents.len(), 2);
    }

    #[test]
    fn what_happened_outside_the_period_does_not_count() {
        let mut tally = tally(10, 11);
        let ticket = Ticket {
            claimed: Some((at(9, 1_800), ANN)),
            answered: Some((at(10, 0), ANN)),
            resolved: Some((at(11, 0), ANN)),
            ..opened(at(9, 0))
        };
        tally.add(&ticket, &[]);
        assert_eq!((tally.sums.total.opened, tally.sums.total.claimed, tally.sums.total.resolved), (0, 0, 0));
        assert_eq!(tally.sums.total.first_responses, [3_600_000], "measured whole, though it began before");
        assert_eq!(tally.sums.pieces[0].first_responses, [3_600_000]);
    }

    #[test]
    fn a_ticket_is_reopened_as_another() {
        let mut tally = tally(10, 12);
        let first = Ticket { resolved: Some((at(10, 60), ANN)), ..opened(at(10, 0)) };
        tally.add(&first, &[said(10, 0, BUYER)]);
        tally.add(&Ticket { claimed: Some((at(11, 5), BOB)), ..opened(at(11, 0)) }, &[said(11, 0, BUYER)]);
        assert_eq!(
            (tally.sums.total.opened, tally.sums.total.resolved, &*tally.sums.total.waits),
            (2, 1, &[5_000][..])
        );
        assert_eq!(tally.sums.total.not_within_30s, 2, "neither was answered");
        assert_eq!(tally.sums.total.messages_in, Messages { messages: 2, tickets: 2 });
    }
}
