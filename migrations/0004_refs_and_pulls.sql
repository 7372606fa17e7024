-- What the forges last told: the refs of each repo, and its pull requests with what was shown on them.

CREATE TABLE refs (
    repo     TEXT   NOT NULL,
    ref_name TEXT   NOT NULL,
    oid      TEXT   NOT NULL,
    seen_at  BIGINT NOT NULL,
    PRIMARY KEY (repo, ref_name)
);

CREATE TABLE pulls (
    repo         TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    -- open, merged or closed
    state        TEXT   NOT NULL,
    head         TEXT   NOT NULL,
    base_ref     TEXT   NOT NULL,
    -- the commit of the base that the last finished preview compared with; NULL before the first
    base         TEXT,
    merge_commit TEXT,
    -- JSON: the ids of the affected apps
    apps         TEXT   NOT NULL DEFAULT '[]',
    -- JSON, versioned: what the comment shows; NULL before the first preview
    report       TEXT,
    -- 1 while it is merged and what became of it may still change
    unfinished   BIGINT NOT NULL DEFAULT 0,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (repo, number)
);

CREATE INDEX pulls_by_base ON pulls (repo, state, base_ref);
CREATE INDEX pulls_unfinished ON pulls (repo, unfinished);

-- What a run showed and waits to be told to delete: the word holds for these and no others.
CREATE TABLE shown_deletes (
    app      TEXT PRIMARY KEY,
    -- JSON: object ids
    objects  TEXT   NOT NULL,
    shown_at BIGINT NOT NULL
);
