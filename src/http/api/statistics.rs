//! A shop's figures, each with the list of the tickets behind it. `docs/statistics.md` defines them.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::web;
use serde::Serialize;

use super::{
    BASE, access,
    input::Query,
    output::{Answer, ok},
    schema,
};
use crate::{
    actors::{node::Node, now, session::Identity},
    domain::{
        ids::{Timestamp, UserId},
        people::Person,
        permission::Permission,
        refusal::Refusal,
        statistics::{
            clock::{Clock, Zone},
            period::{Bucket, Period, Span},
            quantile::Quantiles,
            tally::{self, Sums},
            ticket::Event,
        },
    },
    protocol::{
        hours,
        time::{self, At, rfc3339},
        view::Name,
    },
    store::{
        people::People,
        shops,
        statistics::{self, Live},
        webhooks::{self, Troubles},
    },
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// The period, where none is named, and the longest.
const PERIOD_MS: i64 = DAY_MS;
const PERIOD_MAX_MS: i64 = 400 * DAY_MS;
/// Enough for all hours of a month, and all days of a year.
const BUCKETS_MAX: usize = 800;

/// By which a shop's times are measured, until some days after `until`.
pub fn clock(shop: &shops::Row, until: Timestamp) -> Clock {
    let until = Timestamp(until.0 + 8 * DAY_MS);
    let zone = time::zone(&shop.time_zone).map_or(Zone::UTC, |zone| time::changes(zone, until));
    Clock { zone, hours: hours::read(&shop.hours).unwrap_or_default() }
}

#[derive(Serialize)]
struct Statistics<'a> {
    shop: &'a str,
    time_zone: &'a str,
    now: Now,
    from: At,
    to: At,
    bucket: Option<&'static str>,
    total: Figures,
    buckets: Vec<Piece>,
    agents: Vec<Agents<'a>>,
}

/// The shop as it is.
#[derive(Serialize)]
struct Now {
    agents_online: i64,
    agents_away: i64,
    waiting: Count,
    claimed: Count,
    oldest_wait: Option<Wait>,
    webhooks: Webhooks,
}

/// What is wrong with the shop's endpoints.
#[derive(Serialize)]
struct Webhooks {
    failing: i64,
    switched_off: i64,
    dead_letters: i64,
}

#[derive(Serialize)]
struct Wait {
    since: At,
    wait_ms: i64,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct Piece {
    from: At,
    to: At,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Agents<'a> {
    agent: Name<'a>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Figures {
    opened: Count,
    left_messages: Count,
    claimed: Count,
    resolved: Count,
    resolved_by_bot: Count,
    messages_in: Messages,
    messages_out: Messages,
    wait: Times,
    first_response: Times,
    first_response_after_claim: Times,
    resolution: Times,
    within_30s: Share,
    ratings: Ratings,
}

/// How many tickets, and which.
#[derive(Serialize)]
struct Count {
    count: u64,
    tickets: String,
}

/// How many messages, and in which tickets.
#[derive(Serialize)]
struct Messages {
    messages: u64,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct Times {
    median_ms: Option<i64>,
    p90_ms: Option<i64>,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct Share {
    /// Of 1.
    share: Option<f64>,
    within: Count,
    not_within: Count,
}

#[derive(Serialize)]
struct Ratings {
    average: Option<f64>,
    #[serde(flatten)]
    count: Count,
    scores: Vec<Score>,
}

#[derive(Serialize)]
struct Score {
    score: usize,
    #[serde(flatten)]
    count: Count,
}

/// Where the tickets behind a figure are listed.
struct Lists<'a> {
    shop: &'a str,
    span: Span,
    agent: Option<&'a str>,
}

impl Lists<'_> {
    fn of(&self, count: u64, event: Event, more: &str) -> Count {
        let agent = self.agent.map(|uid| format!("&agent={uid}")).unwrap_or_default();
        let (from, to) = (rfc3339(self.span.from), rfc3339(self.span.to));
        let list = format!("event={}&from={from}&to={to}{agent}{more}", event.as_str());
        Count { count, tickets: tickets(self.shop, &list) }
    }

