-- Links under which something of a shop may be had once, until they expire; what is used or has expired is removed.
CREATE TABLE exports (
    -- 128 random bits in hexadecimal: the right to it.
    key        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    shop_id    BIGINT NOT NULL REFERENCES shops (id),
    by_user    BIGINT NOT NULL REFERENCES users (id),
    format     TEXT COLLATE "C" NOT NULL,
    what       TEXT COLLATE "C" NOT NULL,
    -- From this time on, and before the other.
    from_at    BIGINT NOT NULL,
    to_at      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX exports_of_shop ON exports (shop_id);
