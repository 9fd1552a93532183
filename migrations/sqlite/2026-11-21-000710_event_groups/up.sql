-- Readers of a shop's events that share the work.
CREATE TABLE event_groups (
    id         INTEGER PRIMARY KEY NOT NULL,
    shop_id    BIGINT NOT NULL REFERENCES shops (id),
    name       TEXT NOT NULL,
    -- Names of types, separated by commas; empty: all.
    types      TEXT NOT NULL,
    -- Up to here, what has not been done is in `group_events`.
    position   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (shop_id, name)
);

-- What a group has not done yet.
CREATE TABLE group_events (
    group_id BIGINT NOT NULL REFERENCES event_groups (id),
    position BIGINT NOT NULL,
    -- A conversation, or an agent (negative): its events are done in their order.
    subject  BIGINT NOT NULL,
    -- Until then somebody has it; 0: nobody has had it.
    until    BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (group_id, position)
) WITHOUT ROWID;
