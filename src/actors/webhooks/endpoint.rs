//! Works at one endpoint: takes events, sends what is due, and notes what has become of it.

use std::{
    collections::BTreeMap,
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
/// How long it waits for further attempts to end once one has, so that they are noted together.
const GATHER: Duration = Duration::from_millis(5);
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
    /// By subject, what is under way or waits to be noted.
    under_way: BTreeMap<i64, Position>,
    /// They go on while this waits for the store, and end with it.
    sending: JoinSet<Attempt>,
    done: Vec<Attempt>,
}

/// What there is to do.
struct Look {
    webhook: webhooks::Row,
    due: Vec<Row>,
    next_due: Option<Timestamp>,
    /// There may be events that were not taken.
    more: bool,
}

impl Endpoint {
    /// Of an endpoint whose lease has just been taken.
    pub fn new(node: Arc<Node>, settings: Settings, id: i64, holder: i64) -> Endpoint {
        let now = Instant::now();
        let (sending, done) = (JoinSet::new(), Vec::new());
        let (held_until, renew_at) = (now + LEASE, now + RENEW);
        Endpoint { node, settings, id, holder, held_until, renew_at, under_way: BTreeMap::new(), sending, done }
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
        let mut idle_since = Instant::now();
        loop {
            if let Err(refusal) = self.note().await {
                // The store is away for a moment; or the lease is lost, and all that was not noted is another's.
                if refusal == Refusal::Conflict || Instant::now() >= self.held_until {
                    return Err(refusal);
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let Some(look) = self.look().await? else { return Ok(()) };
            self.collect();
            // One that has ended has left its place, though its subject waits until that is noted.
            let places = PLACES.saturating_sub(self.sending.len());
            let waiting: Vec<Waiting> = look.due.iter().map(Row::waiting).collect();
            let busy = self.under_way.keys().copied().collect();
            let chosen = ready(&waiting, &busy, crate::actors::now(), places);
            let has_room = chosen.len() < places;
            if !chosen.is_empty() {
                let rows = look.due.into_iter().filter(|row| chosen.contains(&row.position)).collect();
                self.send(&look.webhook, rows).await?;
            }
            if has_room && look.more && self.take().await? > 0 {
                continue;
            }
            if !self.sending.is_empty() || look.next_due.is_some() {
                idle_since = Instant::now();
            } else if idle_since.elapsed() >= IDLE {
                return Ok(());
            }
            self.wait(look.next_due).await;
        }
    }

    /// Notes what has become of attempts, and that this node is at work here.
    ///
    /// # Errors
    /// `Conflict` where it is another's by now; `Unavailable`.
    async fn note(&mut self) -> Result<(), Refusal> {
        if self.done.is_empty() && Instant::now() < self.renew_at {
            return Ok(());
        }
        let (id, holder, settings) = (self.id, self.holder, self.settings);
        let any_arrived = self.done.iter().any(Attempt::has_arrived);
        let ended: Vec<Ended> = self.done.iter().map(|attempt| ended(attempt, settings.retry_unit)).collect();
        let dead = ended.iter().filter(|ended| ended.failed.as_ref().is_some_and(|f| f.again.is_none())).count();
        let asked_at = Instant::now();
        apart(&self.node, move |db| {
            if !hold(db, id, holder)? {
                return Err(Refusal::Conflict.into());
            }
            // Nothing waits at one that is gone.
            if let (false, Some(webhook)) = (ended.is_empty(), webhooks::lock(db, id)?) {
                deliveries::settle(db, id, &ended)?;
                let health = webhook.health().after(any_arrived, crate::actors::now(), settings.patience);
                if health != webhook.health() {
                    webhooks::set_health(db, id, health)?;
                }
            }
            Ok(())
        })
        .await?;
        (self.held_until, self.renew_at) = (asked_at + LEASE, asked_at + RENEW);
        metrics::counter!("shopbell_webhook_dead_letters_total").increment(dead as u64);
        for attempt in self.done.drain(..) {
            self.under_way.remove(&attempt.row.subject);
            count(&attempt);
        }
        Ok(())
    }

    /// `None` where it is off, or gone.
    async fn look(&self) -> Result<Option<Look>, Refusal> {
        // What is under way, or ends meanwhile, is still among those that are due.
        let (id, limit) = (self.id, PLACES + self.under_way.len());
        self.node
            .read(move |db| {
                let Some(webhook) = webhooks::by_id(db, id)?.filter(webhooks::Row::is_on) else { return Ok(None) };
                let now = crate::actors::now();
                let due = deliveries::due(db, id, now, limit)?;
                if due.len() == limit {
                    // All places are taken for now: there is nothing to ask for what comes next.
                    return Ok(Some(Look { webhook, due, next_due: None, more: true }));
                }
                let next_due = deliveries::next_due(db, id, now)?;
                let more = events::kept(db, webhook.shop())?.last > webhook.position;
                Ok(Some(Look { webhook, due, next_due, more }))
            })
            .await
    }

    /// Takes further events; gives how many, with one for having passed over some.
    async fn take(&self) -> Result<usize, Refusal> {
        let (id, holder) = (self.id, self.holder);
        let taken = apart(&self.node, move |db| {
            if !hold(db, id, holder)? {
                return Err(Refusal::Conflict.into());
            }
            let Some(webhook) = webhooks::lock(db, id)? else { return Ok(None) };
            Ok(Some(deliveries::take(db, &webhook, TAKEN)?))
        });
        Ok(taken.await?.map_or(0, |taken| taken.events + usize::from(taken.more)))
    }

    async fn send(&mut self, webhook: &webhooks::Row, rows: Vec<Row>) -> Result<(), Refusal> {
        let shop = webhook.shop();
        let wanted: Vec<(Position, Event)> = rows.iter().filter_map(|row| Some((row.position, row.event()?))).collect();
        let told = self.node.read(move |db: &mut Db| events::tell(db, shop, &wanted)).await?;
        let mut told: BTreeMap<Position, Told> = told.into_iter().map(|told| (told.position, told)).collect();
        for row in rows {
            self.under_way.insert(row.subject, row.position);
            let (node, url) = (self.node.clone(), webhook.url.clone());
            let Some(told) = told.remove(&row.position) else {
                // A newer program has written it, and will send it.
                continue;
            };
            let at = crate::actors::now();
            let Ok((headers, body)) = request(webhook, &told, at) else {
                tracing::error!(webhook = webhook.id, position = row.position, "an event cannot be told");
                continue;
            };
            let sending = async move {
                let started = Instant::now();
                let result = node.outbound.post(&url, headers, body).await;
                Attempt { row, at, took: started.elapsed(), result }
            };
            self.sending.spawn(sending);
        }
        Ok(())
    }

    /// Until something has been sent that is to be noted, or something is due, or it is time to look or to say that one is still here.
    async fn wait(&mut self, next_due: Option<Timestamp>) {
        let due =
            next_due.map(|due| Duration::from_millis(u64::try_from(due.since(crate::actors::now())).unwrap_or(0)));
        let pause = due.unwrap_or(LOOK).min(LOOK).min(self.renew_at.saturating_duration_since(Instant::now()));
        if self.done.is_empty() {
            tokio::select! {
                biased;
                Some(attempt) = self.sending.join_next() => self.done.extend(attempt),
                () = tokio::time::sleep(pause) => return,
            }
        }
        let end = tokio::time::Instant::now() + GATHER;
        while let Ok(Some(attempt)) = tokio::time::timeout_at(end, self.sending.join_next()).await {
            self.done.extend(attempt);
        }
    }

    /// What has ended by now.
    fn collect(&mut self) {
        while let Some(attempt) = self.sending.try_join_next() {
            self.done.extend(attempt);
        }
    }
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
