-- checkpoints_of_sandboxes --
-- Of one organization, oldest first. A deleted one is still there while there is a fork of it.
SELECT * FROM checkpoints WHERE org_id = :org_id AND sandbox_id IN (:sandboxes) AND (deleted_at IS NULL
    OR EXISTS (SELECT 1 FROM sandboxes WHERE sandboxes.from_checkpoint = checkpoints.id))
ORDER BY created_at, id LIMIT :most

-- forks_of_checkpoints --
-- Of one organization, oldest first.
SELECT * FROM sandboxes WHERE org_id = :org_id AND from_checkpoint IN (:checkpoints)
ORDER BY created_at, id LIMIT :most
