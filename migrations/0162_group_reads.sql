-- The refs that the preview of a merge group was made from besides its base and its head, as `preview_reads` has them of a pull request.
CREATE TABLE group_reads (
    repo      TEXT NOT NULL,
    group_ref TEXT NOT NULL,                         -- the ref of the group
    head      TEXT NOT NULL,                         -- the commit of the group that is judged
    of_repo   TEXT NOT NULL,
    ref_name  TEXT NOT NULL,
    -- Where the ref was. NULL: it was not there.
    oid       TEXT,
    PRIMARY KEY (repo, group_ref, of_repo, ref_name)
);

CREATE INDEX group_reads_by_ref ON group_reads (of_repo, ref_name);
