//! Which event of each subject is the first that waits for an endpoint: it alone is sent, so that nobody looks through those behind it.
//!
//! After every transaction, where any of a subject wait, this is said of the one with the lowest position, and of no other. Whoever has
//! an event wait, or ends that, has locked the endpoint's row before ([`webhooks::lock`](super::super::webhooks::lock)).

use diesel::prelude::*;

use super::super::{Db, statement::run, unnest::unnest};

/// Where the first of these subjects may be gone: what is the first now. None that waits has come before the one that was.
pub(super) fn advance(db: &mut Db, webhook: i64, subjects: &[i64]) -> QueryResult<()> {
    match db {
        Db::Postgres(_) if subjects.is_empty() => Ok(()),
        Db::Postgres(db) => unnest::<()>("UPDATE webhook_deliveries d SET is_first = TRUE FROM")
            .column(subjects.iter().map(|_| webhook))
            .column(subjects.iter().copied())
            .then(
                "AS s (webhook_id, subject) CROSS JOIN LATERAL (SELECT e.position FROM webhook_deliveries e \
                 WHERE e.webhook_id = s.webhook_id AND e.subject = s.subject AND e.dead_at IS NULL ORDER BY e.position LIMIT 1) f \
                 WHERE d.webhook_id = s.webhook_id AND d.position = f.position AND NOT d.is_first",
            )
            .execute(db)
            .map(drop),
        Db::Sqlite(db) => subjects.iter().try_for_each(|subject| {
            run(
                db,
                "UPDATE webhook_deliveries SET is_first = TRUE WHERE webhook_id = ? AND position = (SELECT MIN(position) \
                 FROM webhook_deliveries WHERE webhook_id = ? AND subject = ? AND dead_at IS NULL) AND NOT is_first",
                [webhook.into(), webhook.into(), (*subject).into()],
            )
        }),
    }
}

/// What is the first of these subjects now, whatever it was before.
pub(super) fn renew(db: &mut Db, webhook: i64, subjects: &[i64]) -> QueryResult<()> {
    match db {
        Db::Postgres(_) if subjects.is_empty() => {}
        Db::Postgres(db) => {
            unnest::<()>("UPDATE webhook_deliveries d SET is_first = FALSE FROM")
                .column(subjects.iter().map(|_| webhook))
                .column(subjects.iter().copied())
                .then(
                    "AS s (webhook_id, subject) WHERE d.webhook_id = s.webhook_id AND d.subject = s.subject \
                     AND d.dead_at IS NULL AND d.is_first",
                )
                .execute(db)?;
        }
        Db::Sqlite(db) => subjects.iter().try_for_each(|subject| {
            run(
                db,
                "UPDATE webhook_deliveries SET is_first = FALSE \
                 WHERE webhook_id = ? AND subject = ? AND dead_at IS NULL AND is_first",
                [webhook.into(), (*subject).into()],
            )
        })?,
    }
    advance(db, webhook, subjects)
}
