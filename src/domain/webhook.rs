//! Sending events to an endpoint: which may be sent now, when what has failed is tried again, and when an endpoint is given up.

use std::{collections::BTreeSet, time::Duration};

use super::{event::Position, ids::Timestamp};

/// How long to wait after each failure, in units of a second. After the last one there is no further attempt.
const PAUSES: [u32; 11] = [1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];
/// How many attempts an event has in all.
pub const ATTEMPTS: u32 = PAUSES.len() as u32 + 1;
/// A pause is up to this much longer, so that what failed together does not come back together.
const JITTER: f64 = 0.05;

/// How long to wait after attempt number `attempts` (from 1 on) has failed; `None`: the event is a dead letter. `spread` is a random number
/// from 0 to 1, and `unit` how long a second of the schedule lasts.
pub fn pause(attempts: u32, spread: f64, unit: Duration) -> Option<Duration> {
    let pause = PAUSES.get(usize::try_from(attempts.checked_sub(1)?).ok()?)?;
    Some((unit * *pause).mul_f64(1.0 + JITTER * spread.clamp(0.0, 1.0)))
}

/// An event that waits at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub position: Position,
    /// Events of the same subject go in their order, each when the one before it has arrived or is a dead letter.
    pub subject: i64,
    pub due: Timestamp,
}

/// Which of these events may be sent now: of each subject the first of them, if it is due and nothing of that subject is under way; at
/// most `places`. They come the most urgent first, and those of a subject in the order of their positions.
pub fn ready(waiting: &[Waiting], under_way: &BTreeSet<i64>, now: Timestamp, places: usize) -> Vec<Position> {
    let mut held = under_way.clone();
    let first = waiting.iter().filter(|event| held.insert(event.subject));
    first.filter(|event| event.due <= now).map(|event| event.position).take(places).collect()
}

/// Since when an endpoint has failed, and whether it is switched off for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub failing_since: Option<Timestamp>,
    pub switched_off_at: Option<Timestamp>,
}

impl Health {
    /// After some attempts, of which at least one has or none has arrived. It is given up after failing for `patience`.
    pub fn after(self, any_arrived: bool, now: Timestamp, patience: Duration) -> Health {
        if any_arrived {
            return Health::default();
        }
        let since = self.failing_since.unwrap_or(now);
        let is_over = u128::try_from(now.since(since)).is_ok_and(|failing| failing >= patience.as_millis());
        Health { failing_since: Some(since), switched_off_at: self.switched_off_at.or(is_over.then_some(now)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_schedule_is_kept_within_a_tenth() {
        let pauses = [1, 5, 10, 30, 60, 2 * 60, 5 * 60, 10 * 60, 30 * 60, 3_600, 2 * 3_600].map(Duration::from_secs);
        for (n, wanted) in pauses.into_iter().enumerate() {
            for spread in [0.0, 0.5, 1.0] {
                let pause = pause(n as u32 + 1, spread, SECOND).unwrap();
                assert!((wanted..wanted + wanted / 10).contains(&pause), "{n}: {pause:?}");
            }
        }
        assert_eq!((pause(0, 0.0, SECOND), pause(ATTEMPTS, 0.0, SECOND)), (None, None));
        assert_eq!(pause(2, 0.0, Duration::from_millis(10)), Some(Duration::from_millis(50)));
    }

    #[test]
    fn an_endpoint_is_given_up_after_failing_all_the_time() {
        let days = |n: i64| Timestamp(n * 86_400_000);
        let after = |health: Health, arrived, at| health.after(arrived, at, 3 * 86_400 * SECOND);
        let failing = after(Health::default(), false, days(1));
        assert_eq!(failing, Health { failing_since: Some(days(1)), switched_off_at: None });
        assert_eq!(after(failing, false, days(3)), failing);
        assert_eq!(after(failing, true, days(3)), Health::default());
        assert_eq!(after(failing, false, days(4)).switched_off_at, Some(days(4)));
    }

    proptest! {
        /// However often each event fails, those of a subject arrive or die in their order, and a subject waits for no other.
        #[test]
        fn subjects_keep_their_order_and_do_not_wait_for_each_other(
            events in prop::collection::vec((0..5_i64, 0..20_u32), 1..60),
            places in 1..6_usize,
        ) {
            let mut queue: BTreeMap<Position, (Waiting, u32, u32)> = BTreeMap::new();
            for (at, (subject, failures)) in events.iter().enumerate() {
                let position = at as Position + 1;
                queue.insert(position, (Waiting { position, subject: *subject, due: Timestamp(0) }, *failures, 0));
            }
            let (mut now, mut ended) = (Timestamp(0), Vec::new());
            while !queue.is_empty() {
                let waiting: Vec<Waiting> = queue.values().map(|(event, ..)| *event).collect();
                let ready = ready(&waiting, &BTreeSet::new(), now, places);
                let heads: BTreeSet<Position> = waiting.iter().map(|event| {
                    waiting.iter().find(|other| other.subject == event.subject).unwrap().position
                }).collect();
                prop_assert!(ready.iter().all(|position| heads.contains(position)));
                let due = heads.iter().filter(|position| queue[*position].0.due <= now).count();
                prop_assert_eq!(ready.len(), due.min(places), "whoever is due and first goes");
                for position in ready {
                    let (event, failures, attempts) = queue.get_mut(&position).unwrap();
                    *attempts += 1;
                    let fails = *attempts <= *failures;
                    match if fails { pause(*attempts, 0.0, SECOND) } else { None } {
                        Some(pause) => event.due = Timestamp(now.0 + pause.as_millis() as i64),
                        None => {
                            ended.push((event.subject, position));
                            queue.remove(&position);
                        }
                    }
                }
                let mut subjects = BTreeSet::new();
                let firsts = queue.values().filter(|(event, ..)| subjects.insert(event.subject));
                now = firsts.map(|(event, ..)| event.due).min().map_or(now, |next| now.max(next));
            }
            prop_assert_eq!(ended.len(), events.len());
            for subject in 0..5 {
                prop_assert!(ended.iter().filter(|(of, _)| *of == subject).map(|(_, position)| position).is_sorted());
            }
        }
    }
}
