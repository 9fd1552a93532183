//! A shop's clock: its time zone, with the days on which clocks are changed, and its working hours.

use crate::domain::{
    hours::{Hours, Local},
    ids::Timestamp,
};

/// A time zone: since when clocks are how many milliseconds ahead of UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Before the first change.
    first: i64,
    /// In their order, each to another offset than before.
    changes: Vec<(Timestamp, i64)>,
}

impl Zone {
    pub const UTC: Zone = Zone { first: 0, changes: Vec::new() };

    pub fn new(first: i64, changes: Vec<(Timestamp, i64)>) -> Zone {
        Zone { first, changes }
    }

    /// What clocks show then.
    pub fn local(&self, at: Timestamp) -> Local {
        Local(at.0 + self.offset(at))
    }

    pub(super) fn offset(&self, at: Timestamp) -> i64 {
        self.changes[..self.passed(at)].last().map_or(self.first, |(_, offset)| *offset)
    }

    /// When clocks are changed after `at`.
    pub(super) fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        self.changes.get(self.passed(at)).map(|(since, _)| *since)
    }

    /// How many changes there have been.
    fn passed(&self, at: Timestamp) -> usize {
        self.changes.partition_point(|(since, _)| *since <= at)
    }

    /// When clocks show `local`, or something later, for the first time.
    pub(super) fn first_at(&self, local: Local) -> Timestamp {
        let mut offset = self.first;
        for (change, next) in &self.changes {
            let at = Timestamp(local.0 - offset);
            if at < *change {
                return at;
            }
            if change.0 + next >= local.0 {
                return *change;
            }
            offset = *next;
        }
        Timestamp(local.0 - offset)
    }
}

/// By which a shop's times of waiting and answering are measured.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    pub zone: Zone,
    pub hours: Hours,
}

impl Clock {
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.hours.is_open(self.zone.local(at))
    }

    /// How many milliseconds of working time lie between; 0 where `to` is not after `from`.
    pub fn working(&self, from: Timestamp, to: Timestamp) -> i64 {
        if self.hours.is_always() {
            return to.since(from);
        }
        let (mut sum, mut at) = (0, from);
        // Piece by piece between changes of the clocks, so that an hour that is shown twice is two.
        while at < to {
            let end = self.zone.next_change(at).map_or(to, |change| change.min(to));
            let offset = self.zone.offset(at);
            sum += self.hours.open_between(Local(at.0 + offset), Local(end.0 + offset));
            at = end;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{hours::Span, statistics::period::tests::berlin};

    const HOUR: i64 = 3_600_000;

    fn utc(hours: i64) -> Timestamp {
        Timestamp(hours * HOUR)
    }

    #[test]
    fn clocks_show_a_moment_first_when_they_get_to_it_or_past_it() {
        // One hour ahead, two from hour 100 on, one again from hour 200 on.
        let zone = Zone::new(HOUR, vec![(utc(100), 2 * HOUR), (utc(200), HOUR)]);
        assert_eq!((zone.local(utc(99)), zone.local(utc(100)), zone.local(utc(200))), local(100, 102, 201));
        let first_at = |hours| zone.first_at(Local(hours * HOUR));
        assert_eq!(first_at(100), utc(99));
        assert_eq!((first_at(101), first_at(102)), (utc(100), utc(100)), "the hour that is left out");
        assert_eq!((first_at(201), first_at(202), first_at(203)), (utc(199), utc(201), utc(202)), "shown twice");
    }

    fn local(a: i64, b: i64, c: i64) -> (Local, Local, Local) {
        (Local(a * HOUR), Local(b * HOUR), Local(c * HOUR))
    }

    #[test]
    fn working_time_does_not_change_with_the_clocks() {
        // All of Sunday, and Monday from 9 to 18.
        let hours = Hours::new(vec![Span::of_day(0, 540, 1080), Span::of_day(6, 0, 1440)]).unwrap();
        let clock = Clock { zone: berlin(), hours };
        let at = |day: i64, hour: i64| Timestamp(1_774_656_000_000 + (day * 24 + hour) * HOUR); // 28 March 2026, UTC
        assert_eq!(clock.working(at(0, 0), at(2, 22)), (23 + 9) * HOUR, "spring: Sunday has 23 hours");
        let autumn = |day: i64, hour: i64| Timestamp(1_792_800_000_000 + (day * 24 + hour) * HOUR); // 24 October 2026
        assert_eq!(clock.working(autumn(0, 0), autumn(2, 23)), (25 + 9) * HOUR, "autumn: 25");
        assert!(clock.is_open(at(0, 23)) && !clock.is_open(at(0, 22)), "Sunday begins at 23:00 UTC");
        let always = Clock { zone: berlin(), hours: Hours::default() };
        assert_eq!(always.working(autumn(1, 0), autumn(1, 2)), 2 * HOUR);
        assert_eq!(always.working(autumn(1, 2), autumn(1, 0)), 0);
    }
}
