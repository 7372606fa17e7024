-- What the last preview of a pull request looked at, so that a base that moves is compared with it, and a merge after it.

CREATE TABLE previews (
    repo        TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    head        TEXT   NOT NULL,
    base        TEXT   NOT NULL,
    -- the tree that merging gives; NULL where it can't be merged
    change_tree TEXT,
    -- JSON, versioned: crate::jobs::previewed::Looked
    looked      TEXT   NOT NULL,
    PRIMARY KEY (repo, number)
);
