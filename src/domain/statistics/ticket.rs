//! What is known of a ticket, what happened to it when, and the times that are measured of it.

use super::clock::Clock;
use crate::domain::ids::{Timestamp, UserId};

/// A first answer in so many milliseconds of working time is in time.
pub const IN_TIME_MS: i64 = 30_000;

/// What figures count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Event {
    #[default]
    Opened,
    /// For the first time.
    Claimed,
    /// For the first time.
    Answered,
    Resolved,
    /// For the last time.
    Rated,
    /// A message of the buyer's.
    MessageIn,
    /// A message of the shop's.
    MessageOut,
}

impl Event {
    pub const ALL: [Event; 7] = [
        Event::Opened,
        Event::Claimed,
        Event::Answered,
        Event::Resolved,
        Event::Rated,
        Event::MessageIn,
        Event::MessageOut,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Event::Opened => "opened",
            Event::Claimed => "claimed",
            Event::Answered => "answered",
            Event::Resolved => "resolved",
            Event::Rated => "rated",
            Event::MessageIn => "message_in",
            Event::MessageOut => "message_out",
        }
    }

    pub fn parse(s: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.as_str() == s)
    }
}

/// A round of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub opened_at: Timestamp,
    /// When it came before people; `None` where only a bot has had it.
    pub offered_at: Option<Timestamp>,
    /// Opened by an agent who has claimed a resolved conversation: nobody was waiting.
    pub outbound: bool,
    /// It came before people while nobody was on duty.
    pub left_message: bool,
    /// The first claim by a person: when, and who got it.
    pub claimed: Option<(Timestamp, UserId)>,
    pub answered: Option<(Timestamp, UserId)>,
    pub resolved: Option<(Timestamp, UserId)>,
    pub last_claimed_by: Option<UserId>,
    pub rated: Option<(Timestamp, i16)>,
}

impl Ticket {
    /// When something happened to it, and to which agent's account it goes. Messages are not known here.
    pub fn happened(&self, event: Event) -> Option<(Timestamp, Option<UserId>)> {
        let deed = |deed: Option<(Timestamp, UserId)>| deed.map(|(at, by)| (at, Some(by)));
        match event {
            Event::Opened => Some((self.opened_at, self.first_claimant())),
            Event::Claimed => deed(self.claimed),
            Event::Answered => deed(self.answered),
            Event::Resolved => deed(self.resolved),
            Event::Rated => self.rated.map(|(at, _)| (at, self.last_claimed_by)),
            Event::MessageIn | Event::MessageOut => None,
        }
    }

    pub fn first_claimant(&self) -> Option<UserId> {
        self.claimed.map(|(_, by)| by)
    }

    /// From when it came before people to the first claim.
    pub fn wait(&self, clock: &Clock) -> Option<i64> {
        self.since_offered(clock, self.claimed.filter(|_| !self.outbound))
    }

    /// From when it came before people to the first answer of one, the wait for a claim included.
    pub fn first_response(&self, clock: &Clock) -> Option<i64> {
        self.since_offered(clock, self.answered.filter(|_| !self.outbound))
    }

    /// From the first claim to the first answer; nothing where an admin has put the answer there before anybody claimed it.
    pub fn first_response_after_claim(&self, clock: &Clock) -> Option<i64> {
        let (answered, _) = self.answered.filter(|_| !self.outbound)?;
        Some(clock.working(self.claimed.map_or(answered, |(at, _)| at), answered))
    }

    /// From when it came before people to the end.
    pub fn resolution(&self, clock: &Clock) -> Option<i64> {
        self.since_offered(clock, self.resolved)
    }

    fn since_offered(&self, clock: &Clock, deed: Option<(Timestamp, UserId)>) -> Option<i64> {
        self.offered_at.zip(deed).map(|(offered, (at, _))| clock.working(offered, at))
    }

