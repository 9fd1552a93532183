-- As SQLite's migration of the same name, where the columns are explained.
ALTER TABLE tickets ADD COLUMN shop_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN outbound BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE tickets ADD COLUMN last_claimed_by BIGINT;
ALTER TABLE tickets ADD COLUMN rated_at BIGINT;

UPDATE tickets SET
    shop_id = COALESCE((SELECT c.shop_id FROM conversations c WHERE c.id = tickets.conversation_id), 0),
    outbound = NOT EXISTS (
        SELECT 1 FROM timeline l WHERE l.conversation_id = tickets.conversation_id AND l.ticket = tickets.number
        AND l.cause IN ('opened', 'reopened')),
    last_claimed_by = (
        SELECT l.to_user FROM timeline l WHERE l.conversation_id = tickets.conversation_id AND l.ticket = tickets.number
        AND l.cause IN ('claimed', 'transferred') ORDER BY l.position DESC LIMIT 1),
    -- When was not written down: ratings come at the end.
    rated_at = CASE WHEN score IS NOT NULL THEN COALESCE(resolved_at, opened_at) END;

CREATE INDEX tickets_opened ON tickets (shop_id, opened_at);
CREATE INDEX tickets_resolved ON tickets (shop_id, resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX tickets_rated ON tickets (shop_id, rated_at) WHERE rated_at IS NOT NULL;
-- Claims and answers touch no indexed column: their new versions find room on the page.
ALTER TABLE tickets SET (fillfactor = 80);
