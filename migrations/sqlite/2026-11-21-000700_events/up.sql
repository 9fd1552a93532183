-- What has happened and is to be told, a row for each shop in each transaction, until the sequencer has given it its place. Only PostgreSQL
-- needs it: here the one writer gives places in the transaction itself.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY NOT NULL,
    shop_id BIGINT NOT NULL REFERENCES shops (id),
    at      BIGINT NOT NULL,
    -- An event each.
    lines   TEXT NOT NULL
);

-- The same in its place: the last event of a row has position `last`, the one before it `last - 1`, and so on.
CREATE TABLE events (
    shop_id BIGINT NOT NULL REFERENCES shops (id),
    last    BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    lines   TEXT NOT NULL,
    PRIMARY KEY (shop_id, last)
) WITHOUT ROWID;

-- How far positions have been given, and up to where retention has removed events.
CREATE TABLE event_positions (
    shop_id BIGINT PRIMARY KEY NOT NULL REFERENCES shops (id),
    last    BIGINT NOT NULL,
    removed BIGINT NOT NULL
);