    /// Whether the first answer came within 30 s. `None` where nobody could expect that: a left message, a ticket that came before people
    /// outside working hours or never, or that an agent has opened.
    pub fn within_30s(&self, clock: &Clock) -> Option<bool> {
        let counts = !self.left_message && !self.outbound && self.offered_at.is_some_and(|at| clock.is_open(at));
        counts.then(|| self.first_response(clock).is_some_and(|ms| ms <= IN_TIME_MS))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{
        hours::{Hours, Span},
        statistics::clock::Zone,
    };

    pub const ANN: UserId = UserId(1);
    pub const BOB: UserId = UserId(2);
    const SECOND: i64 = 1_000;
    const HOUR: i64 = 3_600 * SECOND;
    /// Monday, 5 January 1970, midnight UTC.
    const MONDAY: i64 = 4 * 24 * HOUR;

    /// Open from Monday to Friday, from 9 to 18.
    pub fn office() -> Clock {
        let hours = Hours::new((0..5).map(|day| Span::of_day(day, 9 * 60, 18 * 60)).collect()).unwrap();
        Clock { zone: Zone::UTC, hours }
    }

    /// So many hours and seconds after midnight of that Monday.
    pub fn at(hour: i64, second: i64) -> Timestamp {
        Timestamp(MONDAY + hour * HOUR + second * SECOND)
    }

    pub fn opened(at: Timestamp) -> Ticket {
        Ticket {
            opened_at: at,
            offered_at: Some(at),
            outbound: false,
            left_message: false,
            claimed: None,
            answered: None,
            resolved: None,
            last_claimed_by: None,
            rated: None,
        }
    }

    #[test]
    fn times_are_measured_from_the_opening_unless_they_say_otherwise() {
        let ticket = Ticket {
            claimed: Some((at(10, 20), ANN)),
            answered: Some((at(10, 30), BOB)),
            resolved: Some((at(11, 0), BOB)),
            ..opened(at(10, 0))
        };
        let clock = office();
        assert_eq!(ticket.wait(&clock), Some(20 * SECOND));
        assert_eq!(ticket.first_response(&clock), Some(30 * SECOND), "a transfer does not set it back");
        assert_eq!(ticket.first_response_after_claim(&clock), Some(10 * SECOND));
        assert_eq!(ticket.resolution(&clock), Some(HOUR));
        assert_eq!(ticket.within_30s(&clock), Some(true), "30 s are within 30 s");
        let late = Ticket { answered: Some((Timestamp(at(10, 30).0 + 1), ANN)), ..ticket };
        assert_eq!(late.within_30s(&clock), Some(false));
    }

    #[test]
    fn outside_working_hours_no_time_passes_and_30_s_cannot_be_expected() {
        let clock = office();
        let evening = Ticket { answered: Some((at(33, 10), ANN)), ..opened(at(22, 0)) };
        assert_eq!(evening.first_response(&clock), Some(10 * SECOND), "from Tuesday, 9:00");
        assert_eq!(evening.within_30s(&clock), None);
        let closing = Ticket { answered: Some((at(33, 10), ANN)), ..opened(at(17, 3_585)) };
        assert_eq!(closing.first_response(&clock), Some(25 * SECOND), "15 s on Monday, 10 s on Tuesday");
        assert_eq!(closing.within_30s(&clock), Some(true));
        let overtime = Ticket { answered: Some((at(20, 0), ANN)), ..opened(at(19, 0)) };
        assert_eq!(overtime.first_response(&clock), Some(0));
    }

    #[test]
    fn a_left_message_waits_for_its_answer_and_not_for_30_s() {
        let left = Ticket { left_message: true, answered: Some((at(10, 90), ANN)), ..opened(at(10, 0)) };
        assert_eq!(left.first_response(&office()), Some(90 * SECOND));
        assert_eq!(left.within_30s(&office()), None);
    }

    #[test]
    fn what_is_not_answered_is_not_answered_within_30_s() {
        let resolved = Ticket { resolved: Some((at(10, 5), ANN)), ..opened(at(10, 0)) };
        assert_eq!(resolved.within_30s(&office()), Some(false));
        assert_eq!((resolved.first_response(&office()), resolved.wait(&office())), (None, None));
        assert_eq!(resolved.resolution(&office()), Some(5 * SECOND));
    }

    #[test]
    fn an_answer_without_a_claim_is_an_answer() {
        let added = Ticket { answered: Some((at(10, 5), ANN)), ..opened(at(10, 0)) };
        assert_eq!(added.first_response(&office()), Some(5 * SECOND));
        assert_eq!(added.first_response_after_claim(&office()), Some(0));
        assert_eq!(Ticket { claimed: Some((at(11, 0), BOB)), ..added }.first_response_after_claim(&office()), Some(0));
    }

    #[test]
    fn a_bots_time_is_nobodys() {
        let clock = office();
        let with_bot = Ticket { offered_at: None, ..opened(at(10, 0)) };
        let resolved = Ticket { resolved: Some((at(10, 30), BOB)), ..with_bot.clone() };
        assert_eq!((resolved.within_30s(&clock), resolved.resolution(&clock)), (None, None));
        let handed_over = Ticket {
            offered_at: Some(at(11, 0)),
            claimed: Some((at(11, 10), ANN)),
            answered: Some((at(11, 20), ANN)),
            resolved: Some((at(11, 60), ANN)),
            ..with_bot
        };
        assert_eq!(
            (handed_over.wait(&clock), handed_over.first_response(&clock)),
            (Some(10 * SECOND), Some(20 * SECOND))
        );
        assert_eq!((handed_over.within_30s(&clock), handed_over.resolution(&clock)), (Some(true), Some(60 * SECOND)));
        let at_night = Ticket { offered_at: Some(at(20, 0)), ..handed_over };
        assert_eq!(at_night.within_30s(&clock), None, "nobody works then");
    }

    #[test]
    fn nobody_waits_for_what_an_agent_opens() {
        let claimed = Some((at(10, 0), ANN));
        let outbound = Ticket { outbound: true, claimed, answered: Some((at(10, 5), ANN)), ..opened(at(10, 0)) };
        let clock = office();
        assert_eq!((outbound.wait(&clock), outbound.first_response(&clock)), (None, None));
        assert_eq!((outbound.first_response_after_claim(&clock), outbound.within_30s(&clock)), (None, None));
    }

    #[test]
    fn each_event_is_on_somebodys_account() {
        let ticket = Ticket {
            claimed: Some((at(1, 0), ANN)),
            answered: Some((at(2, 0), BOB)),
            resolved: Some((at(3, 0), ANN)),
            last_claimed_by: Some(BOB),
            rated: Some((at(4, 0), 5)),
            ..opened(at(0, 0))
        };
        let happened = Event::ALL.map(|event| ticket.happened(event));
        let on = |hour, agent| Some((at(hour, 0), Some(agent)));
        assert_eq!(happened, [on(0, ANN), on(1, ANN), on(2, BOB), on(3, ANN), on(4, BOB), None, None]);
        assert_eq!(opened(at(0, 0)).happened(Event::Opened), Some((at(0, 0), None)));
        for event in Event::ALL {
            assert_eq!(Event::parse(event.as_str()), Some(event));
        }
    }
}
