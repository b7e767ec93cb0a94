-- add_web_session --
INSERT INTO web_sessions (hash, user_id, org_id, csrf, created_at, expires_at)
VALUES (:hash, :user_id, :org_id, :csrf, :at, :expires_at)

-- visitor --
-- Whose browser this is; none when the session is over, or when they do not belong to its organization any more.
SELECT web_sessions.hash AS session, web_sessions.csrf, users.id AS user_id, users.email, users.name,
    organizations.id AS org_id, organizations.name AS org_name, memberships.role
FROM web_sessions JOIN users ON users.id = web_sessions.user_id
    JOIN organizations ON organizations.id = web_sessions.org_id
    JOIN memberships ON memberships.org_id = web_sessions.org_id AND memberships.user_id = web_sessions.user_id
WHERE web_sessions.hash = :hash AND web_sessions.expires_at > :at

-- end_web_session --
DELETE FROM web_sessions WHERE hash = :hash

-- end_web_sessions_of --
-- All of one person's but one.
DELETE FROM web_sessions WHERE user_id = :user_id AND hash <> :kept

-- forget_web_sessions --
DELETE FROM web_sessions WHERE expires_at <= :at

-- end_web_sessions_in --
-- Those in which one person looks at one organization.
DELETE FROM web_sessions WHERE org_id = :org_id AND user_id = :user_id

-- other_web_sessions --
SELECT COUNT(*) AS others FROM web_sessions WHERE user_id = :user_id AND hash <> :kept AND expires_at > :at

-- switch_web_session --
UPDATE web_sessions SET org_id = :org_id WHERE hash = :session
