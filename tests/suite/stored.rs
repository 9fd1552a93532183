//! A look into a node's database beside it, for what no client can see or do: to make things old, and to see that nothing is left of them.

use std::cell::RefCell;

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt};
use shopbell::store::{Db, location::Location};
use shopbell_harness::TestNode;

pub struct Stored(RefCell<Db>);

impl Stored {
    pub fn of(node: &TestNode) -> Stored {
        Stored(RefCell::new(Location::parse(node.database()).unwrap().writer().unwrap()))
    }

    pub fn run(&self, statement: &str) {
        self.0.borrow_mut().batch_execute(statement).unwrap();
    }

    /// The number that `query` gives.
    pub fn number(&self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let row: Number =
            sql_query(format!("SELECT ({query}) AS number")).get_result(&mut *self.0.borrow_mut()).unwrap();
        row.number
    }

    /// Makes the messages of a conversation up to `seq` so many days older.
    pub fn age(&self, conversation: u64, seq: u64, days: i64) {
        let by = days * 24 * 60 * 60 * 1_000;
        let those = format!("WHERE conversation_id = {conversation} AND seq <= {seq}");
        self.run(&format!(
            "UPDATE messages SET at = at - {by} {those}; UPDATE file_uses SET at = at - {by} {those}; \
             UPDATE conversations SET created_at = created_at - {by} WHERE id = {conversation}"
        ));
    }

    /// How many messages of a conversation, up to `seq`, have a content.
    pub fn contents(&self, conversation: u64, seq: usize) -> i64 {
        self.number(&format!(
            "SELECT count(*) FROM messages WHERE conversation_id = {conversation} AND seq <= {seq} \
             AND content <> '{{\"kind\":\"deleted\"}}'"
        ))
    }
}
