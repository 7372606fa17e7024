-- When a wait was stored, in milliseconds since 1970: after the clock was set back its deadline is moved by as much. 0 in rows of an earlier release.
ALTER TABLE waits ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
