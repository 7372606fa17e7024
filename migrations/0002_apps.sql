-- What is known of each app, what it owns, what was done for it, and what is still waited for. Times are milliseconds since 1970.

CREATE TABLE apps (
    id                TEXT PRIMARY KEY,              -- REPO/NAME
    repo              TEXT NOT NULL,                 -- the repo that defines it
    source_repo       TEXT NOT NULL,                 -- the repo that its manifests come from
    cluster           TEXT NOT NULL,
    definition        TEXT NOT NULL,                 -- JSON: crate::app::App
    definition_commit TEXT NOT NULL,
    state             TEXT NOT NULL,                 -- active, missing, removed, broken
    state_message     TEXT NOT NULL DEFAULT '',
    trace             TEXT,                          -- JSON: what the last render looked at
    identity          TEXT,                          -- of the last render
    rendered_revision TEXT,
    applied_revision  TEXT,
    applied_identity  TEXT,
    applied_at        BIGINT,
    synced_ok         BIGINT NOT NULL DEFAULT 0,     -- 1 when the last sync succeeded
    paused            BIGINT NOT NULL DEFAULT 0,
    pinned_revision   TEXT,
    health            TEXT NOT NULL DEFAULT 'unknown',
    health_message    TEXT NOT NULL DEFAULT '',
    last_run          TEXT,
    heals             TEXT NOT NULL DEFAULT '{}'     -- JSON: identical heals in a row, by object
);

CREATE INDEX apps_by_repo ON apps (repo);
CREATE INDEX apps_by_source ON apps (source_repo);

-- The inventory and the claims in one: a row is stored before its object is written, and only one app can have it.
CREATE TABLE objects (
    cluster          TEXT NOT NULL,
    api_group        TEXT NOT NULL,                  -- '' for the core group
    kind             TEXT NOT NULL,
    namespace        TEXT NOT NULL,                  -- '' for none
    name             TEXT NOT NULL,
    version          TEXT NOT NULL,                  -- of the manifest
    app              TEXT NOT NULL,
    state            TEXT NOT NULL,                  -- claimed, applied, pruning
    uid              TEXT,
    manifest_hash    TEXT,
    fingerprint      TEXT,
    settled          BIGINT NOT NULL DEFAULT 0,      -- 0 while an equal fingerprint does not prove an equal object
    resource_version TEXT,
    applied_revision TEXT,
    job_done         BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (cluster, api_group, kind, namespace, name)
);

CREATE INDEX objects_by_app ON objects (app);

CREATE TABLE runs (
    id       TEXT PRIMARY KEY,                       -- a UUID in the order of time
    kind     TEXT NOT NULL,                          -- sync, preview, heal
    target   TEXT NOT NULL,                          -- REPO/NAME of an app, or REPO#NUMBER of a pull request
    cause    TEXT NOT NULL,                          -- JSON: what asked for it
    revision TEXT,
    author   TEXT,
    state    TEXT NOT NULL,                          -- running, waiting, succeeded, failed, cancelled
    error    TEXT,
    counts   TEXT NOT NULL DEFAULT '{}',             -- JSON: objects by what was done to them
    steps    TEXT NOT NULL DEFAULT '[]',             -- JSON: name and milliseconds of each step
    started  BIGINT NOT NULL,
    finished BIGINT
);

CREATE INDEX runs_by_target ON runs (target, started);
CREATE INDEX runs_by_time ON runs (started);

-- A wait outlives the process: whoever starts next goes on with it.
CREATE TABLE waits (
    app      TEXT NOT NULL,
    purpose  TEXT NOT NULL,                          -- health, deletion
    run      TEXT NOT NULL,
    cluster  TEXT NOT NULL,
    objects  TEXT NOT NULL,                          -- JSON: the objects, with the versions that were applied
    deadline BIGINT NOT NULL,
    PRIMARY KEY (app, purpose)
);
