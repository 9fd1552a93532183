-- In which messages this server's files are, or were, shown.
CREATE TABLE file_uses (
    key             TEXT NOT NULL,
    conversation_id BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    -- NULL in direct conversations.
    shop_id         BIGINT REFERENCES shops (id),
    at              BIGINT NOT NULL,
    PRIMARY KEY (key, conversation_id, seq)
) WITHOUT ROWID;
CREATE INDEX file_uses_by_shop ON file_uses (shop_id, at) WHERE shop_id IS NOT NULL;
INSERT INTO file_uses (key, conversation_id, seq, shop_id, at)
SELECT substr(m.content, instr(m.content, '"url":"/files/') + 14, 32), m.conversation_id, m.seq, c.shop_id, m.at
FROM messages m JOIN conversations c ON c.id = m.conversation_id
WHERE m.content LIKE '{"kind":"image",%"url":"/files/%' OR m.content LIKE '{"kind":"file",%"url":"/files/%';

-- What is to be unlinked from the directory `files.url`, and not served any more.
ALTER TABLE files ADD COLUMN removed_at BIGINT;
CREATE INDEX files_removed ON files (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX files_by_owner ON files (owner_id);

-- Up to where retention has removed the content of a conversation.
CREATE TABLE expired (
    conversation_id BIGINT PRIMARY KEY NOT NULL REFERENCES conversations (id),
    upto            BIGINT NOT NULL
) WITHOUT ROWID;

-- Persons whose data are to be erased in a shop, how far that has come, and since when it is done.
CREATE TABLE erasures (
    id         INTEGER PRIMARY KEY NOT NULL,
    shop_id    BIGINT NOT NULL REFERENCES shops (id),
    user_id    BIGINT NOT NULL REFERENCES users (id),
    by_user    BIGINT NOT NULL REFERENCES users (id),
    asked_at   BIGINT NOT NULL,
    -- The `client_id` of the last message that has been dealt with.
    after      TEXT NOT NULL,
    messages   BIGINT NOT NULL,
    files      BIGINT NOT NULL,
    comments   BIGINT NOT NULL,
    done_at    BIGINT
);
CREATE UNIQUE INDEX erasures_open ON erasures (shop_id, user_id) WHERE done_at IS NULL;

-- Who does a work that one does at a time, and until when nobody else takes it up.
CREATE TABLE leases (
    name   TEXT PRIMARY KEY NOT NULL,
    holder BIGINT NOT NULL,
    until  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX audit_by_subject ON audit (subject);
