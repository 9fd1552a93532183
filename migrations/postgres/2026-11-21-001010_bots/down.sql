ALTER TABLE tickets DROP COLUMN offered_at;
ALTER TABLE conversations DROP COLUMN attended;
ALTER TABLE conversations DROP COLUMN offered_at;
ALTER TABLE shops DROP COLUMN bot;
