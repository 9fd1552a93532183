//! The check-back: asks shops what has become of the transactions for which they have prepared messages, where nobody has decided.
//!
//! Every node looks for what is due. Who moves a due time asks: so each asking is one node's, and is due again for all when that node has
//! died. What a shop answers is done as if its back end had asked for it, so it does not matter whether it is asked once more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::stream::{FuturesUnordered, StreamExt};
use reqwest::header::{HeaderMap, HeaderValue, InvalidHeaderValue};

use super::{
    journal::write,
    node::Node,
    prepared::{abort, commit, later},
};
use crate::{
    auth::webhook_signature,
    domain::{
        ids::{ShopId, Timestamp, UserId},
        prepared::{ASKED_MAX, Decider, Verdict, pause},
        refusal::Refusal,
    },
    failpoint, outbound,
    protocol::check_back::{Asking, verdict},
    store::{
        Db, check_backs,
        prepared::{self, Row},
        shops, users,
    },
};

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_millis(250);
/// How many are asked about at a time; how many of one shop: one that is slow is in no other's way.
const AT_ONCE: usize = 64;
const OF_ONE_SHOP: usize = 8;
/// Who has taken an asking upon itself and has not noted after so long what came of it has died.
const TAKEN: Duration = Duration::from_secs(outbound::TIMEOUT.as_secs() + 10);

pub struct CheckBack {
    node: Arc<Node>,
}

impl CheckBack {
    pub fn new(node: Arc<Node>) -> CheckBack {
        CheckBack { node }
    }
}

impl Actor for CheckBack {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let node = self.node.clone();
        let run = async move {
            let (mut asking, mut of_shop) = (FuturesUnordered::new(), HashMap::<ShopId, usize>::new());
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    Some(shop) = asking.next() => {
                        of_shop.entry(shop).and_modify(|count| *count -= 1);
                        of_shop.retain(|_, count| *count > 0);
                    }
                    _ = look.tick() => match take(&node, &mut of_shop, AT_ONCE - asking.len()).await {
                        Ok(taken) => asking.extend(taken.into_iter().map(|taken| ask(&node, taken))),
                        Err(refusal) => tracing::debug!(?refusal, "nobody was asked back"),
                    },
                }
            }
        };
        ctx.spawn(run.into_actor(self));
    }
}

/// Something about which a shop is to be asked now, and where.
struct Taken {
    row: Row,
    at: check_backs::Row,
}

/// Takes what is due upon this node, as many as there are places; counts them by shop. What nobody can be asked about is left to admins.
async fn take(node: &Node, of_shop: &mut HashMap<ShopId, usize>, places: usize) -> Result<Vec<Taken>, Refusal> {
    let mut taken = Vec::new();
    while taken.len() < places {
        let (now, left) = (super::now(), places - taken.len());
        let busy: Vec<ShopId> = of_shop.iter().filter(|(_, n)| **n >= OF_ONE_SHOP).map(|(shop, _)| *shop).collect();
        let mut due = node.read(move |db| prepared::due(db, now, &busy, left)).await?;
        let is_all = due.len() < left;
        let mut counts = of_shop.clone();
        due.retain(|row| {
            let count = counts.entry(ShopId(row.shop_id)).or_default();
            *count += 1;
            *count <= OF_ONE_SHOP
        });
        if due.is_empty() {
            break;
        }
        let (more, parked) = write(&node.journal, move |db| {
            let (mut taken, mut parked) = (Vec::new(), 0);
            for row in &due {
                let at = check_backs::find(db, ShopId(row.shop_id))?;
                let Some(at) = at.filter(|_| row.asked < ASKED_MAX as i32) else {
                    // Whoever was to note the last answer has died, or the shop does not want to be asked.
                    parked += usize::from(park(db, row)?);
                    continue;
                };
                if prepared::take(db, row, later(now, TAKEN))? {
                    taken.push(Taken { row: Row { asked: row.asked + 1, ..row.clone() }, at });
                }
            }
            Ok((taken, parked))
        })
        .await?;
        count_parked(parked);
        for Taken { row, .. } in &more {
            *of_shop.entry(ShopId(row.shop_id)).or_default() += 1;
        }
        taken.extend(more);
        if is_all {
            break;
        }
    }
    Ok(taken)
}

