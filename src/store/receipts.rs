//! `receipts`: when a side's cursors moved, from which each message's times of delivery and reading follow.

use diesel::prelude::*;

use super::{
    Db,
    schema::receipts as t,
    unnest::{Unnest, run_together, unnest},
};
use crate::domain::{
    conversation::Moved,
    cursor::Which,
    ids::{ConversationId, Seq, Timestamp},
};

pub(super) const DELIVERED: i16 = 0;
pub(super) const READ: i16 = 1;

/// Where a side's cursors have come to stand.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub conversation: ConversationId,
    pub side: Which,
    pub moved: Moved,
    pub at: Timestamp,
}

type Movement = (New, i16, Seq);

fn movements(new: &[New]) -> Vec<Movement> {
    let of_one =
        |new: &New| [(DELIVERED, new.moved.delivered), (READ, new.moved.read)].map(|(kind, seq)| (*new, kind, seq));
    new.iter().flat_map(of_one).filter_map(|(new, kind, seq)| Some((new, kind, seq?))).collect()
}

/// PostgreSQL's statement for what [`insert`] does, if there is anything to write.
pub fn insertion(new: &[New]) -> Option<Unnest<'static>> {
    let rows = movements(new);
    let statement = unnest("INSERT INTO receipts (conversation_id, side, kind, seq, at) SELECT * FROM")
        .column(rows.iter().map(|(new, _, _)| new.conversation.0))
        .column(rows.iter().map(|(new, _, _)| new.side.index()))
        .column(rows.iter().map(|(_, kind, _)| *kind))
        .column(rows.iter().map(|(_, _, seq)| *seq))
        .column(rows.iter().map(|(new, _, _)| new.at.0))
        .then("ON CONFLICT DO NOTHING");
    (!rows.is_empty()).then_some(statement)
}

pub fn insert(db: &mut Db, new: &[New]) -> QueryResult<()> {
    let db = match db {
        Db::Postgres(db) => return run_together(db, insertion(new)),
        Db::Sqlite(db) => db,
    };
    for (New { conversation, side, at, .. }, kind, seq) in movements(new) {
        let values = (
            t::conversation_id.eq(conversation.0),
            t::side.eq(side.index()),
            t::kind.eq(kind),
            t::seq.eq(seq),
            t::at.eq(at.0),
        );
        diesel::insert_into(t::table).values(values).on_conflict_do_nothing().execute(db)?;
    }
    Ok(())
}

/// The movements that bear on a page of messages, by side and kind, each in rising order of `seq`.
#[derive(Default)]
pub struct Marks([[Vec<(Seq, Timestamp)>; 2]; 2]);

impl Marks {
    pub fn load(db: &mut Db, conversation: ConversationId, first: Seq, last: Seq) -> QueryResult<Marks> {
        let mut marks = Marks::default();
        for side in [Which::First, Which::Second] {
            for kind in [DELIVERED, READ] {
                let of_cursor =
                    t::conversation_id.eq(conversation.0).and(t::side.eq(side.index())).and(t::kind.eq(kind));
                let mut rows: Vec<(i64, i64)> = t::table
                    .filter(of_cursor.and(t::seq.between(first, last)))
                    .order(t::seq)
                    .select((t::seq, t::at))
                    .load(db)?;
                let beyond: Option<(i64, i64)> = t::table
                    .filter(of_cursor.and(t::seq.gt(last)))
                    .order(t::seq)
                    .select((t::seq, t::at))
                    .first(db)
                    .optional()?;
                rows.extend(beyond);
                marks.0[side.index() as usize][kind as usize] =
                    rows.into_iter().map(|(seq, at)| (seq, Timestamp(at))).collect();
            }
        }
        Ok(marks)
    }

    /// When `reader` received and read the message `seq`.
    pub fn of(&self, reader: Which, seq: Seq) -> (Option<Timestamp>, Option<Timestamp>) {
        let at = |kind: i16| {
            let marks = &self.0[reader.index() as usize][kind as usize];
            marks.get(marks.partition_point(|mark| mark.0 < seq)).map(|mark| mark.1)
        };
        (at(DELIVERED), at(READ))
    }
}
