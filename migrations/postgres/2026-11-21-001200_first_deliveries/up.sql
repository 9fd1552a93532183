-- The column of SQLite's migration of the same name, where it is explained.
ALTER TABLE webhook_deliveries ADD COLUMN is_first BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE webhook_deliveries SET is_first = TRUE WHERE dead_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM webhook_deliveries e
    WHERE e.webhook_id = webhook_deliveries.webhook_id AND e.subject = webhook_deliveries.subject
        AND e.position < webhook_deliveries.position AND e.dead_at IS NULL
);
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_again ON webhook_deliveries (webhook_id, due_at) WHERE is_first AND attempts > 0;
CREATE INDEX webhook_deliveries_untried ON webhook_deliveries (webhook_id, due_at) WHERE is_first AND attempts = 0;
