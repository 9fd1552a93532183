-- Whether it is the first of its subject that waits for the endpoint: it alone is sent, and those behind it are not looked at. In every
-- transaction this is said of the one with the lowest position among those that are no dead letters.
ALTER TABLE webhook_deliveries ADD COLUMN is_first BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE webhook_deliveries SET is_first = TRUE WHERE dead_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM webhook_deliveries e
    WHERE e.webhook_id = webhook_deliveries.webhook_id AND e.subject = webhook_deliveries.subject
        AND e.position < webhook_deliveries.position AND e.dead_at IS NULL
);
DROP INDEX webhook_deliveries_due;
-- Each attempt moves a row in one of these: first what has failed is sent again, then what was not tried yet.
CREATE INDEX webhook_deliveries_again ON webhook_deliveries (webhook_id, due_at) WHERE is_first AND attempts > 0;
CREATE INDEX webhook_deliveries_untried ON webhook_deliveries (webhook_id, due_at) WHERE is_first AND attempts = 0;
