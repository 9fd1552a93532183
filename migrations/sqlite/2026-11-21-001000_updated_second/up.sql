-- `updated_at` in whole seconds. The order of inboxes and the sweep go by it: every message moves `updated_at`, and would be written into
-- each index that has it; a busy conversation's second moves once a second.
ALTER TABLE conversations ADD COLUMN updated_second BIGINT NOT NULL DEFAULT 0;
UPDATE conversations SET updated_second = updated_at / 1000;
DROP INDEX conversations_by_shop;
DROP INDEX conversations_changed;
CREATE INDEX conversations_by_shop ON conversations (shop_id, state, updated_second);
CREATE INDEX conversations_changed ON conversations (updated_second);
