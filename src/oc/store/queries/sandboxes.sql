-- add_sandbox --
-- Counting and inserting are one statement, so that requests at once cannot pass the limit together.
INSERT INTO sandboxes (id, org_id, status, template, cpus, memory_mb, disk_mb, envs, metadata, timeout_s, origin,
    from_checkpoint, preview_hash, egress, awaited, created_at, last_active_at)
SELECT :id, :org_id, 'pending', :template, :cpus, :memory_mb, :disk_mb, :envs, :metadata, :timeout_s, :origin,
    :from_checkpoint, :preview_hash, :egress, :awaited, :at, :at
WHERE (SELECT count(*) FROM sandboxes WHERE org_id = :org_id AND (status IN (:active) OR waking = 1)) < :most

-- count_active --
-- Of one organization: those that count against its limit.
SELECT count(*) AS number FROM sandboxes WHERE org_id = :org_id AND (status IN (:active) OR waking = 1)

-- count_by_status --
SELECT status, count(*) AS number FROM sandboxes GROUP BY status

-- sandbox --
SELECT * FROM sandboxes WHERE id = :id

-- sandboxes_of_organization --
-- Newest first.
SELECT * FROM sandboxes WHERE org_id = :org_id AND status IN (:statuses)
ORDER BY created_at DESC, id LIMIT :most

-- sandboxes_in --
-- Of all organizations, in the given states.
SELECT * FROM sandboxes WHERE status IN (:statuses)

-- start_sandbox --
-- A transition to running, refused from any state but those that may lead there.
UPDATE sandboxes SET status = 'running', reason = NULL, started_at = coalesce(started_at, :at), last_active_at = :at,
    hibernated_at = NULL, tier = NULL, waking = 0
WHERE id = :id AND status IN (:sources) RETURNING *

-- end_sandbox --
-- A transition to error or stopped, refused from any state but those that may lead there.
UPDATE sandboxes SET status = :status, reason = :reason, stopped_at = :at, hibernated_at = NULL, tier = NULL, waking = 0,
    restoring = NULL, scaling = NULL
WHERE id = :id AND status IN (:sources) RETURNING *

-- begin_restore --
UPDATE sandboxes SET restoring = :checkpoint_id, restore_error = NULL WHERE id = :id AND status = 'running' RETURNING *

-- end_restore --
UPDATE sandboxes SET restoring = NULL, restore_error = :error WHERE id = :id AND restoring = :checkpoint_id RETURNING *

-- applied_patch --
-- How the last patch of a sandbox went; `applied` is not changed by a failure.
UPDATE sandboxes SET applied = :applied, patch_error = :error WHERE id = :id

-- set_timeout --
UPDATE sandboxes SET timeout_s = :timeout_s WHERE id = :id AND status IN ('running', 'hibernated')

-- set_egress --
UPDATE sandboxes SET egress = :egress WHERE id = :id AND status NOT IN ('stopped', 'error')

-- set_preview_hash --
UPDATE sandboxes SET preview_hash = :hash WHERE id = :id AND status NOT IN ('stopped', 'error')

-- touch_sandbox --
UPDATE sandboxes SET last_active_at = :at WHERE id = :id

-- note_memory_kills --
-- The worker counts; nothing happens when the count is known.
UPDATE sandboxes SET memory_kills = :number WHERE id = :id AND memory_kills <> :number RETURNING *
