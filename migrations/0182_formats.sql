-- Values that are kept as JSON say their format: {"format": 1, "data": …}. Texts without it are read as well; those that
-- are compared as texts get it here, so that an upgrade is no news.

UPDATE waits SET objects = '{"format":1,"data":' || objects || '}';
UPDATE app_ends SET ended = '{"format":1,"data":' || ended || '}';
UPDATE outcome_events SET ended = '{"format":1,"data":' || ended || '}';
UPDATE reports SET wanted = '{"format":1,"data":' || wanted || '}';
UPDATE reports SET remote = '{"format":1,"data":' || remote || '}' WHERE target NOT LIKE 'status:%';
UPDATE gates SET status = '{"format":1,"data":' || status || '}';
UPDATE pulls SET report = '{"format":1,"data":' || report || '}';
UPDATE told_facts SET facts = '{"format":1,"data":' || facts || '}';

-- It had a version of its own.
UPDATE apps SET applied_definition = CASE WHEN json_valid(applied_definition)
    THEN '{"format":1,"data":' || json_extract(applied_definition, '$.app') || '}' END;
