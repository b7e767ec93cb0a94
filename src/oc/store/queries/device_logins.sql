-- forget_device_logins --
DELETE FROM device_logins WHERE expires_at <= :at

-- count_device_logins --
-- Those that wait for somebody's decision: all, and those that an address has asked for.
SELECT COUNT(*) AS everywhere, COALESCE(SUM(CASE WHEN address = :address THEN 1 ELSE 0 END), 0) AS here
FROM device_logins WHERE status = 'pending'

-- add_device_login --
INSERT INTO device_logins (hash, user_code, status, address, created_at, expires_at)
VALUES (:hash, :user_code, 'pending', :address, :at, :expires_at)

-- device_login_of_user_code --
-- One that waits for a decision.
SELECT user_code, address, created_at FROM device_logins
WHERE user_code = :user_code AND status = 'pending' AND expires_at > :at

-- decide_device_login --
UPDATE device_logins SET status = :status, user_id = :user_id, org_id = :org_id
WHERE user_code = :user_code AND status = 'pending' AND expires_at > :at

-- device_login --
SELECT status, polled_at FROM device_logins WHERE hash = :hash AND expires_at > :at

-- poll_device_login --
UPDATE device_logins SET polled_at = :at WHERE hash = :hash

-- take_device_login --
UPDATE device_logins SET status = 'taken' WHERE hash = :hash AND status = 'approved'

-- grant_of_device_login --
-- What its key is for; none when who approved does not belong to the organization any more.
SELECT users.id AS user_id, users.email, users.name AS user_name, organizations.id AS org_id,
    organizations.name AS org_name
FROM device_logins JOIN users ON users.id = device_logins.user_id
    JOIN organizations ON organizations.id = device_logins.org_id
    JOIN memberships ON memberships.org_id = device_logins.org_id AND memberships.user_id = device_logins.user_id
WHERE device_logins.hash = :hash