fn park(db: &mut Db, row: &Row) -> diesel::QueryResult<bool> {
    let heard = row.heard.as_deref().unwrap_or(if row.asked == 0 { "no check-back" } else { "no answer" });
    prepared::heard(db, row.id, heard, None)
}

fn count_parked(parked: usize) {
    metrics::counter!("shopbell_prepared_parked_total").increment(parked as u64);
}

/// Asks a shop, and does what it says; gives the shop.
async fn ask(node: &Arc<Node>, Taken { row, at }: Taken) -> ShopId {
    failpoint::pass("check_back.taken");
    let heard = hear(node, &row, &at).await;
    failpoint::pass("check_back.answered");
    let (label, done) = match heard {
        Ok(Verdict::Commit) => ("commit", commit(node, &row, Decider::CheckBack).await.map(drop)),
        Ok(Verdict::Abort) => ("abort", abort(node, &row, Decider::CheckBack).await),
        Ok(Verdict::Unknown) => ("unknown", note(node, &row, "unknown".to_owned()).await),
        Err(why) => ("failed", note(node, &row, why).await),
    };
    failpoint::pass("check_back.decided");
    metrics::counter!("shopbell_check_backs_total", "answer" => label).increment(1);
    if let Err(refusal) = done {
        // Somebody else has decided meanwhile, or the shop is asked once more.
        tracing::debug!(?refusal, "what a shop has answered was not done");
    }
    ShopId(row.shop_id)
}

/// What a shop says; or why it says nothing, in words for its admins.
async fn hear(node: &Node, row: &Row, at: &check_backs::Row) -> Result<Verdict, String> {
    let (shop, sender) = (ShopId(row.shop_id), UserId(row.sender_id));
    let read = node.read(move |db| Ok((shops::by_id(db, shop)?, users::by_id(db, sender)?))).await;
    let Ok((Some(shop), Some(sender))) = read else { return Err("not asked: the database was away".to_owned()) };
    let (ticket, id) = (&row.ticket, &row.client_id);
    let asking = Asking::about(ticket, &shop.shop, id, &sender.uid, row.conversation_id, Timestamp(row.at), row.asked);
    let body = serde_json::to_string(&asking).map_err(|error| error.to_string())?;
    let headers = headers(at, ticket, &body).map_err(|error| error.to_string())?;
    let answer = node.outbound.post(&at.url, headers, body).await.map_err(|failure| failure.to_string())?;
    match verdict(&answer.body) {
        _ if !answer.is_success() => Err(format!("status {}", answer.status)),
        Some(verdict) => Ok(verdict),
        None => Err("not an answer".to_owned()),
    }
}

/// Of Standard Webhooks; the ticket is the id of what is asked.
fn headers(at: &check_backs::Row, ticket: &str, body: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let now = super::now();
    let seconds = now.0 / 1_000;
    let signature = webhook_signature::sign(&at.secrets(now), ticket, seconds, body);
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_str(ticket)?);
    headers.insert("webhook-timestamp", seconds.into());
    headers.insert("webhook-signature", HeaderValue::from_str(&signature)?);
    Ok(headers)
}

/// Notes that a shop has not decided: it is asked again, or never.
async fn note(node: &Node, row: &Row, heard: String) -> Result<(), Refusal> {
    let asked = u32::try_from(row.asked).unwrap_or(ASKED_MAX);
    let next = pause(node.settings.prepare.pause, asked).map(|pause| later(super::now(), pause));
    let id = row.id;
    let is_noted = write(&node.journal, move |db| Ok(prepared::heard(db, id, &heard, next)?)).await?;
    count_parked(usize::from(is_noted && next.is_none()));
    Ok(())
}
