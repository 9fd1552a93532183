//! Finds out what deciding lacks, each table asked at most once for all, and in the same order by everyone.

use std::sync::Arc;

use diesel::QueryResult;

use super::facts::{Facts, Found, Needs};
use crate::{
    domain::cursor::Which,
    store::{Db, agents, conversations, messages, people::People, shops, users, waiting_acks},
};

/// Answers all of `needs`. Users who are to be made are made: their numbers are needed.
pub fn gather(db: &mut Db, people: &mut People, facts: &mut Facts, needs: Needs) -> QueryResult<()> {
    for name in needs.shops {
        let shop = shops::by_name(db, &name)?.map(|row| row.shop());
        facts.shops.insert(name, shop);
    }
    for uid in needs.users {
        let user = users::by_uid(db, &uid)?.map(|user| user.person());
        facts.users.insert(uid, user);
    }
    for (uid, now) in needs.new_users {
        let user = users::refresh(db, &uid, None, None, now)?.person();
        facts.users.insert(uid, Some(user));
    }
    let mut wanted = needs.conversations;
    for pair in needs.between {
        let id = conversations::find_between(db, pair)?;
        wanted.extend(id.filter(|id| !facts.conversations.contains_key(id)));
        facts.between.insert(pair, id);
    }
    for id in wanted {
        let found = conversations::take(db, people, id)?.map_or(Found::Nowhere, Found::Here);
        facts.conversations.insert(id, found);
    }
    if needs.numbers > 0 {
        facts.numbers = conversations::numbers(db, facts.numbers.len() + needs.numbers)?;
    }
    for key in needs.keys {
        let stored = messages::by_key(db, key.0, &key.1)?;
        facts.keys.insert(key, stored);
    }
    for (shop, user) in needs.roles {
        facts.roles.insert((shop, user), agents::role(db, shop, user)?);
    }
    for shop in needs.duty {
        facts.duty.insert(shop, agents::on_duty(db, shop)?);
    }
    for (id, user) in needs.acked {
        facts.acked.insert((id, user), waiting_acks::get(db, id, user)?);
    }
    for (id, seq, side) in needs.counts {
        let side = Which::from_index(side);
        facts.counts.insert((id, seq, side), messages::count_above(db, id, seq, side)?);
    }
    for (id, seq) in needs.messages {
        let message = match facts.conversations.get(&id) {
            Some(Found::Here(conversation)) => messages::find(db, people, conversation, seq)?.map(Arc::new),
            _ => None,
        };
        facts.messages.insert((id, seq), message);
    }
    Ok(())
}
