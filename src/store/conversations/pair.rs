//! Which conversation joins two.

use std::collections::BTreeSet;

use diesel::{prelude::*, sql_types::BigInt};

use crate::{
    domain::{
        conversation::Parties,
        ids::{ConversationId, ShopId, UserId},
    },
    store::{Db, schema::conversations as t, unnest::unnest},
};

/// Two who have at most one conversation with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pair {
    Support { shop: ShopId, buyer: UserId },
    Direct { first: UserId, second: UserId },
}

impl Pair {
    pub fn of(parties: &Parties) -> Pair {
        match parties {
            Parties::Support { shop, buyer } => Pair::Support { shop: shop.id, buyer: buyer.id },
            Parties::Direct { first, second } => Pair::Direct { first: first.id, second: second.id },
        }
    }
}

/// The conversations that join these, where there are any.
pub fn between(db: &mut Db, pairs: &BTreeSet<Pair>) -> QueryResult<Vec<(Pair, ConversationId)>> {
    let mut found = Vec::new();
    let Db::Postgres(db) = db else {
        for pair in pairs {
            found.extend(find_between(db, *pair)?.map(|id| (*pair, id)));
        }
        return Ok(found);
    };
    let (mut support, mut direct) = (Vec::new(), Vec::new());
    for pair in pairs {
        match *pair {
            Pair::Support { shop, buyer } => support.push((buyer.0, shop.0)),
            Pair::Direct { first, second } => direct.push((first.0, second.0)),
        }
    }
    type Rows = Vec<(i64, i64, i64)>;
    if !support.is_empty() {
        let rows: Rows = unnest::<(BigInt, BigInt, BigInt)>("SELECT c.id, c.first_user, c.shop_id FROM")
            .column(support.iter().map(|pair| pair.0))
            .column(support.iter().map(|pair| pair.1))
            .then(
                "AS k (f, s) JOIN conversations c \
                 ON c.first_user = k.f AND c.shop_id = k.s AND c.shop_id IS NOT NULL",
            )
            .load(db)?;
        let pair = |(id, first, shop)| (Pair::Support { shop: ShopId(shop), buyer: UserId(first) }, ConversationId(id));
        found.extend(rows.into_iter().map(pair));
    }
    if !direct.is_empty() {
        let rows: Rows = unnest::<(BigInt, BigInt, BigInt)>("SELECT c.id, c.first_user, c.second_user FROM")
            .column(direct.iter().map(|pair| pair.0))
            .column(direct.iter().map(|pair| pair.1))
            .then(
                "AS k (f, s) JOIN conversations c \
                 ON c.first_user = k.f AND c.second_user = k.s AND c.second_user IS NOT NULL",
            )
            .load(db)?;
        let pair =
            |(id, first, second)| (Pair::Direct { first: UserId(first), second: UserId(second) }, ConversationId(id));
        found.extend(rows.into_iter().map(pair));
    }
    Ok(found)
}

fn find_between(db: &mut Db, pair: Pair) -> QueryResult<Option<ConversationId>> {
    let first = |id: UserId| t::first_user.eq(id.0);
    let id = match pair {
        Pair::Support { shop, buyer } => {
            t::table.filter(first(buyer).and(t::shop_id.eq(shop.0))).select(t::id).first(db).optional()?
        }
        Pair::Direct { first: one, second } => {
            t::table.filter(first(one).and(t::second_user.eq(second.0))).select(t::id).first(db).optional()?
        }
    };
    Ok(id.map(ConversationId))
}
