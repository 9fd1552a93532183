DROP INDEX webhook_deliveries_untried;
DROP INDEX webhook_deliveries_again;
ALTER TABLE webhook_deliveries DROP COLUMN is_first;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE dead_at IS NULL;
