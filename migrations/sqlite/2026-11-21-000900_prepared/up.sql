-- Messages in two phases: prepared, seen by nobody, and then committed or aborted.
CREATE TABLE prepared (
    id              INTEGER PRIMARY KEY NOT NULL,
    ticket          TEXT NOT NULL UNIQUE,
    shop_id         BIGINT NOT NULL REFERENCES shops (id),
    sender_id       BIGINT NOT NULL REFERENCES users (id),
    -- What the sender calls it.
    client_id       TEXT NOT NULL,
    -- Where it goes; NULL: the sender's conversation with the shop, which nobody has opened yet.
    conversation_id BIGINT,
    digest          BLOB NOT NULL,
    -- NULL as soon as it is decided.
    content         TEXT,
    state           TEXT NOT NULL,
    at              BIGINT NOT NULL,
    -- When the shop is asked; NULL: never again.
    due_at          BIGINT,
    asked           INTEGER NOT NULL,
    -- What the last asking has come to.
    heard           TEXT,
    decided_at      BIGINT,
    decided_by      TEXT,
    -- Of the message that it has become, which is at `decided_at`.
    seq             BIGINT
);
CREATE UNIQUE INDEX prepared_once ON prepared (shop_id, sender_id, client_id);
CREATE INDEX prepared_due ON prepared (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX prepared_of_shop ON prepared (shop_id, state, id);
CREATE INDEX prepared_decided ON prepared (decided_at) WHERE decided_at IS NOT NULL;

-- Where shops are asked what has become of what they have prepared.
CREATE TABLE check_backs (
    shop_id    BIGINT PRIMARY KEY NOT NULL REFERENCES shops (id),
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    -- The secret before, which is good beside it until then.
    old_secret TEXT,
    old_until  BIGINT,
    changed_at BIGINT NOT NULL
) WITHOUT ROWID;
