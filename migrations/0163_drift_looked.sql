-- When an app whose sync fails was last found to be looked at for drift of what is applied. NULL: never, or not since it was applied.
ALTER TABLE apps ADD COLUMN drift_looked BIGINT;
