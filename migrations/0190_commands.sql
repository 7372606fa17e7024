-- Commands in comments of pull requests, and the approvals among them. Times are milliseconds since 1970.

-- A row for each line of a comment that is a command; it is written before the command is carried out.
CREATE TABLE commands (
    repo     TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    comment  BIGINT NOT NULL,                        -- the forge's id
    line     BIGINT NOT NULL,                        -- 1 for the first command of the comment
    at       BIGINT NOT NULL,                        -- when the comment was written
    who      TEXT   NOT NULL,                        -- the login of its author
    who_id   TEXT   NOT NULL,                        -- the forge's id of the author
    command  TEXT   NOT NULL,                        -- as it was written, without the name
    result   TEXT   NOT NULL CHECK (result IN ('begun', 'done', 'refused', 'mistaken')),
    answer   TEXT   NOT NULL,
    PRIMARY KEY (repo, number, comment, line)
);
CREATE INDEX commands_by_time ON commands (at);

-- Who agrees to what a preview of these commits shows of an app.
CREATE TABLE approvals (
    repo     TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    app      TEXT   NOT NULL,                        -- REPO/NAME
    head     TEXT   NOT NULL,
    digest   TEXT   NOT NULL,                        -- of what was shown
    objects  TEXT   NOT NULL,                        -- JSON: the deletions and replacements that it is for
    who      TEXT   NOT NULL,
    who_id   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    used_at  BIGINT,                                 -- when a sync has carried it out
    PRIMARY KEY (repo, number, app)
);
CREATE INDEX approvals_by_app ON approvals (app);

-- Until when an app is paused, and why, where the pause says so.
ALTER TABLE apps ADD COLUMN paused_until BIGINT;
ALTER TABLE apps ADD COLUMN pause_reason TEXT;
