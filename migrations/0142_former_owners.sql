-- The app that an object was taken over from, if it was: REPO/NAME.
ALTER TABLE objects ADD COLUMN former_app TEXT;

CREATE INDEX objects_by_former_app ON objects (former_app) WHERE former_app IS NOT NULL;
