-- Who asked for what. The people behind syncs and confirmations are in the causes of runs.

ALTER TABLE apps ADD COLUMN paused_by TEXT;
ALTER TABLE apps ADD COLUMN pinned_by TEXT;
-- Since when the text in `drift` is not empty, in milliseconds since 1970.
ALTER TABLE apps ADD COLUMN drift_since BIGINT;
-- What was applied, or what a preview was compared with, when the run began.
ALTER TABLE runs ADD COLUMN from_revision TEXT;
