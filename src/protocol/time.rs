//! Times on the wire: RFC 3339, UTC, with milliseconds; and what a shop's clock shows.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};

use crate::domain::{hours::Local, ids::Timestamp};

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
}
