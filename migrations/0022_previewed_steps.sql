-- What a preview has shown of each app, for the sync that carries it out.

CREATE TABLE previewed_steps (
    repo   TEXT   NOT NULL,
    number BIGINT NOT NULL,
    app    TEXT   NOT NULL,
    -- JSON: crate::jobs::previewed::Shown
    shown  TEXT   NOT NULL,
    PRIMARY KEY (repo, number, app)
);
