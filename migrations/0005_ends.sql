-- How apps ended last, for the merged pull requests that wait to tell it.

CREATE TABLE ends (
    app      TEXT NOT NULL,                          -- REPO/NAME
    repo     TEXT NOT NULL,                          -- whose pull requests may wait for it
    revision TEXT NOT NULL,                          -- of that repo
    ended    TEXT NOT NULL,                          -- JSON: crate::report::preview::AppEnd
    PRIMARY KEY (app, repo)
);

CREATE INDEX ends_by_repo ON ends (repo);
