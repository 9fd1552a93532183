//! Works at one endpoint: takes events, sends what is due, and notes what has become of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::task::JoinSet;

use super::{LEASE, LOOK, RENEW, Settings, apart, hold, lease};
use crate::{
    actors::node::Node,
    auth::webhook_signature,
    domain::{
        event::{Event, Position, Told},
        ids::Timestamp,
        refusal::Refusal,
        webhook::{Waiting, pause, ready},
    },
    outbound::{Answer, Failure},
    protocol::told,
    store::{
        Db,
        deliveries::{self, Ended, Failed, Row},
        events, leases, webhooks,
    },
};

/// How many events are under way at a time, each of another subject.
const PLACES: usize = 32;
/// How many are taken at a time.
const TAKEN: usize = 200;
/// How much of an answer is kept, in characters.
const ANSWER_MAX: usize = 500;
/// How long it waits for further attempts to end once one has that lets others go on, so that they are noted together.
const GATHER: Duration = Duration::from_millis(5);
/// Where there is room for all that is due, it is looked for what falls due no more often: what comes close together is sent and noted
/// together, since each look and each note costs as much as many events. The shortest pause is fifty times as long.
const ROUND: Duration = Duration::from_millis(20);
/// So long after new events have been taken, the next are, with all that have followed.
const TAKE: Duration = Duration::from_millis(100);
/// How long it stays with an endpoint that has nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// What has become of an attempt.
struct Attempt {
    row: Row,
    at: Timestamp,
    took: Duration,
    result: Result<Answer, Failure>,
}

impl Attempt {
    fn has_arrived(&self) -> bool {
        self.result.as_ref().is_ok_and(Answer::is_success)
    }
}

pub struct Endpoint {
    node: Arc<Node>,
    settings: Settings,
    id: i64,
    holder: i64,
    /// Until then nobody else works at it.
    held_until: Instant,
    renew_at: Instant,
    looked_at: Instant,
    /// Before then, no further events are taken.
    take_at: Instant,
    /// By subject, what is under way or waits to be noted.
    under_way: BTreeMap<i64, Position>,
    /// They go on while this waits for the store, and end with it.
    sending: JoinSet<Attempt>,
    done: Vec<Attempt>,
}

/// What there is to do.
struct Look {
    webhook: webhooks::Row,
    /// What is sent now. A newer program may have written what this one cannot tell.
    due: Vec<(Row, Option<Told>)>,
    /// As many as there are places: more may be due.
    is_full: bool,
    next_due: Option<Timestamp>,
    /// There are events that were not taken.
    more: bool,
}

impl Endpoint {
    /// Of an endpoint whose lease has just been taken.
    pub fn new(node: Arc<Node>, settings: Settings, id: i64, holder: i64) -> Endpoint {
        let now = Instant::now();
        let (sending, done) = (JoinSet::new(), Vec::new());
        Endpoint {
            node,
            settings,
            id,
            holder,
            held_until: now + LEASE,
            renew_at: now + RENEW,
            looked_at: now,
            take_at: now,
            under_way: BTreeMap::new(),
            sending,
            done,
        }
    }

    pub async fn run(mut self) {
        if let Err(refusal) = self.work().await {
            tracing::debug!(?refusal, webhook = self.id, "a webhook was left");
        }
        let (id, holder) = (self.id, self.holder);
        // Where this fails, the lease ends by itself.
        _ = apart(&self.node, move |db| Ok(leases::leave(db, &lease(id), holder)?)).await;
    }