    fn times(&self, mut times: Vec<i64>, event: Event, more: &str) -> Times {
        let quantiles = Quantiles::of(&mut times);
        Times {
            median_ms: quantiles.map(|quantiles| quantiles.median),
            p90_ms: quantiles.map(|quantiles| quantiles.p90),
            count: self.of(times.len() as u64, event, more),
        }
    }

    fn messages(&self, said: tally::Messages, event: Event) -> Messages {
        Messages { messages: said.messages, count: self.of(said.tickets, event, "") }
    }

    fn figures(&self, figures: tally::Figures) -> Figures {
        const INBOUND: &str = "&outbound=false";
        let (within, not_within) = (figures.within_30s, figures.not_within_30s);
        Figures {
            opened: self.of(figures.opened, Event::Opened, ""),
            left_messages: self.of(figures.left_messages, Event::Opened, "&left_message=true"),
            claimed: self.of(figures.claimed, Event::Claimed, ""),
            resolved: self.of(figures.resolved, Event::Resolved, ""),
            resolved_by_bot: self.of(figures.resolved_by_bot, Event::Resolved, "&by_bot=true"),
            messages_in: self.messages(figures.messages_in, Event::MessageIn),
            messages_out: self.messages(figures.messages_out, Event::MessageOut),
            wait: self.times(figures.waits, Event::Claimed, INBOUND),
            first_response: self.times(figures.first_responses, Event::Answered, INBOUND),
            first_response_after_claim: self.times(figures.first_responses_after_claim, Event::Answered, INBOUND),
            resolution: self.times(figures.resolutions, Event::Resolved, "&by_bot=false"),
            within_30s: Share {
                share: ratio(within, within + not_within),
                within: self.of(within, Event::Opened, "&within_30s=true"),
                not_within: self.of(not_within, Event::Opened, "&within_30s=false"),
            },
            ratings: self.ratings(figures.scores),
        }
    }

