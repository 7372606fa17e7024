-- Why an object is to be deleted or replaced although no commit asks for it. NULL: a commit does.
ALTER TABLE objects ADD COLUMN unreviewed TEXT;

-- By which renderer, and for a chart by what it was told of its cluster (`told_facts`), an app was applied.
ALTER TABLE apps ADD COLUMN applied_renderer TEXT;
ALTER TABLE apps ADD COLUMN applied_facts TEXT;

-- What charts were told of their clusters, as long as an app was applied by it.
CREATE TABLE told_facts (
    key   TEXT PRIMARY KEY,                          -- a hash of them
    facts TEXT NOT NULL                              -- JSON: crate::render::ClusterFacts
);
