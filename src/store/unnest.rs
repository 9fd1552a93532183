//! Statements of PostgreSQL's that take a whole column of values for each parameter, so that one statement does for any number of
//! rows. Each is prepared once for a connection.

use std::marker::PhantomData;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Binary, Bool, Nullable, SmallInt, Text},
};

use super::search::vector::{TsVector, Vector};

/// `before (SELECT unnest(column), unnest(column), …) after`, with rows of `T`.
///
/// The columns advance in lockstep, and rows are made as they are wanted (PostgreSQL, "SQL Functions Returning Sets" 38.5.9). A
/// `FROM unnest(column, column, …)` says the same, but first puts every column into a store of its own, which costs five times as much for
/// one row and twice as much for hundreds.
pub struct Unnest<'a, T = ()> {
    before: &'static str,
    columns: Vec<Column<'a>>,
    after: &'static str,
    rows: PhantomData<T>,
}

macro_rules! columns {
    ($($name:ident, $value:ty, $sql:ty;)*) => {
        enum Column<'a> {
            $($name(Vec<$value>),)*
        }

        $(
            impl<'a> FromIterator<$value> for Column<'a> {
                fn from_iter<I: IntoIterator<Item = $value>>(values: I) -> Column<'a> {
                    Column::$name(values.into_iter().collect())
                }
            }
        )*

        impl Column<'_> {
            fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                match self {
                    $(Column::$name(values) => out.push_bind_param::<Array<$sql>, _>(values),)*
                }
            }
        }
    };
}

columns! {
    Big, i64, BigInt;
    MaybeBig, Option<i64>, Nullable<BigInt>;
    Small, i16, SmallInt;
    MaybeSmall, Option<i16>, Nullable<SmallInt>;
    Text, &'a str, Text;
    MaybeText, Option<&'a str>, Nullable<Text>;
    Bytes, &'a [u8], Binary;
    Bool, bool, Bool;
    Vectors, &'a Vector, TsVector;
}

/// Begins a statement.
pub fn unnest<'a, T>(before: &'static str) -> Unnest<'a, T> {
    Unnest { before, columns: Vec::new(), after: "", rows: PhantomData }
}

#[allow(private_bounds)]
impl<'a, T> Unnest<'a, T> {
    /// The next column.
    #[must_use]
    pub fn column<V>(mut self, values: impl Iterator<Item = V>) -> Self
    where
        Column<'a>: FromIterator<V>,
    {
        self.columns.push(values.collect());
        self
    }

    /// What comes behind the columns.
    #[must_use]
    pub fn then(mut self, after: &'static str) -> Self {
        self.after = after;
        self
    }
}

impl<T> QueryFragment<Pg> for Unnest<'_, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.before);
        out.push_sql(" (");
        for (i, column) in self.columns.iter().enumerate() {
            out.push_sql(if i == 0 { "SELECT unnest(" } else { "), unnest(" });
            column.push(&mut out)?;
        }
        // What is selected from has a name, used or not.
        out.push_sql(if self.after.starts_with("AS ") { ")) " } else { ")) AS k " });
        out.push_sql(self.after);
        Ok(())
    }
}

impl<T> QueryId for Unnest<'_, T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Unnest<'_, T> {
    type SqlType = T;
}

impl<T> RunQueryDsl<PgConnection> for Unnest<'_, T> {}

/// Runs statements as one, in one round trip. They must be about different rows: none of them sees what another does.
pub fn run_together<'a>(db: &mut PgConnection, statements: impl IntoIterator<Item = Unnest<'a>>) -> QueryResult<()> {
    let statements: Vec<Unnest<'a>> = statements.into_iter().collect();
    if statements.is_empty() {
        return Ok(());
    }
    Together(statements).execute(db).map(drop)
}

/// `WITH s0 AS (…), s1 AS (…) SELECT`.
struct Together<'a>(Vec<Unnest<'a>>);

impl QueryFragment<Pg> for Together<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (i, statement) in self.0.iter().enumerate() {
            out.push_sql(if i == 0 { "WITH s" } else { "), s" });
            out.push_sql(&i.to_string());
            out.push_sql(" AS (");
            statement.walk_ast(out.reborrow())?;
        }
        out.push_sql(") SELECT");
        Ok(())
    }
}

impl QueryId for Together<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<PgConnection> for Together<'_> {}
