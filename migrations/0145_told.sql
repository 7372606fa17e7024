-- 1: the forge itself says that the pull request is merged. Until it does, only a push has told so.
ALTER TABLE pulls ADD COLUMN merge_confirmed BIGINT NOT NULL DEFAULT 0;
-- The commit that had defined the app as it was applied last. NULL where that is not known.
ALTER TABLE apps ADD COLUMN applied_definition_commit TEXT;
