//! A period and the pieces that it is cut into.

use super::clock::Zone;
use crate::domain::{hours::Local, ids::Timestamp};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 1 January 1970 was a Thursday.
const MONDAY: i64 = 4 * DAY;

/// How long a piece is, on the shop's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    Hour,
    Day,
    /// From Monday to Sunday.
    Week,
}

impl Bucket {
    pub const ALL: [Bucket; 3] = [Bucket::Hour, Bucket::Day, Bucket::Week];

    pub fn as_str(self) -> &'static str {
        match self {
            Bucket::Hour => "hour",
            Bucket::Day => "day",
            Bucket::Week => "week",
        }
    }

    pub fn parse(s: &str) -> Option<Bucket> {
        Bucket::ALL.into_iter().find(|bucket| bucket.as_str() == s)
    }

    /// Where the piece ends that `at` lies in. A day in which clocks are changed has 23 or 25 hours; an hour ends as well where they
    /// are changed, so that one that is shown twice is two.
    fn end(self, at: Timestamp, zone: &Zone) -> Timestamp {
        let Local(local) = zone.local(at);
        let next = |length: i64, first: i64| ((local - first).div_euclid(length) + 1) * length + first;
        let first_after = |mut next: i64, length: i64| loop {
            // Where clocks go back over midnight, the day that has begun goes on.
            match zone.first_at(Local(next)) {
                end if end > at => return end,
                _ => next += length,
            }
        };
        match self {
            Bucket::Hour => {
                let end = Timestamp(next(HOUR, 0) - zone.offset(at));
                zone.next_change(at).map_or(end, |change| change.min(end))
            }
            Bucket::Day => first_after(next(DAY, 0), DAY),
            Bucket::Week => first_after(next(WEEK, MONDAY), WEEK),
        }
    }
}

/// From one moment until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// A span of time with its pieces, which follow each other without a gap; none where it is not cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub span: Span,
    pub pieces: Vec<Span>,
}

impl Period {
    /// `None` for more than `max` pieces.
    pub fn cut(span: Span, bucket: Option<Bucket>, zone: &Zone, max: usize) -> Option<Period> {
        let mut pieces = Vec::new();
        let mut from = span.from;
        while let Some(bucket) = bucket.filter(|_| from < span.to) {
            if pieces.len() == max {
                return None;
            }
            let to = bucket.end(from, zone).min(span.to);
            pieces.push(Span { from, to });
            from = to;
        }
        Some(Period { span, pieces })
    }

    /// The piece that a moment of the period lies in.
    pub(super) fn piece(&self, at: Timestamp) -> Option<usize> {
        self.pieces.partition_point(|piece| piece.from <= at).checked_sub(1)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Europe/Berlin in 2026: summer time from 29 March, 01:00 UTC, to 25 October, 01:00 UTC.
    pub fn berlin() -> Zone {
        Zone::new(HOUR, vec![(Timestamp(1_774_746_000_000), 2 * HOUR), (Timestamp(1_792_890_000_000), HOUR)])
    }

    /// The lengths of the pieces, in hours.
    fn lengths(from: i64, hours: i64, bucket: Bucket, zone: &Zone) -> Vec<f64> {
        let span = Span { from: Timestamp(from), to: Timestamp(from + hours * HOUR) };
        let period = Period::cut(span, Some(bucket), zone, 1_000).unwrap();
        assert!(period.pieces.windows(2).all(|pair| pair[0].to == pair[1].from));
        period.pieces.iter().map(|piece| (piece.to.0 - piece.from.0) as f64 / HOUR as f64).collect()
    }

    #[test]
    fn a_day_may_have_23_or_25_hours() {
        let (spring, autumn) = (1_774_652_400_000, 1_792_792_800_000); // midnight in Berlin, 28 March and 24 October
        assert_eq!(lengths(spring, 71, Bucket::Day, &berlin()), [24.0, 23.0, 24.0]);
        assert_eq!(lengths(autumn, 73, Bucket::Day, &berlin()), [24.0, 25.0, 24.0]);
        assert_eq!(lengths(spring + 24 * HOUR, 23, Bucket::Hour, &berlin()), [1.0; 23]);
        assert_eq!(lengths(autumn + 24 * HOUR, 25, Bucket::Hour, &berlin()), [1.0; 25]);
        assert_eq!(lengths(spring, 24, Bucket::Day, &Zone::UTC), [1.0, 23.0], "a day elsewhere");
    }

    #[test]
    fn weeks_begin_on_monday_and_are_cut_by_the_period() {
        let wednesday = 1_774_393_200_000; // 25 March 2026, midnight in Berlin
        assert_eq!(lengths(wednesday, 14 * 24, Bucket::Week, &berlin()), [119.0, 168.0, 49.0]);
        assert_eq!(lengths(wednesday, 5 * 24 - 1, Bucket::Week, &berlin()), [119.0]);
    }

    #[test]
    fn clocks_may_be_changed_by_half_an_hour_or_at_midnight_or_by_a_day() {
        // Lord Howe: at 2:00 back to 1:30.
        let half = Zone::new(11 * HOUR, vec![(Timestamp(15 * HOUR), 21 * HOUR / 2)]);
        assert_eq!(lengths(14 * HOUR, 3, Bucket::Hour, &half), [1.0, 0.5, 1.0, 0.5]);
        // At midnight an hour forwards: the day begins at 1:00.
        let skipped = Zone::new(0, vec![(Timestamp(2 * DAY), HOUR)]);
        assert_eq!(lengths(DAY, 47, Bucket::Day, &skipped), [24.0, 23.0]);
        // At 0:30 back to 23:30: the day has begun, and goes on.
        let again = Zone::new(0, vec![(Timestamp(2 * DAY + HOUR / 2), -HOUR)]);
        assert_eq!(lengths(DAY, 49, Bucket::Day, &again), [24.0, 25.0]);
        assert_eq!(
            lengths(2 * DAY + HOUR / 2, 24, Bucket::Day, &again),
            [24.0],
            "from within the hour that is repeated"
        );
        // Samoa left a whole day out.
        let samoa = Zone::new(-10 * HOUR, vec![(Timestamp(2 * DAY + 10 * HOUR), 14 * HOUR)]);
        assert_eq!(lengths(DAY + 10 * HOUR, 48, Bucket::Day, &samoa), [24.0, 24.0]);
    }

    #[test]
    fn a_period_is_cut_into_so_many_pieces_at_most() {
        let span = Span { from: Timestamp(0), to: Timestamp(10 * HOUR) };
        assert_eq!(Period::cut(span, Some(Bucket::Hour), &Zone::UTC, 9), None);
        let period = Period::cut(span, Some(Bucket::Hour), &Zone::UTC, 10).unwrap();
        assert_eq!(
            (period.pieces.len(), period.piece(Timestamp(0)), period.piece(Timestamp(HOUR - 1))),
            (10, Some(0), Some(0))
        );
        assert_eq!((period.piece(Timestamp(HOUR)), period.piece(Timestamp(10 * HOUR - 1))), (Some(1), Some(9)));
        let whole = Period::cut(span, None, &Zone::UTC, 0).unwrap();
        assert_eq!((whole.pieces.len(), whole.piece(Timestamp(5))), (0, None));
    }
}
