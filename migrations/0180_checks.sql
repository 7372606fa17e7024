-- Every column that holds one of a few words, or yes and no, says so itself: what no release knows cannot be written.
-- SQLite adds no CHECK to a table that is there, so each is made once more and filled from the old one. A word that no
-- release has written, as by hand, becomes the one that has its app, pull request or object looked at again; rows that
-- mean nothing without their word are left out. Times are milliseconds since 1970.

-- Both name tables that go.
DROP VIEW kept_objects;
DROP TRIGGER objects_claimed;
DROP TRIGGER objects_changed;
DROP TRIGGER objects_gone;

CREATE TABLE apps_checked (
    id                        TEXT   PRIMARY KEY,             -- REPO/NAME
    repo                      TEXT   NOT NULL,                -- the repo that defines it
    source_repo               TEXT   NOT NULL,                -- the repo that its manifests come from
    cluster                   TEXT   NOT NULL,
    definition                TEXT   NOT NULL,                -- JSON
    definition_commit         TEXT   NOT NULL,
    state                     TEXT   NOT NULL CHECK (state IN ('active', 'missing', 'removed', 'broken')),
    state_message             TEXT   NOT NULL DEFAULT '',
    -- Since when it is in that state.
    state_since               BIGINT,
    trace                     TEXT,                           -- JSON: what the last render looked at
    identity                  TEXT,                           -- of the last render
    rendered_revision         TEXT,
    applied_revision          TEXT,
    applied_identity          TEXT,
    applied_at                BIGINT,
    -- JSON: the definition that was applied last, and the commit that had it, where that is known.
    applied_definition        TEXT,
    applied_definition_commit TEXT,
    -- By which renderer, and for a chart by what it was told of its cluster (`told_facts`).
    applied_renderer          TEXT,
    applied_facts             TEXT,
    synced_ok                 BIGINT NOT NULL DEFAULT 0 CHECK (synced_ok IN (0, 1)),      -- 1: the last sync succeeded
    paused                    BIGINT NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    paused_since              BIGINT,
    paused_by                 TEXT,
    pinned_revision           TEXT,
    pinned_since              BIGINT,
    pinned_by                 TEXT,
    -- 1: what it is pinned to is not in the history of the ref that it follows.
    pinned_off_branch         BIGINT NOT NULL DEFAULT 0 CHECK (pinned_off_branch IN (0, 1)),
    health                    TEXT   NOT NULL DEFAULT 'unknown'
                              CHECK (health IN ('unknown', 'progressing', 'healthy', 'degraded')),
    health_message            TEXT   NOT NULL DEFAULT '',
    -- How the cluster differs from what was applied, where that is not healed; empty where it does not.
    drift                     TEXT   NOT NULL DEFAULT '',
    drift_since               BIGINT,
    drift_looked              BIGINT,
    -- Why the last sync failed, of which revision, and since when each attempt has failed; empty once one succeeds.
    failure                   TEXT   NOT NULL DEFAULT '',
    failing_since             BIGINT,
    failed_revision           TEXT,
    -- 1: what failed had been applied.
    failed_applied            BIGINT NOT NULL DEFAULT 0 CHECK (failed_applied IN (0, 1)),
    heals                     TEXT   NOT NULL DEFAULT '{}'    -- JSON: identical heals in a row, by object
);

INSERT INTO apps_checked (
    id, repo, source_repo, cluster, definition, definition_commit, state, state_message, state_since, trace, identity,
    rendered_revision, applied_revision, applied_identity, applied_at, applied_definition, applied_definition_commit,
    applied_renderer, applied_facts, synced_ok, paused, paused_since, paused_by, pinned_revision, pinned_since,
    pinned_by, pinned_off_branch, health, health_message, drift, drift_since, drift_looked, failure, failing_since,
    failed_revision, failed_applied, heals
)
SELECT
    id, repo, source_repo, cluster, definition, definition_commit,
    CASE WHEN state IN ('active', 'missing', 'removed', 'broken') THEN state ELSE 'missing' END,
    state_message, state_since, trace, identity,
    rendered_revision, applied_revision, applied_identity, applied_at, applied_definition, applied_definition_commit,
    applied_renderer, applied_facts, synced_ok <> 0, paused <> 0, paused_since, paused_by, pinned_revision,
    pinned_since, pinned_by, pinned_off_branch <> 0,
    CASE WHEN health IN ('unknown', 'progressing', 'healthy', 'degraded') THEN health ELSE 'unknown' END,
    health_message, drift, drift_since, drift_looked, failure, failing_since,
    failed_revision, failed_applied <> 0, heals
