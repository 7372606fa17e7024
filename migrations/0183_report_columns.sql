-- Names that say what the columns hold.

ALTER TABLE reports RENAME COLUMN lane TO rate_limit_scope;
ALTER TABLE reports RENAME COLUMN doubt TO remote_state;
