-- add_preview --
-- Of a sandbox that has not ended.
INSERT INTO previews (id, org_id, sandbox_id, port, custom_hostname, auth_config, created_at)
SELECT :id, org_id, id, :port, :custom_hostname, :auth_config, :at FROM sandboxes
WHERE id = :sandbox_id AND status NOT IN ('stopped', 'error') RETURNING *

-- rename_preview --
UPDATE previews SET custom_hostname = :custom_hostname WHERE id = :id RETURNING *

-- preview --
SELECT * FROM previews WHERE sandbox_id = :sandbox_id AND port = :port

-- preview_named --
SELECT * FROM previews WHERE custom_hostname = :custom_hostname

-- previews_of_sandbox --
SELECT * FROM previews WHERE sandbox_id = :sandbox_id ORDER BY port

-- count_previews --
SELECT count(*) AS number FROM previews WHERE sandbox_id = :sandbox_id

-- delete_preview --
DELETE FROM previews WHERE sandbox_id = :sandbox_id AND port = :port RETURNING *

-- delete_previews_of_sandbox --
DELETE FROM previews WHERE sandbox_id = :sandbox_id
