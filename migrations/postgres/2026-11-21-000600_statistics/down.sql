DROP INDEX tickets_opened;
DROP INDEX tickets_resolved;
DROP INDEX tickets_rated;
ALTER TABLE tickets DROP COLUMN shop_id;
ALTER TABLE tickets DROP COLUMN outbound;
ALTER TABLE tickets DROP COLUMN last_claimed_by;
ALTER TABLE tickets DROP COLUMN rated_at;
ALTER TABLE tickets RESET (fillfactor);
