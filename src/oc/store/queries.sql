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
INSERT INTO sandboxes (id, org_id, status, template, cpus, memory_mb, disk_mb, envs, metadata, timeout_s, awaited,
    created_at, last_active_at)
SELECT :id, :org_id, 'pending', :template, :cpus, :memory_mb, :disk_mb, :envs, :metadata, :timeout_s, :awaited, :at, :at
WHERE (SELECT count(*) FROM sandboxes WHERE org_id = :org_id AND status IN (:active)) < :most

-- count_sandboxes --
-- Of one organization, in the given states.
SELECT count(*) AS number FROM sandboxes WHERE org_id = :org_id AND status IN (:statuses)

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
UPDATE sandboxes SET status = 'running', reason = NULL, started_at = :at, last_active_at = :at
WHERE id = :id AND status IN (:sources) RETURNING *

-- end_sandbox --
-- A transition to error or stopped, refused from any state but those that may lead there.
UPDATE sandboxes SET status = :status, reason = :reason, stopped_at = :at
WHERE id = :id AND status IN (:sources) RETURNING *

-- set_timeout --
UPDATE sandboxes SET timeout_s = :timeout_s WHERE id = :id AND status IN ('running', 'hibernated')

-- touch_sandbox --
UPDATE sandboxes SET last_active_at = :at WHERE id = :id

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