FROM apps;

DROP TABLE apps;
ALTER TABLE apps_checked RENAME TO apps;
CREATE INDEX apps_by_repo ON apps (repo);
CREATE INDEX apps_by_source ON apps (source_repo);

CREATE TABLE objects_checked (
    cluster          TEXT   NOT NULL,
    api_group        TEXT   NOT NULL,                 -- '' for the core group
    kind             TEXT   NOT NULL,
    namespace        TEXT   NOT NULL,                 -- '' for none
    name             TEXT   NOT NULL,
    version          TEXT   NOT NULL,                 -- of the manifest
    app              TEXT   NOT NULL,
    -- The app that it was taken over from, if it was.
    former_app       TEXT,
    state            TEXT   NOT NULL CHECK (state IN ('claimed', 'applied', 'pruning', 'moving', 'deleting', 'held',
                                                      'outdated')),
    -- What its deletion is held for, where that is not the object itself: of how many too many go at once; 0: it only
    -- waits with others.
    held_of          BIGINT,
    -- Why it is to be deleted or replaced although no commit asks for it. NULL: a commit does.
    unreviewed       TEXT,
    uid              TEXT,
    manifest_hash    TEXT,
    fingerprint      TEXT,
    -- 0 while an equal fingerprint does not prove an equal object.
    settled          BIGINT NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    resource_version TEXT,
    applied_revision TEXT,
    job_done         BIGINT NOT NULL DEFAULT 0 CHECK (job_done IN (0, 1)),
    PRIMARY KEY (cluster, api_group, kind, namespace, name)
);

INSERT INTO objects_checked (
    cluster, api_group, kind, namespace, name, version, app, former_app, state, held_of, unreviewed, uid,
    manifest_hash, fingerprint, settled, resource_version, applied_revision, job_done
)
SELECT
    cluster, api_group, kind, namespace, name, version, app, former_app,
    CASE WHEN state IN ('claimed', 'applied', 'pruning', 'moving', 'deleting', 'held', 'outdated') THEN state
         ELSE 'claimed' END,
    held_of, unreviewed, uid,
    manifest_hash, fingerprint, settled <> 0, resource_version, applied_revision, job_done <> 0
FROM objects;

DROP TABLE objects;
ALTER TABLE objects_checked RENAME TO objects;
CREATE INDEX objects_by_app ON objects (app);
CREATE INDEX objects_by_former_app ON objects (former_app) WHERE former_app IS NOT NULL;

CREATE TRIGGER objects_claimed AFTER INSERT ON objects BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (NEW.cluster, NEW.api_group, NEW.kind, NEW.namespace, NEW.name, NEW.app);
END;

CREATE TRIGGER objects_changed AFTER UPDATE OF app, state ON objects
WHEN NEW.app <> OLD.app OR (NEW.state = 'applied' AND OLD.state <> 'applied')
    OR (NEW.state = 'deleting' AND OLD.state <> 'deleting') BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (NEW.cluster, NEW.api_group, NEW.kind, NEW.namespace, NEW.name, NEW.app);
END;

CREATE TRIGGER objects_gone AFTER DELETE ON objects BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (OLD.cluster, OLD.api_group, OLD.kind, OLD.namespace, OLD.name, OLD.app);
END;

-- What is not handed over to another app before its own is resumed: all that a paused app owns, and of a pinned one what
-- the revision that it is pinned to has.
CREATE VIEW kept_objects AS
SELECT objects.cluster, objects.api_group, objects.kind, objects.namespace, objects.name, objects.app,
       CASE WHEN apps.paused = 1 THEN 'paused' ELSE 'pinned' END AS kept_by
FROM objects JOIN apps ON apps.id = objects.app
WHERE apps.paused = 1
   OR (apps.pinned_revision IS NOT NULL AND objects.state NOT IN ('pruning', 'moving', 'held'));

