//! `schema.rs` against what the migrations of each database make: columns in their order, what may be NULL, and types.

use std::collections::BTreeMap;

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use shopbell::store::{Db, migrate::TABLES};

use crate::place::{Place, each};

#[derive(QueryableByName, Debug)]
struct Column {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Bool)]
    nullable: bool,
}

/// The tables that `schema.rs` speaks of: the name, type and nullability of each column.
fn declared() -> BTreeMap<String, Vec<(String, String, bool)>> {
    let schema = include_str!("../../src/store/schema.rs");
    let column = |line: &str| {
        let (name, kind) = line.trim().trim_end_matches(',').split_once(" -> ")?;
        let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
        Some((name.to_owned(), inner.unwrap_or(kind).to_owned(), inner.is_some()))
    };
    let table = |block: &str| {
        let (head, body) = block.split_once('{')?.1.split_once('{')?;
        let columns = body.lines().take_while(|line| line.trim() != "}").filter_map(column);
        Some((head.split('(').next()?.trim().to_owned(), columns.collect()))
    };
    schema.split("diesel::table!").skip(1).filter_map(table).collect()
}

/// What a database calls a type, in diesel's word.
fn word(kind: &str) -> &str {
    match kind.to_lowercase().as_str() {
        "bigint" => "BigInt",
        "integer" => "Integer",
        "smallint" => "SmallInt",
        "boolean" => "Bool",
        "text" => "Text",
        "blob" | "bytea" => "Binary",
        other => panic!("a type that the schema has no word for: {other}"),
    }
}

fn made(db: &mut Db, table: &str) -> Vec<(String, String, bool)> {
    let columns: Vec<Column> = match db {
        Db::Sqlite(db) => sql_query(format!(
            "SELECT name, type AS kind, \"notnull\" = 0 AS nullable FROM pragma_table_info('{table}') ORDER BY cid"
        ))
        .load(db)
        .unwrap(),
        Db::Postgres(db) => sql_query(format!(
            "SELECT column_name::text AS name, data_type::text AS kind, is_nullable = 'YES' AS nullable \
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '{table}' \
             ORDER BY ordinal_position"
        ))
        .load(db)
        .unwrap(),
    };
    columns.into_iter().map(|column| (column.name, word(&column.kind).to_owned(), column.nullable)).collect()
}

#[test]
fn the_schema_is_what_the_migrations_make() {
    let declared = declared();
    let mut names = TABLES.to_vec();
    names.sort_unstable();
    assert_eq!(declared.keys().collect::<Vec<_>>(), names);
    each(|place: Place| {
        let mut db = place.writer();
        for (table, columns) in &declared {
            let mut made = made(&mut db, table);
            if !db.is_postgres() {
                // SQLite's INTEGER holds either.
                for (made, declared) in made.iter_mut().zip(columns).filter(|(made, _)| made.1 == "Integer") {
                    assert!(["Integer", "BigInt"].contains(&&*declared.1), "{table}.{}", made.0);
                    made.1.clone_from(&declared.1);
                }
            }
            assert_eq!(made, *columns, "{table}");
        }
    });
}

/// Text that is ordered or compared otherwise than byte by byte would make the two databases page differently.
#[test]
fn all_text_on_postgresql_is_compared_byte_by_byte() {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    let mut db = Place::postgres().writer();
    let columns: Vec<Name> = sql_query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns \
         WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
    )
    .load(&mut db)
    .unwrap();
    assert_eq!(columns.into_iter().map(|column| column.name).collect::<Vec<_>>(), Vec::<String>::new());
}
