//! Writes what a batch has come to, table after table in one order.

use diesel::QueryResult;

use super::rows::{Audited, Rows};
use crate::store::{
    Db, agents, audit, conversations, events, file_uses, messages, receipts, tickets, timeline, waiting_acks,
};

pub fn write(db: &mut Db, rows: &Rows) -> QueryResult<()> {
    conversations::insert(db, &rows.opened)?;
    conversations::update(db, &rows.changed, &rows.moved)?;
    tickets::write(db, &rows.tickets)?;
    messages::insert(db, &rows.messages)?;
    messages::rewrite(db, &rows.contents)?;
    file_uses::insert(db, &rows.shown)?;
    receipts::insert(db, &rows.receipts)?;
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
    // Last: all that they are about is locked by now.
    events::append(db, &rows.events)
}
