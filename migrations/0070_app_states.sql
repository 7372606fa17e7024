-- What an app's state is told from. Times are milliseconds since 1970.

-- JSON, versioned: the definition that was applied last. Healing goes by it, never by a newer one.
ALTER TABLE apps ADD COLUMN applied_definition TEXT;
ALTER TABLE apps ADD COLUMN paused_since BIGINT;
-- Since when it is active, missing, removed or broken.
ALTER TABLE apps ADD COLUMN state_since BIGINT;
-- How the cluster differs from what was applied, where that is reported and not healed; empty where it does not.
ALTER TABLE apps ADD COLUMN drift TEXT NOT NULL DEFAULT '';
-- Why the last sync failed, of which revision, and since when each attempt has failed; empty once one succeeds.
ALTER TABLE apps ADD COLUMN failure TEXT NOT NULL DEFAULT '';
ALTER TABLE apps ADD COLUMN failing_since BIGINT;
ALTER TABLE apps ADD COLUMN failed_revision TEXT;
