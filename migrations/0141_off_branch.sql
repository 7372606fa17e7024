-- Whether the revision that an app is pinned to is not in the history of the ref that the app follows.
ALTER TABLE apps ADD COLUMN pinned_off_branch INTEGER NOT NULL DEFAULT 0;
