-- Where a ref is (oid), apart from what was acted on last (looked): a sync takes the first, a look for what moved compares with the second.
ALTER TABLE refs ADD COLUMN looked TEXT;
UPDATE refs SET looked = oid;
