-- How a wait ended, until its app's job has acted on it: an end that is in a row survives a busy store, a full queue and a kill.

ALTER TABLE waits ADD COLUMN outcome TEXT;                -- done, gone, failed or timedout; NULL while it is waited for
ALTER TABLE waits ADD COLUMN detail TEXT NOT NULL DEFAULT '';
