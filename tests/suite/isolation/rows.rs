//! Everything that is stored, to see that nothing of it changes.

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use shopbell::store::{Db, location::Location, migrate::TABLES};
use std::collections::BTreeMap;

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    text: Option<String>,
}

/// Who is there, which the nodes say all the time; what of the messages is indexed; and that somebody was refused something under a key.
const ALWAYS_NEW: [&str; 5] = ["nodes", "agent_sessions", "search_positions", "search_documents", "idempotency_keys"];

/// The rows of every table, each in words of its own.
pub fn rows(url: &str) -> BTreeMap<&'static str, Vec<String>> {
    let mut db = Location::parse(url).unwrap().reader().unwrap();
    let tables = TABLES.iter().copied().filter(|table| !ALWAYS_NEW.contains(table));
    tables.map(|table| (table, of(&mut db, table))).collect()
}

fn of(db: &mut Db, table: &str) -> Vec<String> {
    let rows: Vec<Text> = match db {
        Db::Sqlite(db) => {
            let columns = format!(
                "SELECT group_concat('quote(\"' || name || '\")', ' || '' '' || ') AS text FROM pragma_table_info('{table}')"
            );
            let columns: Text = sql_query(columns).get_result(db).unwrap();
            let all = format!("SELECT {} AS text FROM \"{table}\" ORDER BY 1", columns.text.expect("columns"));
            sql_query(all).load(db).unwrap()
        }
        Db::Postgres(db) => {
            sql_query(format!("SELECT t::text AS text FROM \"{table}\" t ORDER BY 1")).load(db).unwrap()
        }
    };
    rows.into_iter().map(|row| row.text.unwrap_or_default()).collect()
}
