//! One connection type over both backends.
//!
//! Selects, joins, boxed queries, updates, deletes and single inserts are written once, for [`Db`]. What the derived backend leaves
//! out is rendered by whichever backend the connection has: a statement wrapped in [`Both`]; where the two differ, `match`.

use diesel::{
    Connection, PgConnection, QueryResult, SqliteConnection,
    connection::{AnsiTransactionManager, TransactionManager},
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sqlite::Sqlite,
};

/// The connection that queries run on.
#[derive(diesel::MultiConnection)]
pub enum Db {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Db {
    pub fn is_postgres(&self) -> bool {
        matches!(self, Db::Postgres(_))
    }

    /// A transaction that writes: on SQLite it takes the write lock at once, so that it cannot fail for having read first.
    ///
    /// # Errors
    /// What `work` gives, after everything has been rolled back; what the database says to the commit.
    pub fn write<T, E: From<diesel::result::Error>>(
        &mut self,
        work: impl FnOnce(&mut Db) -> Result<T, E>,
    ) -> Result<T, E> {
        let Db::Sqlite(sqlite) = self else { return self.transaction(work) };
        AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?;
        match work(self) {
            Ok(value) => {
                <Db as Connection>::TransactionManager::commit_transaction(self)?;
                Ok(value)
            }
            Err(error) => {
                <Db as Connection>::TransactionManager::rollback_transaction(self)?;
                Err(error)
            }
        }
    }
}

/// A statement that both backends understand and the derived one does not: an insert with `on_conflict`.
#[derive(Clone, Copy, Debug)]
pub struct Both<Q>(pub Q);

impl<Q: QueryFragment<Pg> + QueryFragment<Sqlite>> QueryFragment<MultiBackend> for Both<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, pass)
    }
}

impl<Q> QueryId for Both<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Both<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> diesel::RunQueryDsl<C> for Both<Q> {}

/// The columns of a model, for `returning` on either backend.
pub fn columns<T: diesel::Selectable<Pg>>() -> T::SelectExpression {
    T::construct_selection()
}

diesel::define_sql_function! {
    /// Small letters for A to Z, and nothing else: SQLite's function does no more, and PostgreSQL's does not under the collation "C".
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
