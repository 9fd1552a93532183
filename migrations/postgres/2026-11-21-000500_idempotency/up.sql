-- Requests that were made under an `Idempotency-Key`, and what they were answered with; without a status they are under way.
CREATE TABLE idempotency_keys (
    user_id BIGINT NOT NULL REFERENCES users (id),
    key     TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    status  SMALLINT,
    media   TEXT COLLATE "C",
    body    TEXT COLLATE "C",
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);
CREATE INDEX idempotency_keys_of_user ON idempotency_keys (user_id, at);
