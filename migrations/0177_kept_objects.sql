-- What is not handed over to another app before its own is resumed: all that a paused app owns, and of a pinned one what
-- the revision that it is pinned to has.
CREATE VIEW kept_objects AS
SELECT objects.cluster, objects.api_group, objects.kind, objects.namespace, objects.name, objects.app,
       CASE WHEN apps.paused = 1 THEN 'paused' ELSE 'pinned' END AS kept_by
FROM objects JOIN apps ON apps.id = objects.app
WHERE apps.paused = 1
   OR (apps.pinned_revision IS NOT NULL AND objects.state NOT IN ('pruning', 'moving', 'held'));
