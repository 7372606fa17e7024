-- What came in, and what is to be looked at because of it. Times are milliseconds since 1970.

CREATE TABLE deliveries (
    hook        TEXT   NOT NULL,
    -- The forge's own id of the hook, empty where it has none.
    hook_id     TEXT   NOT NULL,
    delivery_id TEXT   NOT NULL,
    event       TEXT   NOT NULL,
    project     TEXT,
    received_at BIGINT NOT NULL,
    -- How often it came, and when it last did.
    copies      BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (hook, hook_id, delivery_id)
);

CREATE INDEX deliveries_by_time ON deliveries (last_at);

-- One row per key and state, which makes "one pending and one running per key" a rule that cannot be broken.
-- Finished rows stay for a while, as their last event tells whether a key is idle.
CREATE TABLE jobs (
    key           TEXT   NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('pending', 'running', 'failed', 'done')),
    priority      BIGINT NOT NULL,
    tenant        TEXT   NOT NULL,
    hint          TEXT,
    -- JSON: a list of causes, oldest first.
    causes        TEXT   NOT NULL,
    first_event   BIGINT NOT NULL,
    last_event    BIGINT NOT NULL,
    due           BIGINT NOT NULL,
    -- What a forge or a cluster asked us to wait for; no event makes the job due before it.
    not_before    BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    failing_since BIGINT,
    -- The last error, and the one that was last shown to people.
    error         TEXT,
    reported      TEXT,
    lease_owner   TEXT,
    lease_until   BIGINT,
    changed_at    BIGINT NOT NULL,
    PRIMARY KEY (key, state)
);

CREATE INDEX jobs_by_due ON jobs (state, due, priority, tenant, key);
CREATE INDEX jobs_by_tenant ON jobs (tenant, state);
