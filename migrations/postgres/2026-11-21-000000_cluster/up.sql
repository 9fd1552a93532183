-- Counts all changes of a conversation: of two views of it, the one with the higher revision is the later.
ALTER TABLE conversations ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- For the sweep that looks for what has changed lately.
CREATE INDEX conversations_changed ON conversations (updated_at);

-- The processes that serve; one that has not renewed its row for a while is dead. Times are the database's own.
CREATE TABLE nodes (
    id         BIGINT PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Which agents have sessions on a node, or had them until `gone_at`.
CREATE TABLE agent_sessions (
    node_id BIGINT NOT NULL REFERENCES nodes (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    gone_at BIGINT,
    PRIMARY KEY (node_id, user_id)
);
CREATE INDEX agent_sessions_by_user ON agent_sessions (user_id);

-- For the sweep that looks for tokens refused lately.
CREATE INDEX users_revoked ON users (tokens_after) WHERE tokens_after > 0;
