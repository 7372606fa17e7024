-- When the preview of a merge group was made, in milliseconds since 1970: what no delivery tells the end of is forgotten.
ALTER TABLE group_reads ADD COLUMN read_at BIGINT NOT NULL DEFAULT 0;
UPDATE group_reads SET read_at = CAST(strftime('%s', 'now') AS BIGINT) * 1000;
