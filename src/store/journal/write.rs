//! Writes what a batch has come to, table after table in one order.

use diesel::QueryResult;

use super::rows::Rows;
use crate::store::{Db, agents, conversations, messages, receipts, tickets, timeline, waiting_acks};

pub fn write(db: &mut Db, rows: &Rows) -> QueryResult<()> {
    conversations::insert(db, &rows.opened)?;
    conversations::update(db, &rows.changed, &rows.moved)?;
    tickets::write(db, &rows.tickets)?;
    messages::insert(db, &rows.messages)?;
    for (id, seq) in &rows.recalls {
        messages::recall(db, *id, *seq)?;
    }
    receipts::insert(db, &rows.receipts)?;
    waiting_acks::clear(db, &rows.forgotten_acks)?;
    waiting_acks::set(db, &rows.acks)?;
    timeline::insert(db, &rows.timeline)?;
    for ((shop, user), status) in &rows.statuses {
        agents::set_status(db, *shop, *user, *status)?;
    }
    Ok(())
}
