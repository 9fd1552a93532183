//! When a shop works: spans of a week, in its own local time.

/// Minutes of a day and of a week.
pub const DAY: u16 = 24 * 60;
pub const WEEK: u16 = 7 * DAY;
const WEEK_MS: i64 = WEEK as i64 * 60_000;
/// 1 January 1970 was a Thursday.
const MONDAY_MS: i64 = 4 * DAY as i64 * 60_000;

/// What the clock on a shop's wall shows: milliseconds since the beginning of 1970 on that same clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local(pub i64);

impl Local {
    /// Since the beginning of its week, which is Monday at midnight.
    fn of_week(self) -> i64 {
        (self.0 - MONDAY_MS).rem_euclid(WEEK_MS)
    }

    fn week(self) -> i64 {
        (self.0 - MONDAY_MS).div_euclid(WEEK_MS)
    }
}

/// A time of work, in minutes since Monday at midnight: from `start` until before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u16,
    pub end: u16,
}

impl Span {
    /// From one minute of a day to another, `DAY` being its end; Monday is day 0.
    pub fn of_day(day: u16, start: u16, end: u16) -> Span {
        Span { start: day * DAY + start, end: day * DAY + end }
    }
}

/// Working hours. None at all means that the shop is always open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<Span>);

impl Hours {
    /// `None` for spans that are empty, overlap, are not in their order, or do not fit into a week.
    pub fn new(spans: Vec<Span>) -> Option<Hours> {
        let fit = spans.iter().all(|span| span.start < span.end && span.end <= WEEK);
        let ordered = spans.windows(2).all(|pair| pair[0].end <= pair[1].start);
        (fit && ordered).then_some(Hours(spans))
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    pub fn is_always(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_open(&self, at: Local) -> bool {
        let minute = at.of_week() / 60_000;
        self.is_always() || self.0.iter().any(|span| (i64::from(span.start)..i64::from(span.end)).contains(&minute))
    }

    /// How many milliseconds of work lie between two local times; none where `to` is not after `from`. Where clocks are changed in
    /// between, the wall's clock is what counts.
    pub fn open_between(&self, from: Local, to: Local) -> i64 {
        if to <= from {
            return 0;
        }
        if self.is_always() { to.0 - from.0 } else { self.worked(to) - self.worked(from) }
    }

    /// The milliseconds of work since some Monday long ago.
    fn worked(&self, at: Local) -> i64 {
        let within = |upto: i64| -> i64 {
            let part = |span: &Span| {
                let (start, end) = (i64::from(span.start) * 60_000, i64::from(span.end) * 60_000);
                upto.clamp(start, end) - start
            };
            self.0.iter().map(part).sum()
        };
        at.week() * within(WEEK_MS) + within(at.of_week())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    /// A week that begins on Monday, 5 January 1970.
    fn at(day: i64, hour: i64) -> Local {
        Local(MONDAY_MS + (day * 24 + hour) * HOUR)
    }

    fn office() -> Hours {
        let days = (0..5).flat_map(|day| [Span::of_day(day, 9 * 60, 12 * 60), Span::of_day(day, 13 * 60, 18 * 60)]);
        Hours::new(days.collect()).unwrap()
    }

    #[test]
    fn a_shop_works_within_its_spans() {
        let hours = office();
        for (day, hour, open) in
            [(0, 8, false), (0, 9, true), (0, 12, false), (0, 13, true), (0, 18, false), (4, 17, true), (5, 10, false)]
        {
            assert_eq!(hours.is_open(at(day, hour)), open, "day {day}, {hour}:00");
            assert_eq!(hours.is_open(at(day - 7 * 60, hour)), open, "long before 1970");
        }
        assert!(!hours.is_open(Local(at(0, 9).0 - 1)));
        assert!(Hours::default().is_open(at(6, 3)));
    }

    #[test]
    fn work_is_counted_from_end_to_end() {
        let hours = office();
        assert_eq!(hours.open_between(at(0, 8), at(0, 10)), HOUR);
        assert_eq!(hours.open_between(at(0, 11), at(0, 14)), 2 * HOUR);
        assert_eq!(hours.open_between(at(4, 17), at(7, 10)), 2 * HOUR, "over the weekend");
        assert_eq!(hours.open_between(at(-7, 0), at(14, 0)), 3 * 40 * HOUR, "three weeks");
        assert_eq!(hours.open_between(at(5, 0), at(6, 0)), 0);
        assert_eq!(hours.open_between(at(0, 10), at(0, 9)), 0, "nothing lies before");
        assert_eq!(Hours::default().open_between(at(5, 0), at(6, 1)), 25 * HOUR);
    }

    #[test]
    fn spans_are_in_their_order_and_apart() {
        let span = |start, end| Span { start, end };
        for bad in [
            vec![span(5, 5)],
            vec![span(6, 5)],
            vec![span(0, WEEK + 1)],
            vec![span(0, 10), span(9, 20)],
            vec![span(10, 20), span(0, 5)],
        ] {
            assert_eq!(Hours::new(bad.clone()), None, "{bad:?}");
        }
        assert!(Hours::new(vec![span(0, 10), span(10, WEEK)]).is_some(), "one may begin where another ends");
    }

    proptest! {
        #[test]
        fn counting_at_once_is_counting_minute_by_minute(
            cuts in proptest::collection::btree_set(0..=WEEK, 0..8),
            from in -20_000i64..20_000,
            minutes in 0i64..20_000,
        ) {
            let cuts: Vec<u16> = cuts.into_iter().collect();
            let spans = cuts.chunks_exact(2).map(|cut| Span { start: cut[0], end: cut[1] }).collect();
            let hours = Hours::new(spans).unwrap();
            let from = Local(from * MINUTE);
            let slow = (0..minutes).filter(|n| hours.is_open(Local(from.0 + n * MINUTE))).count() as i64 * MINUTE;
            prop_assert_eq!(hours.open_between(from, Local(from.0 + minutes * MINUTE)), slow);
        }
    }
}
