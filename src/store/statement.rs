//! SQLite's statements for what is written with nearly every message. Each is prepared once for a connection; what diesel makes of an update
//! is prepared anew each time, since the next one may set other columns.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Nullable, Text},
    sqlite::Sqlite,
};

pub enum Value<'a> {
    Big(i64),
    MaybeBig(Option<i64>),
    Bool(bool),
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Big(value)
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Value::MaybeBig(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(value)
    }
}

/// Runs a statement with a value for each `?` of it, in their order.
pub fn run<const N: usize>(db: &mut SqliteConnection, text: &'static str, values: [Value; N]) -> QueryResult<()> {
    Statement { text, values: &values }.execute(db).map(drop)
}

struct Statement<'a> {
    text: &'static str,
    values: &'a [Value<'a>],
}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut values = self.values.iter();
        for (n, piece) in self.text.split('?').enumerate() {
            match (n > 0).then(|| values.next()).flatten() {
                Some(Value::Big(value)) => out.push_bind_param::<BigInt, _>(value)?,
                Some(Value::MaybeBig(value)) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                Some(Value::Bool(value)) => out.push_bind_param::<Bool, _>(value)?,
                Some(Value::Text(value)) => out.push_bind_param::<Text, _>(value)?,
                None => {}
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<SqliteConnection> for Statement<'_> {}
