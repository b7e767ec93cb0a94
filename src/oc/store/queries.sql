-- Every statement of the control plane. `-- name --` begins one, comments after it describe it.
-- `:name` is a parameter; `(:name)` takes a list.

-- add_organization --
-- Nothing happens when the name is taken.
INSERT INTO organizations (id, name, created_at) VALUES (:id, :name, :at) ON CONFLICT (name) DO NOTHING

-- organization_named --
SELECT id, name, created_at FROM organizations WHERE name = :name

-- add_key --
INSERT INTO api_keys (id, org_id, hash, prefix, name, created_at) VALUES (:id, :org_id, :hash, :prefix, :name, :at)

-- caller_of_key --
-- Whose key this is; none when it is revoked.
SELECT api_keys.id AS key_id, organizations.id AS org_id, organizations.name AS org_name
FROM api_keys JOIN organizations ON organizations.id = api_keys.org_id
WHERE api_keys.hash = :hash AND api_keys.revoked_at IS NULL

-- keys --
-- All keys with their organization's name, oldest first.
SELECT api_keys.id, api_keys.prefix, api_keys.name, api_keys.created_at, api_keys.last_used_at, api_keys.revoked_at,
    organizations.name AS org_name
FROM api_keys JOIN organizations ON organizations.id = api_keys.org_id
ORDER BY api_keys.created_at, api_keys.id

-- revoke_key --
UPDATE api_keys SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL

-- use_key --
UPDATE api_keys SET last_used_at = :at WHERE id = :id

-- add_sandbox --
-- Counting and inserting are one statement, so that requests at once cannot pass the limit together.
INSERT INTO sandboxes (id, org_id, status, template, cpus, memory_mb, disk_mb, envs, metadata, timeout_s, origin,
    from_checkpoint, awaited, created_at, last_active_at)
SELECT :id, :org_id, 'pending', :template, :cpus, :memory_mb, :disk_mb, :envs, :metadata, :timeout_s, :origin,
    :from_checkpoint, :awaited, :at, :at
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
    restoring = NULL
WHERE id = :id AND status IN (:sources) RETURNING *

-- hibernate_sandbox --
-- A transition to hibernated, refused from any state but those that may lead there and amid a restore.
UPDATE sandboxes SET status = 'hibernated', hibernated_at = :at, tier = 'frozen'
WHERE id = :id AND status IN (:sources) AND restoring IS NULL RETURNING *

-- begin_storing --
UPDATE sandboxes SET tier = 'storing', hibernation = :artifact, hibernation_bytes = NULL
WHERE id = :id AND status = 'hibernated' AND tier = 'frozen' AND waking = 0 RETURNING *

-- undo_storing --
UPDATE sandboxes SET tier = 'frozen', hibernation = NULL WHERE id = :id AND tier = 'storing' RETURNING *

-- end_storing --
UPDATE sandboxes SET tier = 'stored' WHERE id = :id AND tier = 'storing' RETURNING *

-- hibernations_in_tiers --
-- Longest asleep first, without those that are waking up.
SELECT * FROM sandboxes WHERE status = 'hibernated' AND tier IN (:tiers) AND waking = 0 ORDER BY hibernated_at

-- unsized_hibernations --
-- Those whose artifacts are not known to be in the blob store.
SELECT * FROM sandboxes WHERE status = 'hibernated' AND tier = 'stored' AND hibernation_bytes IS NULL

-- size_hibernation --
UPDATE sandboxes SET hibernation_bytes = :bytes WHERE id = :id AND hibernation = :artifact

-- begin_wake --
-- Counting and changing are one statement, as in add_sandbox. One that has begun already may go on.
UPDATE sandboxes SET waking = 1, origin = :origin
WHERE id = :id AND status = 'hibernated' AND (waking = 1
    OR (SELECT count(*) FROM sandboxes WHERE org_id = :org_id AND (status IN (:active) OR waking = 1)) < :most)
RETURNING *

-- end_wake --
-- It has failed, and may be tried again.
UPDATE sandboxes SET waking = 0 WHERE id = :id

-- begin_restore --
UPDATE sandboxes SET restoring = :checkpoint_id, restore_error = NULL WHERE id = :id AND status = 'running' RETURNING *

-- end_restore --
UPDATE sandboxes SET restoring = NULL, restore_error = :error WHERE id = :id AND restoring = :checkpoint_id RETURNING *

