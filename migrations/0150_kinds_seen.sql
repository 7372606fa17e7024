-- By which definition each kind of custom resources was served at the last look: a change of it may change every object of the kind, and leaves no
-- trace in their metadata.

CREATE TABLE kinds_seen (
    cluster    TEXT NOT NULL,
    api_group  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    -- the uid and the generation of the CRD
    definition TEXT NOT NULL,
    PRIMARY KEY (cluster, api_group, kind)
);
