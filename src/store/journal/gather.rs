//! Finds out what deciding lacks, each table asked at most once for all, and in the same order by everyone.

use std::sync::Arc;

use diesel::QueryResult;

use super::{
    facts::{Facts, Found, Needs, OnDuty},
    held::Held,
};
use crate::{
    domain::{
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq, ShopId},
        people::Role,
    },
    store::{Db, agents, conversations, messages, people::People, prepared, shops, users, waiting_acks},
};

/// Answers all of `needs`. Users who are to be made are made: their numbers are needed.
pub fn gather(db: &mut Db, people: &mut People, held: &mut Held, facts: &mut Facts, needs: Needs) -> QueryResult<()> {
    if !needs.shops.is_empty() {
        let rows = shops::of_names(db, &needs.shops)?;
        facts.shops.extend(needs.shops.into_iter().map(|name| (name, None)));
        facts.disabled.extend(rows.iter().filter(|row| row.disabled).map(|row| ShopId(row.id)));
        facts.shops.extend(rows.iter().map(|row| (row.shop.as_str().into(), Some(row.shop()))));
    }
    if !needs.users.is_empty() {
        let rows = users::of_uids(db, &needs.users)?;
        facts.users.extend(needs.users.into_iter().map(|uid| (uid, None)));
        facts.users.extend(rows.iter().map(|user| (user.uid.as_str().into(), Some(user.person()))));
    }
    for (uid, now) in needs.new_users {
        let user = users::refresh(db, &uid, None, None, now)?.person();
        facts.users.insert(uid, Some(user));
    }
    if !needs.prepared.is_empty() {
        let found = prepared::of_tickets(db, people, &needs.prepared)?;
        facts.prepared.extend(needs.prepared.into_iter().map(|ticket| (ticket, None)));
        facts.prepared.extend(found.into_iter().map(|found| (found.ticket.clone(), Some(found))));
    }
    let mut wanted = needs.conversations;
    if !needs.between.is_empty() {
        let found = conversations::between(db, &needs.between)?;
        wanted.extend(found.iter().map(|(_, id)| *id).filter(|id| !facts.conversations.contains_key(id)));
        facts.between.extend(needs.between.into_iter().map(|pair| (pair, None)));
        facts.between.extend(found.into_iter().map(|(pair, id)| (pair, Some(id))));
    }
    if !wanted.is_empty() {
        let taken = conversations::take(db, people, &wanted, &held.awaited(&wanted))?;
        facts.disabled.extend(taken.disabled);
        facts.roles.extend(taken.roles);
        facts.conversations.extend(wanted.iter().map(|id| (*id, Found::Nowhere)));
        for id in taken.elsewhere {
            let found = if held.is_kept(id) { Found::Kept } else { Found::Elsewhere };
            facts.conversations.insert(id, found);
        }
        for conversation in taken.here {
            held.is_free(conversation.id);
            facts.conversations.insert(conversation.id, Found::Here(conversation));
        }
    }
    if !needs.openings.is_empty() {
        let numbers = conversations::numbers(db, facts.numbers.last().copied(), needs.openings.len())?;
        facts.numbers.extend(numbers);
    }
    if !needs.keys.is_empty() {
        let stored = messages::by_keys(db, &needs.keys)?;
        facts.keys.extend(needs.keys.into_iter().map(|key| (key, None)));
        facts.keys.extend(stored.into_iter().map(|(key, stored)| (key, Some(stored))));
    }
    if !needs.roles.is_empty() {
        let roles = agents::roles(db, &needs.roles)?;
        facts.roles.extend(needs.roles.into_iter().map(|asked| (asked, None)));
        facts.roles.extend(roles.into_iter().map(|(asked, role)| (asked, Some(role))));
    }
    if !needs.duty.is_empty() {
        let on_duty = agents::on_duty(db, &needs.duty)?;
        facts.duty.extend(needs.duty.into_iter().map(|shop| (shop, OnDuty::default())));
        for agents::OnDuty { shop, user, role, first } in on_duty {
            let of_shop = facts.duty.entry(shop).or_default();
            if role != Role::Bot {
                of_shop.people.push(user);
                continue;
            }
            of_shop.bots.push(user);
            if let Some(first) = first {
                let bot = people.person(db, user)?;
                of_shop.first_bot = Some(bot).filter(|bot| *bot.uid == *first).or(of_shop.first_bot.take());
            }
        }
    }
    if !needs.acked.is_empty() {
        let acked = waiting_acks::of(db, &needs.acked)?;
        facts.acked.extend(needs.acked.into_iter().map(|asked| (asked, 0)));
        facts.acked.extend(acked);
    }
    if !needs.counts.is_empty() {
        let counts = messages::counts_above(db, &needs.counts)?;
        let asked = needs.counts.into_iter().map(|(id, seq, side)| (id, seq, Which::from_index(side)));
        facts.counts.extend(asked.zip(counts));
    }
    if !needs.messages.is_empty() {
        let place = |&(id, seq): &(ConversationId, Seq)| -> Option<(&Conversation, Seq)> {
            match facts.conversations.get(&id) {
                Some(Found::Here(conversation)) => Some((conversation, seq)),
                _ => None,
            }
        };
        let places: Vec<(&Conversation, Seq)> = needs.messages.iter().filter_map(place).collect();
        let found = messages::at(db, people, &places)?;
        facts.messages.extend(needs.messages.into_iter().map(|asked| (asked, None)));
        facts.messages.extend(found.into_iter().map(|(at, message)| (at, Some(Arc::new(message)))));
    }
    Ok(())
}
