//! `conversations`: state, claim and cursors.

mod claims;
mod inbox;
mod load;
mod pair;
mod row;
mod take;
mod waiting;
mod write;

use diesel::prelude::*;

pub use self::{
    claims::{claimed_in, orphaned_claims},
    inbox::{Cursor, Filter, Scope, page},
    load::{load, load_all, open, shops_of, snapshot},
    pair::{Pair, between},
    row::Row,
    take::{Taken, take},
    waiting::{Waits, waiting_for},
    write::{insert, numbers, update, updating},
};
use super::schema::conversations as t;
use crate::domain::ids::{ConversationId, Seq, Timestamp};

const DIRECT: &str = "direct";
const WAITING: &str = "waiting";
const CLAIMED: &str = "claimed";
pub(super) const RESOLVED: &str = "resolved";

/// With a message, or a change of state or claim, at `from` or later.
#[diesel::dsl::auto_type(no_type_alias)]
pub fn active_since(from: Timestamp) -> _ {
    let (second, at): (i64, i64) = (from.second(), from.0);
    t::updated_second.ge(second).and(t::updated_at.ge(at))
}

/// Messages that a user has not acked in a conversation for which it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub conversation: ConversationId,
    pub from: Seq,
    pub upto: Seq,
    /// How many of these are the other side's.
    pub count: i64,
}
