-- A run that failed as the one before it stands for both: how many they were, and since when. Milliseconds since 1970.
ALTER TABLE runs ADD COLUMN times BIGINT NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN since BIGINT;                -- NULL: it is the first of its kind
