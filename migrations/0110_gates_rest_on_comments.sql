-- A gate lets a merge pass only once the forge shows what was said of it; comments have ranks among themselves.

-- The version of the pull request's comment that the status rests on. NULL: there is no comment.
ALTER TABLE gates ADD COLUMN comment_version BIGINT;

-- Set while a limit on comments holds it back: until then.
ALTER TABLE reports ADD COLUMN held_until BIGINT;

-- Edits come after first comments and outcomes.
UPDATE reports SET rank = 3 WHERE target LIKE 'comment:%';
