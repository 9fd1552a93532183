//! Writes what a batch has come to, table after table in one order.

use diesel::QueryResult;

use super::rows::{Audited, Rows};
use crate::store::{
    Db, agents, audit, conversations,
    events::{self, Packet},
    file_uses, messages, prepared, receipts, tickets, timeline,
    unnest::run_together,
    waiting_acks,
};

pub fn write(db: &mut Db, rows: &Rows) -> QueryResult<()> {
    // What is told of agents waits until these are locked.
    let (events, later) = if rows.statuses.is_empty() { (&*rows.events, &[][..]) } else { (&[][..], &*rows.events) };
    conversations::insert(db, &rows.opened)?;
    match db {
        // What nearly every batch writes goes in one round trip.
        Db::Postgres(db) => {
            let conversations = conversations::updating(&rows.changed, &rows.moved);
            let (messages, receipts) = (messages::insertion(&rows.messages), receipts::insertion(&rows.receipts));
            let packets = Packet::all(events);
            let all = [conversations, messages, receipts, events::insertion(&packets)];
            run_together(db, all.into_iter().flatten())?;
        }
        Db::Sqlite(_) => {
            conversations::update(db, &rows.changed, &rows.moved)?;
            messages::insert(db, &rows.messages)?;
            receipts::insert(db, &rows.receipts)?;
            events::append(db, events)?;
        }
    }
    tickets::write(db, &rows.tickets)?;
    prepared::commit(db, &rows.committed)?;
    messages::rewrite(db, &rows.contents)?;
    file_uses::insert(db, &rows.shown)?;
    waiting_acks::clear(db, &rows.forgotten_acks)?;
    waiting_acks::set(db, &rows.acks)?;
    timeline::insert(db, &rows.timeline)?;
    for act in &rows.audit {
        let Audited { shop, by, at, address, what, message, before, after } = act;
        let subject = audit::message(*message);
        let (before, after) = (before.as_deref().map(str::to_owned), after.as_deref().map(str::to_owned));
        let act =
            audit::Act { shop: Some(*shop), by: *by, address: Some(address), what, subject: &subject, before, after };
        audit::insert(db, &act, *at)?;
    }
    audit::erase(db, &rows.erased)?;
    for ((shop, user), status) in &rows.statuses {
        agents::set_status(db, *shop, *user, *status)?;
    }
    events::append(db, later)
}
