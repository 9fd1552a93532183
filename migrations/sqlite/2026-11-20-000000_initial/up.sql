-- Times are milliseconds since 1970 UTC. Sides: 0 is the buyer (or the user with the smaller id), 1 the shop (or the other user).

CREATE TABLE users (
    id              INTEGER PRIMARY KEY NOT NULL,
    uid             TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    avatar          TEXT,
    password_hash   TEXT,
    operator        BOOLEAN NOT NULL DEFAULT FALSE,
    -- The shop that has created this user as its agent, and may set its name and password.
    created_by_shop INTEGER,
    -- Tokens issued before are refused; seconds, as `iat` has them.
    tokens_after    BIGINT NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL
);

CREATE TABLE shops (
    id         INTEGER PRIMARY KEY NOT NULL,
    shop       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    -- A JSON array of origins whose pages may open sockets and call the API.
    origins    TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL
);

CREATE TABLE agents (
    shop_id    BIGINT NOT NULL REFERENCES shops (id),
    user_id    BIGINT NOT NULL REFERENCES users (id),
    role       TEXT NOT NULL,
    status     TEXT NOT NULL DEFAULT 'online',
    max_chats  INTEGER,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (shop_id, user_id)
) WITHOUT ROWID;
CREATE INDEX agents_by_user ON agents (user_id);

CREATE TABLE conversations (
    id               INTEGER PRIMARY KEY NOT NULL,
    -- NULL for direct conversations.
    shop_id          BIGINT REFERENCES shops (id),
    first_user       BIGINT NOT NULL REFERENCES users (id),
    -- NULL for support conversations.
    second_user      BIGINT REFERENCES users (id),
    state            TEXT NOT NULL,
    claimed_by       BIGINT REFERENCES users (id),
    claim_version    BIGINT NOT NULL,
    last_seq         BIGINT NOT NULL,
    first_delivered  BIGINT NOT NULL,
    first_read       BIGINT NOT NULL,
    first_unread     BIGINT NOT NULL,
    first_said       BIGINT NOT NULL,
    second_delivered BIGINT NOT NULL,
    second_read      BIGINT NOT NULL,
    second_unread    BIGINT NOT NULL,
    second_said      BIGINT NOT NULL,
    waiting_since    BIGINT,
    opened_at        BIGINT NOT NULL,
    -- The first message of the present ticket.
    opened_seq       BIGINT NOT NULL,
    returned         BOOLEAN NOT NULL,
    ticket           BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX conversations_support ON conversations (first_user, shop_id) WHERE shop_id IS NOT NULL;
CREATE UNIQUE INDEX conversations_direct ON conversations (first_user, second_user) WHERE second_user IS NOT NULL;
CREATE INDEX conversations_second ON conversations (second_user) WHERE second_user IS NOT NULL;
CREATE INDEX conversations_claimed ON conversations (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX conversations_by_shop ON conversations (shop_id, state, updated_at);

CREATE TABLE messages (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq             BIGINT NOT NULL,
    sender_id       BIGINT NOT NULL REFERENCES users (id),
    speaker         TEXT NOT NULL,
    side            SMALLINT NOT NULL,
    client_id       TEXT NOT NULL,
    -- Outlives the content: tells whether a repeated send is the same.
    digest          BLOB NOT NULL,
    content         TEXT NOT NULL,
    at              BIGINT NOT NULL,
    edited_at       BIGINT,
    PRIMARY KEY (conversation_id, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_key ON messages (sender_id, client_id);

-- When a side's cursor came to stand at `seq`: a message's times are those of the first row at or above it.
CREATE TABLE receipts (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    side            SMALLINT NOT NULL,
    -- 0 delivered, 1 read.
    kind            SMALLINT NOT NULL,
    seq             BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, side, kind, seq)
) WITHOUT ROWID;

-- How far an agent has acked while a conversation waits.
CREATE TABLE waiting_acks (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id         BIGINT NOT NULL REFERENCES users (id),
    seq             BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;

CREATE TABLE tickets (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    number          BIGINT NOT NULL,
    -- The first message that belongs to it; `last_seq` once it is resolved.
    first_seq       BIGINT NOT NULL,
    last_seq        BIGINT,
    opened_at       BIGINT NOT NULL,
    -- Nobody was on duty.
    left_message    BOOLEAN NOT NULL,
    claimed_at      BIGINT,
    claimed_by      BIGINT REFERENCES users (id),
    answered_at     BIGINT,
    answered_by     BIGINT REFERENCES users (id),
    resolved_at     BIGINT,
    resolved_by     BIGINT REFERENCES users (id),
    score           SMALLINT,
    comment         TEXT,
    PRIMARY KEY (conversation_id, number)
) WITHOUT ROWID;

CREATE TABLE timeline (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    position        BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    cause           TEXT NOT NULL,
    by_user         BIGINT NOT NULL REFERENCES users (id),
    from_user       BIGINT REFERENCES users (id),
    to_user         BIGINT REFERENCES users (id),
    claim_version   BIGINT NOT NULL,
    ticket          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, position)
) WITHOUT ROWID;

-- Offline lists where there is no Redis.
CREATE TABLE offline (
    user_id         BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
) WITHOUT ROWID;

CREATE TABLE files (
    -- 128 random bits in hexadecimal: the right to read it.
    key        TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    mime       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    -- NULL where the bytes lie in the directory `files.url`.
    bytes      BLOB,
    owner_id   BIGINT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY NOT NULL,
    at         BIGINT NOT NULL,
    shop_id    BIGINT REFERENCES shops (id),
    by_user    BIGINT NOT NULL REFERENCES users (id),
    address    TEXT,
    what       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    before     TEXT,
    after      TEXT
);
CREATE INDEX audit_by_shop ON audit (shop_id, id);
