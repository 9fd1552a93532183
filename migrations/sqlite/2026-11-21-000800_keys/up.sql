-- Keys for programs of a shop, each for what its scopes say, until it is revoked.
CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY NOT NULL,
    shop_id      BIGINT NOT NULL REFERENCES shops (id),
    -- Who acts with it: a bot of the shop, or the admin who has made it.
    user_id      BIGINT NOT NULL REFERENCES users (id),
    made_by      BIGINT NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    -- SHA-256 of the key, and the key's last letters.
    hash         TEXT NOT NULL UNIQUE,
    hint         TEXT NOT NULL,
    -- Separated by spaces.
    scopes       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    -- To the minute.
    used_at      BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX api_keys_of_shop ON api_keys (shop_id, id);
