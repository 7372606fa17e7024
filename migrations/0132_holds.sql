-- Who paused, resumed and pinned which app, and when: only ever added to. Times are milliseconds since 1970.
CREATE TABLE holds (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT   NOT NULL,                        -- REPO/NAME
    at       BIGINT NOT NULL,
    what     TEXT   NOT NULL,                        -- pause, resume, pin
    who      TEXT,                                   -- NULL where that is not known
    revision TEXT                                    -- what it was pinned to
);

CREATE INDEX holds_by_app ON holds (app, id);

ALTER TABLE apps ADD COLUMN pinned_since BIGINT;
