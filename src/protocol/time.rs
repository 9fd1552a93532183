//! Times on the wire: RFC 3339, UTC, with milliseconds; and what a shop's clock shows.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};

use crate::domain::{hours::Local, ids::Timestamp, statistics::clock::Zone};

const DAY_MS: i64 = 86_400_000;
/// So far the rules of time zones are known.
const YEAR_2100: i64 = 4_102_444_800_000;

/// A time that serializes as `2026-01-02T03:04:05.678Z`.
#[derive(Clone, Copy, Debug)]
pub struct At(pub Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

pub fn rfc3339(at: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an RFC 3339 time with any offset; what is finer than a millisecond is dropped.
pub fn parse(s: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(s).ok().map(|at| Timestamp(at.timestamp_millis()))
}

/// The time zone of this IANA name.
pub fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// What the clocks of that zone show then.
pub fn local(at: Timestamp, zone: Tz) -> Local {
    let utc = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default();
    Local(utc.with_timezone(&zone).naive_local().and_utc().timestamp_millis())
}

/// When the clocks of that zone are changed, from 1970 until that time.
pub fn changes(zone: Tz, until: Timestamp) -> Zone {
    let offset = |at: i64| local(Timestamp(at), zone).0 - at;
    let first = offset(0);
    let (mut at, mut now, mut changes) = (0, first, Vec::new());
    while at < until.0.min(YEAR_2100) {
        let (next, then) = (at + DAY_MS, offset(at + DAY_MS));
        if then != now {
            let (mut before, mut after) = (at, next);
            while after - before > 1 {
                let middle = before.midpoint(after);
                if offset(middle) == now { before = middle } else { after = middle }
            }
            changes.push((Timestamp(after), then));
        }
        (at, now) = (next, then);
    }
    Zone::new(first, changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_show_the_time_of_their_zone() {
        let noon = parse("2026-07-06T12:00:00Z").unwrap();
        let hour = |name: &str| (local(noon, zone(name).unwrap()).0 - noon.0) as f64 / 3_600_000.0;
        assert_eq!((hour("UTC"), hour("Europe/Berlin"), hour("Asia/Kolkata")), (0.0, 2.0, 5.5));
        for unknown in ["", "utc+1", "Europe/Nowhere", "europe/berlin", "+01:00"] {
            assert_eq!(zone(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn clocks_are_changed_when_the_law_says_so() {
        let at = |s: &str| parse(s).unwrap();
        let berlin = changes(zone("Europe/Berlin").unwrap(), at("2026-12-31T00:00:00Z"));
        let shows = |s: &str| (berlin.local(at(s)).0 - at(s).0) / 3_600_000;
        assert_eq!((shows("2026-03-29T00:59:59.999Z"), shows("2026-03-29T01:00:00Z")), (1, 2));
        assert_eq!((shows("2026-10-25T00:59:59.999Z"), shows("2026-10-25T01:00:00Z")), (2, 1));
        assert_eq!((shows("1975-07-01T00:00:00Z"), shows("1985-07-01T00:00:00Z")), (1, 2));
        let samoa = changes(zone("Pacific/Apia").unwrap(), at("2026-12-31T00:00:00Z"));
        let day = |s: &str| (samoa.local(at(s)).0 - at(s).0) / 3_600_000;
        assert_eq!((day("2011-12-30T09:59:59Z"), day("2011-12-30T10:00:00Z")), (-10, 14), "a day was left out");
        for name in ["America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            let tz = zone(name).unwrap();
            let changes = changes(tz, at("2026-12-31T00:00:00Z"));
            for hour in 0..57 * 365 * 24 / 7 {
                let then = Timestamp(hour * 7 * 3_600_000);
                assert_eq!(changes.local(then), local(then, tz), "{name} {}", rfc3339(then));
            }
        }
    }
}
