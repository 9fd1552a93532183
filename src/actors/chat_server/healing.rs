//! What those who are here were not told of, and is found in the store.

use std::collections::HashMap;

use actix::prelude::*;

use super::{ChatServer, nodes::Happenings};
use crate::{
    actors::{
        corrections,
        mail::{Overdue, Push, Swept},
        node::blocking,
        now,
    },
    domain::ids::ShopId,
    store::changes::{Changed, Glimpse},
};

/// These conversations have changed lately. Whoever here has missed some of it gets it now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Sweep(pub Vec<Overdue>);

impl Handler<Sweep> for ChatServer {
    type Result = ();

    fn handle(&mut self, Sweep(all): Sweep, _: &mut Self::Context) {
        let mut by_shop: HashMap<ShopId, Vec<Overdue>> = HashMap::new();
        for overdue in all {
            let Overdue { glimpse: Glimpse { id, shop, first, second, .. }, upto, .. } = overdue;
            for (user, delivered) in [(Some(first.0), first.1), second] {
                if let Some(user) = user.filter(|_| delivered < upto) {
                    self.push(user, &Push::HandOver { conversation: id, from: delivered + 1, upto });
                }
            }
            if let Some(shop) = shop.filter(|shop| self.shops.contains_key(shop)) {
                by_shop.entry(shop).or_default().push(overdue);
            }
        }
        for (shop, overdue) in by_shop {
            if let Some(in_use) = self.shops.get(&shop) {
                in_use.dispatcher.do_send(Swept(overdue));
            }
        }
    }
}

/// These messages have been edited, recalled or deleted lately. Whoever here has not been told is told now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Correct(pub Vec<Changed>);

impl Handler<Correct> for ChatServer {
    type Result = ();

    fn handle(&mut self, Correct(mut changed): Correct, ctx: &mut Self::Context) {
        self.corrections.forget(now());
        changed.retain(|change| {
            let somebody_here = match change.shop {
                Some(shop) => self.shops.contains_key(&shop) || self.users.contains_key(&change.first),
                None => self.direct.is_some(),
            };
            somebody_here && !self.corrections.is_told(change)
        });
        if changed.is_empty() {
            return;
        }
        metrics::counter!("shopbell_corrected_total").increment(changed.len() as u64);
        let readers = self.readers.clone();
        let reading = blocking(move || readers.read(|db| corrections::outcomes(db, &changed)));
        ctx.spawn(reading.into_actor(self).map(|found, this, _| {
            let mut all = Happenings::new();
            for (shop, outcome) in found.into_iter().flatten() {
                all.entry(shop).or_default().push((outcome, None));
            }
            this.happened(all);
        }));
    }
}
