-- What a forge should show, and what it was last seen to show. Times are milliseconds since 1970.

CREATE TABLE reports (
    -- status:REPO:SHA:CONTEXT or comment:REPO:NUMBER
    target       TEXT   NOT NULL PRIMARY KEY,
    -- The forge and identity whose limits this counts against.
    lane         TEXT   NOT NULL,
    -- Lower goes first: statuses before comments.
    rank         BIGINT NOT NULL,
    repo         TEXT   NOT NULL,
    -- Counts the changes of what is wanted; the sender is done when it has sent this one.
    version      BIGINT NOT NULL,
    sent_version BIGINT NOT NULL,
    wanted       TEXT   NOT NULL,
    -- JSON: what the forge has of it, as far as we know.
    remote       TEXT,
    -- 0: we know what the forge has. 1: an answer was lost, or we were stopped while it was under way. 2: to be looked at once more.
    doubt        BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    -- NULL: nothing to do.
    due          BIGINT,
    error        TEXT,
    changed_at   BIGINT NOT NULL
);

CREATE INDEX reports_by_due ON reports (lane, due);
CREATE INDEX reports_by_change ON reports (changed_at);

-- What each pull request says of its head. Pull requests that share a head show the worst of theirs.
CREATE TABLE gates (
    repo       TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    context    TEXT   NOT NULL,
    sha        TEXT   NOT NULL,
    -- JSON: the status.
    status     TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (repo, number, context)
);

CREATE INDEX gates_by_sha ON gates (repo, sha);