CREATE TABLE runs_checked (
    id            TEXT   PRIMARY KEY,                 -- a UUID of version 7; older ones begin with their milliseconds
    kind          TEXT   NOT NULL CHECK (kind IN ('sync', 'preview', 'heal')),
    target        TEXT   NOT NULL,                    -- REPO/NAME of an app, or REPO#NUMBER of a pull request
    cause         TEXT   NOT NULL,                    -- JSON: what asked for it
    revision      TEXT,
    -- What was applied, or what a preview was compared with, when the run began.
    from_revision TEXT,
    author        TEXT,
    state         TEXT   NOT NULL CHECK (state IN ('running', 'waiting', 'succeeded', 'failed', 'cancelled')),
    error         TEXT,
    counts        TEXT   NOT NULL DEFAULT '{}',       -- JSON: objects by what was done to them
    steps         TEXT   NOT NULL DEFAULT '[]',       -- JSON: name and milliseconds of each step
    started       BIGINT NOT NULL,
    finished      BIGINT,
    -- A run that failed as the one before it stands for both: how many they were, and since when.
    times         BIGINT NOT NULL DEFAULT 1,
    since         BIGINT
);

INSERT INTO runs_checked (
    id, kind, target, cause, revision, from_revision, author, state, error, counts, steps, started, finished, times,
    since
)
SELECT
    id, kind, target, cause, revision, from_revision, author,
    CASE WHEN state IN ('running', 'waiting', 'succeeded', 'failed', 'cancelled') THEN state ELSE 'cancelled' END,
    error, counts, steps, started, finished, times,
    since
FROM runs WHERE kind IN ('sync', 'preview', 'heal');

DROP TABLE runs;
ALTER TABLE runs_checked RENAME TO runs;
CREATE INDEX runs_by_target ON runs (target, started);
CREATE INDEX runs_by_time ON runs (started);

CREATE TABLE waits_checked (
    app      TEXT   NOT NULL,
    purpose  TEXT   NOT NULL CHECK (purpose IN ('health', 'deletion')),
    run      TEXT   NOT NULL,
    cluster  TEXT   NOT NULL,
    objects  TEXT   NOT NULL,                         -- JSON: the objects, with the versions that were applied
    deadline BIGINT NOT NULL,
    -- How it ended, until its app's job has acted on that; NULL while it is waited for.
    outcome  TEXT   CHECK (outcome IN ('done', 'gone', 'failed', 'timedout')),
    detail   TEXT   NOT NULL DEFAULT '',
    -- When it was stored; 0 in rows of an early release.
    begun    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (app, purpose)
);

INSERT INTO waits_checked (app, purpose, run, cluster, objects, deadline, outcome, detail, begun)
SELECT
    app, purpose, run, cluster, objects, deadline,
    CASE WHEN outcome IN ('done', 'gone', 'failed', 'timedout') THEN outcome END, detail, begun
FROM waits WHERE purpose IN ('health', 'deletion');

DROP TABLE waits;
ALTER TABLE waits_checked RENAME TO waits;

CREATE TABLE pulls_checked (
    repo            TEXT   NOT NULL,
    number          BIGINT NOT NULL,
    state           TEXT   NOT NULL CHECK (state IN ('open', 'merged', 'closed')),
    head            TEXT   NOT NULL,
    base_ref        TEXT   NOT NULL,
    -- The commit of the base that the last finished preview compared with; NULL before the first.
    base            TEXT,
    merge_commit    TEXT,
    -- 1: the forge itself says that it is merged. Until it does, only a push has told so.
    merge_confirmed BIGINT NOT NULL DEFAULT 0 CHECK (merge_confirmed IN (0, 1)),
    -- JSON: the ids of the affected apps.
    apps            TEXT   NOT NULL DEFAULT '[]',
    -- JSON: what the comment shows; NULL before the first preview.
    report          TEXT,
    -- 1 while it is merged and what became of it may still change.
    unfinished      BIGINT NOT NULL DEFAULT 0 CHECK (unfinished IN (0, 1)),
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (repo, number)
);

-- Who calls it closed asks the forge, which says whether it is open.
INSERT INTO pulls_checked (
    repo, number, state, head, base_ref, base, merge_commit, merge_confirmed, apps, report, unfinished, updated_at
)
SELECT
    repo, number, CASE WHEN state IN ('open', 'merged', 'closed') THEN state ELSE 'closed' END,
    head, base_ref, base, merge_commit, merge_confirmed <> 0, apps, report, unfinished <> 0, updated_at
