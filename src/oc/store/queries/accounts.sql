-- add_organization --
-- Nothing happens when the name is taken.
INSERT INTO organizations (id, name, created_at) VALUES (:id, :name, :at) ON CONFLICT (name) DO NOTHING

-- organization_named --
SELECT id, name, created_at FROM organizations WHERE name = :name

-- add_key --
INSERT INTO api_keys (id, org_id, hash, prefix, name, user_id, login, created_at)
VALUES (:id, :org_id, :hash, :prefix, :name, :user_id, :login, :at)

-- caller_of_key --
-- Whose key this is; none when it is revoked.
SELECT api_keys.id AS key_id, organizations.id AS org_id, organizations.name AS org_name, users.id AS user_id,
    users.email, memberships.role, api_keys.prefix || ' ' || api_keys.name AS key
FROM api_keys JOIN organizations ON organizations.id = api_keys.org_id LEFT JOIN users ON users.id = api_keys.user_id
    LEFT JOIN memberships ON memberships.user_id = api_keys.user_id AND memberships.org_id = api_keys.org_id
WHERE api_keys.hash = :hash AND api_keys.revoked_at IS NULL

-- keys --
-- All keys with their organization's name, oldest first.
SELECT api_keys.id, api_keys.prefix, api_keys.name, api_keys.created_at, api_keys.last_used_at, api_keys.revoked_at,
    organizations.id AS org_id, organizations.name AS org_name
FROM api_keys JOIN organizations ON organizations.id = api_keys.org_id
ORDER BY api_keys.created_at, api_keys.id

-- revoke_key --
UPDATE api_keys SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL

-- use_key --
UPDATE api_keys SET last_used_at = :at WHERE id = :id

-- keys_in --
-- Those of an organization that work, newest first.
SELECT api_keys.id, api_keys.prefix, api_keys.name, api_keys.user_id, users.email, api_keys.login, api_keys.created_at,
    api_keys.last_used_at
FROM api_keys LEFT JOIN users ON users.id = api_keys.user_id
WHERE api_keys.org_id = :org_id AND api_keys.revoked_at IS NULL
ORDER BY api_keys.created_at DESC, api_keys.id

-- revoke_key_in --
UPDATE api_keys SET revoked_at = :at WHERE id = :id AND org_id = :org_id AND revoked_at IS NULL

-- revoke_key_of --
UPDATE api_keys SET revoked_at = :at
WHERE id = :id AND org_id = :org_id AND user_id = :user_id AND revoked_at IS NULL

-- revoke_keys_of --
-- All of one person's in one organization.
UPDATE api_keys SET revoked_at = :at WHERE org_id = :org_id AND user_id = :user_id AND revoked_at IS NULL
