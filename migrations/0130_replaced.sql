-- Objects that are deleted to be made again, as they were, until there is one of that name again. Times are milliseconds since 1970.

CREATE TABLE replaced (
    cluster          TEXT   NOT NULL,
    api_group        TEXT   NOT NULL,                -- '' for the core group
    kind             TEXT   NOT NULL,
    namespace        TEXT   NOT NULL,                -- '' for none
    name             TEXT   NOT NULL,
    version          TEXT   NOT NULL,
    app              TEXT   NOT NULL,
    -- JSON: as it was live. NULL: it is, or contains, what must not be stored.
    object           TEXT,
    -- What the inventory had of it.
    manifest_hash    TEXT   NOT NULL,                -- '' where it is not known
    applied_revision TEXT   NOT NULL,
    since            BIGINT NOT NULL,
    PRIMARY KEY (cluster, api_group, kind, namespace, name)
);

-- Objects that were put back, and which manifest was not taken in their place how often in a row.
CREATE TABLE put_back (
    cluster   TEXT   NOT NULL,
    api_group TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    namespace TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    times     BIGINT NOT NULL,
    last      BIGINT NOT NULL,
    PRIMARY KEY (cluster, api_group, kind, namespace, name)
);

CREATE INDEX replaced_by_app ON replaced (app);