    async fn work(&mut self) -> Result<(), Refusal> {
        let (mut idle_since, mut takes) = (Instant::now(), false);
        loop {
            if let Err(refusal) = self.note(takes).await {
                // The store is away for a moment; or the lease is lost, and all that was not noted is another's.
                if refusal == Refusal::Conflict || Instant::now() >= self.held_until {
                    return Err(refusal);
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let Some(look) = self.look().await? else { return Ok(()) };
            let Look { is_full, next_due, .. } = look;
            let more = look.more && !is_full;
            self.send(look);
            takes = more && Instant::now() >= self.take_at;
            if takes {
                continue;
            }
            if more || !self.sending.is_empty() || next_due.is_some() {
                idle_since = Instant::now();
            } else if idle_since.elapsed() >= IDLE {
                return Ok(());
            }
            self.wait(is_full, next_due, more).await;
        }
    }

    /// Notes what has become of attempts, and that this node is at work here; and takes further events if it shall.
    ///
    /// # Errors
    /// `Conflict` where it is another's by now; `Unavailable`.
    async fn note(&mut self, takes: bool) -> Result<(), Refusal> {
        if self.done.is_empty() && !takes && Instant::now() < self.renew_at {
            return Ok(());
        }
        let (id, holder, settings) = (self.id, self.holder, self.settings);
        let any_arrived = self.done.iter().any(Attempt::has_arrived);
        let ended: Vec<Ended> = self.done.iter().map(|attempt| ended(attempt, settings.retry_unit)).collect();
        let dead = ended.iter().filter(|ended| ended.failed.as_ref().is_some_and(|f| f.again.is_none())).count();
        let asked_at = Instant::now();
        let taken = apart(&self.node, move |db| {
            if !hold(db, id, holder)? {
                return Err(Refusal::Conflict.into());
            }
            if ended.is_empty() && !takes {
                return Ok(None);
            }
            // Nothing waits at one that is gone.
            let Some(webhook) = webhooks::lock(db, id)? else { return Ok(None) };
            if !ended.is_empty() {
                deliveries::settle(db, id, &ended)?;
                let health = webhook.health().after(any_arrived, crate::actors::now(), settings.patience);
                if health != webhook.health() {
                    webhooks::set_health(db, id, health)?;
                }
            }
            Ok(if takes { Some(deliveries::take(db, &webhook, TAKEN)?) } else { None })
        })
        .await?;
        (self.held_until, self.renew_at) = (asked_at + LEASE, asked_at + RENEW);
        if let Some(taken) = taken {
            self.take_at = if taken.more { asked_at } else { asked_at + TAKE };
        }
        metrics::counter!("shopbell_webhook_dead_letters_total").increment(dead as u64);
        for attempt in self.done.drain(..) {
            self.under_way.remove(&attempt.row.subject);
            count(&attempt);
        }
        Ok(())
    }

    /// `None` where it is off, or gone.
    async fn look(&mut self) -> Result<Option<Look>, Refusal> {
        self.looked_at = Instant::now();
        self.collect();
        // One that has ended has left its place, though its subject waits until that is noted.
        let places = PLACES.saturating_sub(self.sending.len());
        let busy: BTreeSet<i64> = self.under_way.keys().copied().collect();
        // What is under way, or ends meanwhile, is still among those that are due.
        let (id, limit) = (self.id, places + busy.len());
        self.node
            .read(move |db| {
                let Some(webhook) = webhooks::by_id(db, id)?.filter(webhooks::Row::is_on) else { return Ok(None) };
                let now = crate::actors::now();
                let due = deliveries::due(db, id, now, limit)?;
                let waiting: Vec<Waiting> = due.iter().map(Row::waiting).collect();
                let chosen = ready(&waiting, &busy, now, places);
                let is_full = chosen.len() == places;
                let due = tell(db, &webhook, due.into_iter().filter(|row| chosen.contains(&row.position)).collect())?;
                if is_full {
                    // All places are taken for now: there is nothing to ask for what comes next.
                    return Ok(Some(Look { webhook, due, is_full, next_due: None, more: false }));
                }
                let next_due = deliveries::next_due(db, id, now)?;
                let more = events::kept(db, webhook.shop())?.last > webhook.position;
                Ok(Some(Look { webhook, due, is_full, next_due, more }))
            })
            .await
    }

    fn send(&mut self, Look { webhook, due, .. }: Look) {
        for (row, told) in due {
            self.under_way.insert(row.subject, row.position);
            let Some(told) = told else {
                // Whoever has written it will send it.
                continue;
            };
            let at = crate::actors::now();
            let Ok((headers, body)) = request(&webhook, &told, at) else {
                tracing::error!(webhook = webhook.id, position = row.position, "an event cannot be told");
                continue;
            };
            let (node, url) = (self.node.clone(), webhook.url.clone());
            self.sending.spawn(async move {
                let started = Instant::now();
                let result = node.outbound.post(&url, headers, body).await;
                Attempt { row, at, took: started.elapsed(), result }
            });
        }
    }

    /// Until it is worth it to note and to look again.
    async fn wait(&mut self, is_full: bool, next_due: Option<Timestamp>, more: bool) {
        let now = Instant::now();
        let due = next_due.map(|due| u64::try_from(due.since(crate::actors::now())).unwrap_or(0));
        let due = due.map(|due| (now + Duration::from_millis(due)).max(self.looked_at + ROUND));
        let ends = [Some(now + LOOK), Some(self.renew_at), more.then_some(self.take_at), due];
        let mut end = ends.into_iter().flatten().min().unwrap_or(now);
        loop {
            if !self.done.is_empty() {
                // What has failed lets nothing else go on, unless it had the last place.
                let lets_go_on = is_full || self.done.iter().any(Attempt::has_arrived);
                if lets_go_on && self.sending.is_empty() {
                    return;
                }
                end = end.min(if lets_go_on { Instant::now() + GATHER } else { self.looked_at + ROUND });
            }
            tokio::select! {
                biased;
                Some(attempt) = self.sending.join_next() => self.done.extend(attempt),
                () = tokio::time::sleep_until(end.into()) => return,
            }
        }
    }

    /// What has ended by now.
    fn collect(&mut self) {
        while let Some(attempt) = self.sending.try_join_next() {
            self.done.extend(attempt);
        }
    }
}

/// These events, with what belongs to them.
fn tell(db: &mut Db, webhook: &webhooks::Row, rows: Vec<Row>) -> diesel::QueryResult<Vec<(Row, Option<Told>)>> {
    let wanted: Vec<(Position, Event)> = rows.iter().filter_map(|row| Some((row.position, row.event()?))).collect();
    let told = events::tell(db, webhook.shop(), &wanted)?;
    let mut told: BTreeMap<Position, Told> = told.into_iter().map(|told| (told.position, told)).collect();
    let with_told = |row: Row| {
        let told = told.remove(&row.position);
        (row, told)
    };
    Ok(rows.into_iter().map(with_told).collect())
}

/// What is posted: headers as Standard Webhooks names them, and the event.
///
/// # Errors
/// When what is stored of it is no JSON.
fn request(webhook: &webhooks::Row, event: &Told, at: Timestamp) -> serde_json::Result<(HeaderMap, String)> {
    let (id, seconds) = (told::id(event), at.0 / 1_000);
    let body = told::to_json(event)?;
    let signature = webhook_signature::sign(&webhook.secrets(at), &id, seconds, &body);
    let mut headers = HeaderMap::new();
    let named = [("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok((headers, body))
}

/// What is noted of an attempt.
fn ended(attempt: &Attempt, unit: Duration) -> Ended {
    Ended { position: attempt.row.position, subject: attempt.row.subject, failed: failed(attempt, unit) }
}

fn failed(attempt: &Attempt, unit: Duration) -> Option<Failed> {
    if attempt.has_arrived() {
        return None;
    }
    let (status, answer) = match &attempt.result {
        Ok(answer) => (Some(answer.status), beginning(&String::from_utf8_lossy(&answer.body))),
        Err(failure) => (None, beginning(&failure.to_string())),
    };
    let took_ms = attempt.took.as_millis() as i64;
    let attempts = u32::try_from(attempt.row.attempts).unwrap_or(0) + 1;
    // From the end of the attempt on.
    let again =
        pause(attempts, rand::random(), unit).map(|pause| Timestamp(attempt.at.0 + took_ms + pause.as_millis() as i64));
    Some(Failed { at: attempt.at, took_ms, status, answer, again })
}

fn beginning(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(ANSWER_MAX).collect()
}

fn count(attempt: &Attempt) {
    let result = if attempt.has_arrived() { "arrived" } else { "failed" };
    metrics::counter!("shopbell_webhook_attempts_total", "result" => result).increment(1);
    if let (true, 0, Some(event)) = (attempt.has_arrived(), attempt.row.attempts, attempt.row.event()) {
        // By the clock of the node where it happened.
        let lag = attempt.at.since(event.at).max(0) as f64 / 1_000.0;
        metrics::histogram!("shopbell_webhook_lag_seconds").record(lag + attempt.took.as_secs_f64());
    }
}
