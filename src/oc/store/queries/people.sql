-- any_user --
SELECT id FROM users LIMIT 1

-- add_user --
INSERT INTO users (id, email, name, password_hash, oidc_subject, created_at)
VALUES (:id, :email, :name, :password_hash, :oidc_subject, :at)

-- user --
SELECT id, email, name, password_hash, oidc_subject FROM users WHERE id = :id

-- user_of_email --
SELECT id, email, name, password_hash, oidc_subject FROM users WHERE email = :email

-- user_of_subject --
SELECT id, email, name, password_hash, oidc_subject FROM users WHERE oidc_subject = :subject

-- rename_user --
UPDATE users SET name = :name WHERE id = :id

-- set_password_hash --
UPDATE users SET password_hash = :password_hash WHERE id = :id

-- link_subject --
-- Nothing happens when they come in as somebody else there already.
UPDATE users SET oidc_subject = :subject WHERE id = :id AND oidc_subject IS NULL

-- add_membership --
-- Nothing happens to one that exists.
INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (:org_id, :user_id, :role, :at)
ON CONFLICT (org_id, user_id) DO NOTHING

-- memberships_of_user --
-- Oldest first.
SELECT organizations.id AS org_id, organizations.name AS org_name, memberships.role
FROM memberships JOIN organizations ON organizations.id = memberships.org_id
WHERE memberships.user_id = :user_id
ORDER BY memberships.created_at, organizations.name

-- members --
-- Of an organization, oldest first.
SELECT users.id AS user_id, users.email, users.name, memberships.role, memberships.created_at
FROM memberships JOIN users ON users.id = memberships.user_id
WHERE memberships.org_id = :org_id
ORDER BY memberships.created_at, users.email

-- member --
SELECT users.id AS user_id, users.email, users.name, memberships.role, memberships.created_at
FROM memberships JOIN users ON users.id = memberships.user_id
WHERE memberships.org_id = :org_id AND memberships.user_id = :user_id

-- other_admin --
SELECT user_id FROM memberships WHERE org_id = :org_id AND role = 'admin' AND user_id <> :user_id LIMIT 1

-- set_role --
UPDATE memberships SET role = :role WHERE org_id = :org_id AND user_id = :user_id

-- remove_membership --
DELETE FROM memberships WHERE org_id = :org_id AND user_id = :user_id
