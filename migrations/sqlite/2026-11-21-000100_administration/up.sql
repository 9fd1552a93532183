-- An IANA name, and the working hours in that zone: `{"mon":[["09:00","18:00"]]}`; `{}` is always.
ALTER TABLE shops ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE shops ADD COLUMN hours TEXT NOT NULL DEFAULT '{}';
ALTER TABLE shops ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT FALSE;
-- Days for which messages and files are kept; NULL: for ever.
ALTER TABLE shops ADD COLUMN retention_messages INTEGER;
ALTER TABLE shops ADD COLUMN retention_files INTEGER;

ALTER TABLE users ADD COLUMN must_change_password BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE agents ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT FALSE;

-- Canned replies.
CREATE TABLE replies (
    id         INTEGER PRIMARY KEY NOT NULL,
    shop_id    BIGINT NOT NULL REFERENCES shops (id),
    -- The agent whose own it is; NULL: the whole shop's.
    owner_id   BIGINT REFERENCES users (id),
    "group"    TEXT NOT NULL,
    shortcut   TEXT NOT NULL,
    text       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX replies_of_shop ON replies (shop_id, shortcut) WHERE owner_id IS NULL;
CREATE UNIQUE INDEX replies_of_agent ON replies (shop_id, owner_id, shortcut) WHERE owner_id IS NOT NULL;
