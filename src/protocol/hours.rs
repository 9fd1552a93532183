//! A shop's working hours on the wire and in the store: `{"mon":[["09:00","12:00"],["13:00","18:00"]],"tue":…}`, in the shop's time
//! zone. A day that is not named has none; `{}` is always. A day may end at `24:00`.

use serde_json::{Map, Value, json};

use crate::domain::hours::{DAY, Hours, Span};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `None` for anything else: unknown days, days that are named and have no span, spans that overlap or are not in their order.
pub fn parse(value: &Value) -> Option<Hours> {
    let days = value.as_object()?;
    if days.keys().any(|day| !DAYS.contains(&day.as_str())) {
        return None;
    }
    let mut spans = Vec::new();
    for (number, day) in (0..).zip(DAYS) {
        let Some(list) = days.get(day) else { continue };
        let list = list.as_array().filter(|list| !list.is_empty())?;
        for span in list {
            let [start, end] = span.as_array()?.as_slice() else { return None };
            spans.push(Span::of_day(number, minutes(start)?, minutes(end)?));
        }
    }
    Hours::new(spans)
}

/// What the store has of them.
pub fn read(stored: &str) -> Option<Hours> {
    parse(&serde_json::from_str(stored).ok()?)
}

pub fn to_json(hours: &Hours) -> Value {
    let mut days = Map::new();
    for span in hours.spans() {
        let (day, start) = (span.start / DAY, span.start % DAY);
        let written = json!([clock(start), clock(span.end - day * DAY)]);
        let spans = days.entry(DAYS[usize::from(day)]).or_insert_with(|| json!([]));
        if let Value::Array(spans) = spans {
            spans.push(written);
        }
    }
    Value::Object(days)
}

/// `HH:MM`, as minutes of the day.
fn minutes(value: &Value) -> Option<u16> {
    let (hour, minute) = value.as_str()?.split_once(':')?;
    let number = |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u16>().ok())?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_written_as_they_are_read() {
        for week in [
            json!({}),
            json!({ "mon": [["09:00", "12:00"], ["13:00", "18:00"]], "tue": [["09:30", "24:00"]] }),
            json!({ "sat": [["22:00", "24:00"]], "sun": [["00:00", "06:00"], ["06:00", "07:00"]] }),
            json!({ "sun": [["00:00", "24:00"]] }),
        ] {
            let hours = parse(&week).unwrap();
            assert_eq!(to_json(&hours), week);
            assert_eq!(read(&week.to_string()), Some(hours));
        }
    }

    #[test]
    fn what_is_no_week_is_refused() {
        for bad in [
            json!([]),
            json!("always"),
            json!({ "monday": [["09:00", "12:00"]] }),
            json!({ "mon": [] }),
            json!({ "mon": null }),
            json!({ "mon": ["09:00", "12:00"] }),
            json!({ "mon": [["09:00"]] }),
            json!({ "mon": [["09:00", "12:00", "13:00"]] }),
            json!({ "mon": [["9:00", "12:00"]] }),
            json!({ "mon": [["09:00", "12:60"]] }),
            json!({ "mon": [["09:00", "24:01"]] }),
            json!({ "mon": [["+9:00", "12:00"]] }),
            json!({ "mon": [[9, 12]] }),
            json!({ "mon": [["12:00", "09:00"]] }),
            json!({ "mon": [["09:00", "09:00"]] }),
            json!({ "mon": [["22:00", "06:00"]] }),
            json!({ "mon": [["24:00", "24:00"]] }),
            json!({ "mon": [["09:00", "12:00"], ["11:00", "13:00"]] }),
            json!({ "mon": [["13:00", "18:00"], ["09:00", "12:00"]] }),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }
}
