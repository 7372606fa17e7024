-- Jobs that end their process, jobs that are looked at again, and whose share of the workers a cluster's jobs use.

-- How many processes in a row have ended while the job was running.
ALTER TABLE jobs ADD COLUMN kills BIGINT NOT NULL DEFAULT 0;
-- 1: the job is done, and the next look at its repo does it once more.
ALTER TABLE jobs ADD COLUMN unsettled BIGINT NOT NULL DEFAULT 0;

-- A cluster may have the name of a repo, and shares nothing with it.
UPDATE jobs SET tenant = 'cluster:' || tenant WHERE key LIKE 'resync:%';
