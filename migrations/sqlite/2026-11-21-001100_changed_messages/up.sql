-- When a message's content was last changed, and by whom, where that is told live: other nodes find here what they were not told.
ALTER TABLE messages ADD COLUMN changed_at BIGINT;
ALTER TABLE messages ADD COLUMN changed_by BIGINT;
CREATE INDEX messages_by_change ON messages (changed_at) WHERE changed_at IS NOT NULL;
