-- What the deletion of an object is held for, where that is not the object itself: of how many objects too many go at once; 0: it only
-- waits with others. NULL: it needs confirmation by itself, which is what is said of those that are held already.
ALTER TABLE objects ADD COLUMN held_of BIGINT;