FROM pulls;

DROP TABLE pulls;
ALTER TABLE pulls_checked RENAME TO pulls;
CREATE INDEX pulls_by_base ON pulls (repo, state, base_ref);
CREATE INDEX pulls_unfinished ON pulls (repo, unfinished);

CREATE TABLE reports_checked (
    -- status:REPO:SHA:CONTEXT, comment:REPO:NUMBER or notice:REPO:NUMBER
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
    -- What the forge has of it, as far as that is known: JSON of a comment, a hash of a status.
    remote       TEXT,
    -- 0: it is known what the forge has. 1: an answer was lost, or the server stopped while it was under way. 2: to be
    -- looked at once more.
    doubt        BIGINT NOT NULL CHECK (doubt IN (0, 1, 2)),
    attempts     BIGINT NOT NULL,
    -- NULL: nothing to do.
    due          BIGINT,
    -- Set while a limit on comments holds it back: until then.
    held_until   BIGINT,
    error        TEXT,
    changed_at   BIGINT NOT NULL
);

INSERT INTO reports_checked (
    target, lane, rank, repo, version, sent_version, wanted, remote, doubt, attempts, due, held_until, error,
    changed_at
)
SELECT
    target, lane, rank, repo, version, sent_version, wanted, remote,
    CASE WHEN doubt IN (0, 1, 2) THEN doubt ELSE 1 END, attempts, due, held_until, error,
    changed_at
FROM reports;

DROP TABLE reports;
ALTER TABLE reports_checked RENAME TO reports;
CREATE INDEX reports_by_due ON reports (lane, due);
CREATE INDEX reports_by_change ON reports (changed_at);

CREATE TABLE holds_checked (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT   NOT NULL,                        -- REPO/NAME
    at       BIGINT NOT NULL,
    what     TEXT   NOT NULL CHECK (what IN ('pause', 'resume', 'pin')),
    who      TEXT,                                   -- NULL where that is not known
    revision TEXT                                    -- what it was pinned to
);

INSERT INTO holds_checked (id, app, at, what, who, revision)
SELECT id, app, at, what, who, revision FROM holds WHERE what IN ('pause', 'resume', 'pin');

DROP TABLE holds;
ALTER TABLE holds_checked RENAME TO holds;
CREATE INDEX holds_by_app ON holds (app, id);

CREATE TABLE jobs_checked (
    key           TEXT   NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('pending', 'running', 'failed', 'done')),
    priority      BIGINT NOT NULL,
    -- Whose share of the workers it uses.
    tenant        TEXT   NOT NULL,
    hint          TEXT,
    -- JSON: a list of causes, oldest first.
    causes        TEXT   NOT NULL,
    first_event   BIGINT NOT NULL,
    last_event    BIGINT NOT NULL,
    due           BIGINT NOT NULL,
    -- What a forge or a cluster asked to wait for; no event makes the job due before it.
    not_before    BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    failing_since BIGINT,
    -- The last error, and the one that was last shown to people.
    error         TEXT,
    reported      TEXT,
    lease_owner   TEXT,
    lease_until   BIGINT,
    changed_at    BIGINT NOT NULL,
    -- How many processes in a row have ended while it was running.
    kills         BIGINT NOT NULL DEFAULT 0,
    -- 1: it is done, and the next look at its repo does it once more.
    unsettled     BIGINT NOT NULL DEFAULT 0 CHECK (unsettled IN (0, 1)),
    PRIMARY KEY (key, state)
);

INSERT INTO jobs_checked (
    key, state, priority, tenant, hint, causes, first_event, last_event, due, not_before, attempt, failing_since,
    error, reported, lease_owner, lease_until, changed_at, kills, unsettled
)
SELECT
    key, state, priority, tenant, hint, causes, first_event, last_event, due, not_before, attempt, failing_since,
    error, reported, lease_owner, lease_until, changed_at, kills, unsettled <> 0
FROM jobs;

DROP TABLE jobs;
ALTER TABLE jobs_checked RENAME TO jobs;
CREATE INDEX jobs_by_due ON jobs (state, due, priority, tenant, key);
CREATE INDEX jobs_by_tenant ON jobs (tenant, state);

-- Not written since ends are added to `app_ends`.
DROP TABLE ends;
