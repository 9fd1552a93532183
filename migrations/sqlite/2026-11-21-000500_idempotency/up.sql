-- Requests that were made under an `Idempotency-Key`, and what they were answered with; without a status they are under way.
CREATE TABLE idempotency_keys (
    user_id BIGINT NOT NULL REFERENCES users (id),
    key     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    at      BIGINT NOT NULL,
    status  SMALLINT,
    media   TEXT,
    body    TEXT,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);
CREATE INDEX idempotency_keys_of_user ON idempotency_keys (user_id, at);