-- applied_patch --
-- How the last patch of a sandbox went; `applied` is not changed by a failure.
UPDATE sandboxes SET applied = :applied, patch_error = :error WHERE id = :id

-- set_timeout --
UPDATE sandboxes SET timeout_s = :timeout_s WHERE id = :id AND status IN ('running', 'hibernated')

-- touch_sandbox --
UPDATE sandboxes SET last_active_at = :at WHERE id = :id

-- note_memory_kills --
-- The worker counts; nothing happens when the count is known.
UPDATE sandboxes SET memory_kills = :number WHERE id = :id AND memory_kills <> :number RETURNING *

-- add_event --
INSERT INTO events (id, org_id, sandbox_id, type, reason, at) VALUES (:id, :org_id, :sandbox_id, :type, :reason, :at)

-- events_of_sandbox --
-- Oldest first.
SELECT * FROM events WHERE sandbox_id = :sandbox_id ORDER BY at, id

-- claim --
-- Remembers that a request with this key has come; nothing happens when it is known.
INSERT INTO idempotency (org_id, key, request_hash, created_at) VALUES (:org_id, :key, :request_hash, :at)
ON CONFLICT (org_id, key) DO NOTHING

-- claimed --
SELECT request_hash, subject, answer FROM idempotency WHERE org_id = :org_id AND key = :key

-- name_subject --
UPDATE idempotency SET subject = :subject WHERE org_id = :org_id AND key = :key

-- keep_answer --
UPDATE idempotency SET answer = :answer WHERE org_id = :org_id AND key = :key

-- forget_claims --
DELETE FROM idempotency WHERE created_at < :before

-- add_checkpoint --
INSERT INTO checkpoints (id, org_id, sandbox_id, name, kind, status, size_bytes, public, template, cpus, memory_mb,
    disk_mb, envs, metadata, keep, awaited, created_at)
SELECT :id, org_id, id, :name, :kind, 'processing', 0, 0, template, cpus, memory_mb, disk_mb, envs, metadata, :keep,
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

-- add_patch --
-- A highest number that was deleted is given again (contract 2.7).
INSERT INTO patches (id, checkpoint_id, sequence, script, description, created_at)
SELECT :id, :checkpoint_id, coalesce(max(sequence), 0) + 1, :script, :description, :at
FROM patches WHERE checkpoint_id = :checkpoint_id

-- patch --
SELECT * FROM patches WHERE id = :id

-- patches_after --
-- Of one checkpoint that is not deleted, in the order in which they are applied.
SELECT patches.* FROM patches JOIN checkpoints ON checkpoints.id = patches.checkpoint_id
WHERE checkpoint_id = :checkpoint_id AND sequence > :sequence AND deleted_at IS NULL ORDER BY sequence

-- delete_patch --
DELETE FROM patches WHERE id = :id AND checkpoint_id = :checkpoint_id

-- discard_artifact --
INSERT INTO unwanted_artifacts (id, sandbox_id, at) VALUES (:id, :sandbox_id, :at) ON CONFLICT (id) DO NOTHING

-- unneeded_artifacts --
-- Unwanted ones that nothing is being started from. An old hibernation stays until the next is in the blob store: most
-- of its chunks are the same. (An origin is JSON: `replace` tells whether it names the artifact.)
SELECT id FROM unwanted_artifacts AS unwanted WHERE NOT EXISTS (SELECT 1 FROM sandboxes WHERE
    (status = 'pending' AND replace(origin, unwanted.id, '') <> origin)
    OR (status = 'hibernated' AND hibernation = unwanted.id)
    OR restoring = unwanted.id
    OR (sandboxes.id = unwanted.sandbox_id AND status = 'hibernated' AND tier IN ('storing', 'stored')
        AND hibernation_bytes IS NULL))

-- forget_artifact --
DELETE FROM unwanted_artifacts WHERE id = :id

-- known_artifacts --
-- Which of these have a row that names them.
SELECT id FROM checkpoints WHERE id IN (:ids) AND deleted_at IS NULL
UNION SELECT hibernation FROM sandboxes WHERE hibernation IN (:ids) AND status IN ('pending', 'running', 'hibernated')
UNION SELECT id FROM unwanted_artifacts WHERE id IN (:ids)
