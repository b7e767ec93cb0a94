-- add_secret_store --
-- Nothing happens when the name is taken.
INSERT INTO secret_stores (id, org_id, name, egress_allowlist, created_at, updated_at)
VALUES (:id, :org_id, :name, :egress_allowlist, :at, :at) ON CONFLICT (org_id, name) DO NOTHING

-- secret_stores --
-- Of one organization, by name.
SELECT * FROM secret_stores WHERE org_id = :org_id ORDER BY name

-- count_secret_stores --
SELECT count(*) AS number FROM secret_stores WHERE org_id = :org_id

-- secret_store --
SELECT * FROM secret_stores WHERE id = :id

-- secret_store_named --
SELECT * FROM secret_stores WHERE org_id = :org_id AND name = :name

-- change_secret_store --
UPDATE secret_stores SET name = :name, egress_allowlist = :egress_allowlist, updated_at = :at WHERE id = :id

-- delete_secret_store --
DELETE FROM secret_stores WHERE id = :id

-- set_secret --
-- A new one, or another value for the one of that name.
INSERT INTO secrets (store_id, name, value, allowed_hosts, created_at, updated_at)
VALUES (:store_id, :name, :value, :allowed_hosts, :at, :at)
ON CONFLICT (store_id, name) DO UPDATE
SET value = excluded.value, allowed_hosts = excluded.allowed_hosts, updated_at = excluded.updated_at

-- touch_secret_store --
UPDATE secret_stores SET updated_at = :at WHERE id = :id

-- secret --
SELECT * FROM secrets WHERE store_id = :store_id AND name = :name

-- secrets --
-- Of one store, by name.
SELECT * FROM secrets WHERE store_id = :store_id ORDER BY name

-- all_secrets --
SELECT * FROM secrets

-- count_secrets --
SELECT count(*) AS number FROM secrets WHERE store_id = :store_id

-- count_secrets_in --
-- Of each store of an organization that has any.
SELECT secrets.store_id, count(*) AS number FROM secrets JOIN secret_stores ON secret_stores.id = secrets.store_id
WHERE secret_stores.org_id = :org_id GROUP BY secrets.store_id

-- encrypt_secret_anew --
-- Unless it has been set meanwhile.
UPDATE secrets SET value = :value WHERE store_id = :store_id AND name = :name AND value = :former

-- delete_secret --
DELETE FROM secrets WHERE store_id = :store_id AND name = :name
