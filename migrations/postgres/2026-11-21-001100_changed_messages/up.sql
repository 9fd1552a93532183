-- The columns of SQLite's migration of the same name, where they are explained.
ALTER TABLE messages ADD COLUMN changed_at BIGINT;
ALTER TABLE messages ADD COLUMN changed_by BIGINT;
CREATE INDEX messages_by_change ON messages (changed_at) WHERE changed_at IS NOT NULL;