    fn ratings(&self, scores: [u64; 5]) -> Ratings {
        let count = scores.iter().sum();
        let sum = (1..).zip(scores).map(|(score, count)| score * count).sum();
        let score = |(score, count)| {
            let more = format!("&score={score}");
            Score { score, count: self.of(count, Event::Rated, &more) }
        };
        Ratings {
            average: ratio(sum, count),
            count: self.of(count, Event::Rated, ""),
            scores: (1..).zip(scores).map(score).collect(),
        }
    }
}

/// A list that says how long it is.
fn tickets(shop: &str, sought: &str) -> String {
    format!("{BASE}/shops/{shop}/tickets?{sought}&count=true")
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Now {
    fn of(shop: &str, live: Live, troubles: Troubles, at: Timestamp) -> Now {
        let Troubles { failing, switched_off, dead_letters } = troubles;
        let list = |count: i64, sought: &str| Count { count: count.unsigned_abs(), tickets: tickets(shop, sought) };
        Now {
            agents_online: live.online,
            agents_away: live.away,
            waiting: list(live.waiting, "state=waiting"),
            claimed: list(live.claimed, "state=claimed"),
            oldest_wait: live.oldest.map(|oldest| {
                let until = rfc3339(Timestamp(oldest.since.0 + 1));
                let count = list(oldest.count, &format!("state=waiting&to={until}"));
                Wait { since: At(oldest.since), wait_ms: at.since(oldest.since), count }
            }),
            webhooks: Webhooks { failing, switched_off, dead_letters },
        }
    }
}

/// The period and the pieces that a query asks for.
fn period(query: &Query, shop: &shops::Row, now: Timestamp) -> Result<(Clock, Period, Option<Bucket>), Refusal> {
    // What has just happened counts, and for a minute who asks again is told by the tag whether something is new.
    let to = query.time("to")?.unwrap_or(Timestamp((now.0 / MINUTE_MS + 1) * MINUTE_MS));
    let from = query.time("from")?.unwrap_or(Timestamp(to.0 - PERIOD_MS));
    let bucket = query.maybe("bucket", Bucket::parse)?;
    if from >= to {
        return Err(Refusal::invalid("to"));
    }
    if to.since(from) > PERIOD_MAX_MS {
        return Err(Refusal::invalid("from"));
    }
    let clock = clock(shop, to.max(now));
    let period = Period::cut(Span { from, to }, bucket, &clock.zone, BUCKETS_MAX);
    Ok((clock, period.ok_or(Refusal::invalid("bucket"))?, bucket))
}

/// A shop's figures: as it is now, and for a period in total, by pieces of it, and by agent.
///
/// For its supervisors and admins. Each figure has the address of the list of `tickets` behind it, whose `count` it has.
/// `docs/statistics.md` defines them all.
#[utoipa::path(
    get,
    path = "/shops/{shop}/stats",
    params(
        ("shop" = String, Path, description = "The shop"),
        ("from" = Option<String>, Query, description = "The beginning of the period (RFC 3339); a day before its end where it is absent; at most 400 days"),
        ("to" = Option<String>, Query, description = "Its end, which is not in it; the end of this minute where it is absent"),
        ("bucket" = Option<String>, Query, description = "Its pieces: `hour`, `day` or `week` in the shop's time zone; at most 800 of them; none where it is absent"),
    ),
    responses(
        (status = 200, description = "The figures", body = schema::Statistics),
        (status = 403, description = "An agent, or an operator, who reads nothing here: `forbidden`"),
    ),
)]
pub async fn read(node: web::Data<Node>, me: Identity, shop: web::Path<String>, query: Query) -> Answer {
    let row = node.read(move |db| access::permitted(db, &me, &shop, Permission::ReadStatistics)).await??;
    let at = now();
    let (clock, period, bucket) = period(&query, &row, at)?;
    let (id, readers, asked) = (row.shop().id, node.readers.clone(), period.clone());
    let (live, troubles, sums, people) = node
        .background
        .run(move || {
            let (live, troubles) = readers.read(|db| Ok((statistics::live(db, id)?, webhooks::troubles(db, id)?)))?;
            let sums = statistics::sums(&readers, id, &clock, &asked)?;
            let people = readers.read(|db| {
                let (mut people, mut names) = (People::default(), BTreeMap::new());
                people.learn(db, sums.agents.keys().copied().collect())?;
                for agent in sums.agents.keys() {
                    names.insert(*agent, people.person(db, *agent)?);
                }
                Ok(names)
            })?;
            Ok((live, troubles, sums, people))
        })
        .await?;
    let Sums { total, pieces, agents } = sums;
    let (shop, span) = (row.shop.as_str(), period.span);
    let piece = |(span, figures): (&Span, tally::Figures)| Piece {
        from: At(span.from),
        to: At(span.to),
        figures: Lists { shop, span: *span, agent: None }.figures(figures),
    };
    ok(Statistics {
        shop,
        time_zone: &row.time_zone,
        now: Now::of(shop, live, troubles, at),
        from: At(span.from),
        to: At(span.to),
        bucket: bucket.map(Bucket::as_str),
        total: Lists { shop, span, agent: None }.figures(total),
        buckets: period.pieces.iter().zip(pieces).map(piece).collect(),
        agents: by_uid(shop, span, agents, &people),
    })
}

fn by_uid<'a>(
    shop: &str,
    span: Span,
    mut agents: BTreeMap<UserId, tally::Figures>,
    people: &'a BTreeMap<UserId, Arc<Person>>,
) -> Vec<Agents<'a>> {
    let mut people: Vec<&Arc<Person>> = people.values().collect();
    people.sort_unstable_by_key(|person| &person.uid);
    let figures = |person: &'a Arc<Person>| {
        let figures = agents.remove(&person.id)?;
        let figures = Lists { shop, span, agent: Some(&person.uid) }.figures(figures);
        Some(Agents { agent: Name::of(person), figures })
    };
    people.into_iter().filter_map(figures).collect()
}
