-- The refs that a preview was made from besides its base and its head: of apps that are made from another repo or ref than the pull request changes.
CREATE TABLE preview_reads (
    repo     TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    of_repo  TEXT   NOT NULL,
    ref_name TEXT   NOT NULL,
    -- Where the ref was. NULL: it was not there.
    oid      TEXT,
    PRIMARY KEY (repo, number, of_repo, ref_name)
);

CREATE INDEX preview_reads_by_ref ON preview_reads (of_repo, ref_name);

-- A hash of what the configuration granted when the preview was made. NULL: an older version made it.
ALTER TABLE previews ADD COLUMN granted TEXT;
