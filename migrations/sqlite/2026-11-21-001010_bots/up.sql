-- The `uid` of the bot that gets new conversations first.
ALTER TABLE shops ADD COLUMN bot TEXT;
-- When the present ticket came before people; NULL while only a bot has had it.
ALTER TABLE conversations ADD COLUMN offered_at BIGINT;
-- What people have done about it: 0 nothing, 1 claimed it, 2 answered.
ALTER TABLE conversations ADD COLUMN attended SMALLINT NOT NULL DEFAULT 0;
UPDATE conversations SET offered_at = opened_at,
    attended = CASE WHEN second_said >= opened_seq THEN 2 WHEN claimed_by IS NOT NULL THEN 1 ELSE 0 END
    WHERE shop_id IS NOT NULL;
ALTER TABLE tickets ADD COLUMN offered_at BIGINT;
UPDATE tickets SET offered_at = opened_at;
