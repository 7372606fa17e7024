-- What became of merges: only ever added to. Times are milliseconds since 1970.

-- The ends of the syncs of an app, in their order. The table `ends`, which kept only the last of each, is no longer written.
CREATE TABLE app_ends (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT    NOT NULL,                       -- REPO/NAME
    repo     TEXT    NOT NULL,                       -- whose pull requests may wait for it
    revision TEXT    NOT NULL,                       -- of that repo
    ended    TEXT    NOT NULL,                       -- JSON: crate::report::preview::AppEnd
    at       BIGINT  NOT NULL
);

CREATE INDEX app_ends_by_app ON app_ends (app, repo, id);
CREATE INDEX app_ends_by_repo ON app_ends (repo, id);

INSERT INTO app_ends (app, repo, revision, ended, at) SELECT app, repo, revision, ended, 0 FROM ends;

-- What a merged pull request tells of each of its apps. A row is never changed: what happens later is another row.
CREATE TABLE outcome_events (
    repo     TEXT    NOT NULL,
    number   BIGINT  NOT NULL,
    app      TEXT    NOT NULL,
    seq      BIGINT  NOT NULL,                       -- from 1
    end_id   BIGINT,                                 -- the end that it was told from; NULL where there was none
    revision TEXT    NOT NULL,
    at       BIGINT  NOT NULL,
    ended    TEXT    NOT NULL,                       -- JSON: crate::report::preview::AppEnd
    PRIMARY KEY (repo, number, app, seq)
);
