DROP INDEX messages_by_change;
ALTER TABLE messages DROP COLUMN changed_by;
ALTER TABLE messages DROP COLUMN changed_at;
