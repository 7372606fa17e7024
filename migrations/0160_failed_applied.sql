-- 1: what failed had been applied: applying it again ends no such failure, only its health does.
ALTER TABLE apps ADD COLUMN failed_applied BIGINT NOT NULL DEFAULT 0;
