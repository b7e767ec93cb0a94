-- add_checkpoint --
INSERT INTO checkpoints (id, org_id, sandbox_id, name, kind, status, size_bytes, public, template, cpus, memory_mb,
    disk_mb, envs, metadata, egress, keep, awaited, created_at)
SELECT :id, org_id, id, :name, :kind, 'processing', 0, 0, template, cpus, memory_mb, disk_mb, envs, metadata, egress, :keep,
    :awaited, :at
FROM sandboxes WHERE id = :sandbox_id

-- checkpoint --
-- Also one that is deleted.
SELECT * FROM checkpoints WHERE id = :id

-- checkpoint_named --
SELECT id FROM checkpoints
WHERE sandbox_id = :sandbox_id AND name = :name AND deleted_at IS NULL AND failed_at IS NULL

-- checkpoints_of_sandbox --
-- Newest first.
SELECT * FROM checkpoints WHERE sandbox_id = :sandbox_id AND deleted_at IS NULL ORDER BY created_at DESC, id

-- checkpoints_processing --
-- Of all organizations.
SELECT * FROM checkpoints WHERE status = 'processing' AND deleted_at IS NULL

-- count_checkpoints --
-- Those of one kind that count against their sandbox's limit.
SELECT count(*) AS number FROM checkpoints
WHERE sandbox_id = :sandbox_id AND kind = :kind AND deleted_at IS NULL AND failed_at IS NULL

-- prunable_checkpoints --
-- Of one kind, oldest first: neither public, nor patched, nor what a sandbox that lives is a fork of (contract 2.6.1).
SELECT id FROM checkpoints
WHERE sandbox_id = :sandbox_id AND kind = :kind AND deleted_at IS NULL AND saved_at IS NOT NULL AND failed_at IS NULL
    AND public = 0 AND NOT EXISTS (SELECT 1 FROM patches WHERE patches.checkpoint_id = checkpoints.id)
    AND NOT EXISTS (SELECT 1 FROM sandboxes WHERE sandboxes.from_checkpoint = checkpoints.id
        AND sandboxes.status IN ('pending', 'running', 'hibernated'))
ORDER BY created_at, id

-- save_checkpoint --
-- The worker has it, on its way to the blob store or there already.
UPDATE checkpoints SET saved_at = coalesce(saved_at, :at), status = :status, reason = :reason, size_bytes = :bytes
WHERE id = :id AND status = 'processing' AND deleted_at IS NULL RETURNING *

-- fail_checkpoint --
UPDATE checkpoints SET status = 'failed', reason = :reason, failed_at = :at
WHERE id = :id AND status = 'processing' RETURNING *

-- delete_checkpoint --
UPDATE checkpoints SET deleted_at = :at WHERE id = :id AND deleted_at IS NULL RETURNING *

-- publish_checkpoint --
UPDATE checkpoints SET public = :public WHERE id = :id AND deleted_at IS NULL RETURNING *
