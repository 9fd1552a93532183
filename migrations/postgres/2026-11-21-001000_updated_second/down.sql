DROP INDEX conversations_by_shop;
DROP INDEX conversations_changed;
CREATE INDEX conversations_by_shop ON conversations (shop_id, state, updated_at);
CREATE INDEX conversations_changed ON conversations (updated_at);
ALTER TABLE conversations DROP COLUMN updated_second;
