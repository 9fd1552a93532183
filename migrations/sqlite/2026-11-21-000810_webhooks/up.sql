-- Endpoints of shops, to which what happens is posted.
CREATE TABLE webhooks (
    id              INTEGER PRIMARY KEY NOT NULL,
    shop_id         BIGINT NOT NULL REFERENCES shops (id),
    url             TEXT NOT NULL,
    -- Which kinds of events, separated by commas; empty: all.
    types           TEXT NOT NULL,
    secret          TEXT NOT NULL,
    -- The secret before, which signs too until then.
    old_secret      TEXT,
    old_until       BIGINT,
    -- Events up to here have been taken: what has not arrived is in webhook_deliveries.
    position        BIGINT NOT NULL,
    disabled        BOOLEAN NOT NULL DEFAULT FALSE,
    -- Since when nothing has arrived, and when it was given up for it.
    failing_since   BIGINT,
    switched_off_at BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX webhooks_of_shop ON webhooks (shop_id, id);

-- Events that wait for an endpoint, and those that are dead letters there.
CREATE TABLE webhook_deliveries (
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id),
    position   BIGINT NOT NULL,
    -- Events of the same go in their order.
    subject    BIGINT NOT NULL,
    -- As in events.
    event      TEXT NOT NULL,
    -- Attempts that have failed, since it was taken or driven again.
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at     BIGINT NOT NULL,
    -- Since when it is a dead letter.
    dead_at    BIGINT,
    PRIMARY KEY (webhook_id, position)
);
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook_id, subject, position) WHERE dead_at IS NULL;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE dead_at IS NULL;
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (webhook_id, position) WHERE dead_at IS NOT NULL;

-- Attempts that have failed, and how.
CREATE TABLE webhook_attempts (
    id         INTEGER PRIMARY KEY NOT NULL,
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id),
    position   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    took_ms    BIGINT NOT NULL,
    -- What was answered, and the beginning of its text; or else why there was no answer.
    status     INTEGER,
    answer     TEXT NOT NULL
);
CREATE INDEX webhook_attempts_of_event ON webhook_attempts (webhook_id, position, id);
