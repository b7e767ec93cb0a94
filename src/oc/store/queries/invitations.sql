-- add_invitation --
INSERT INTO invitations (id, org_id, email, role, hash, invited_by, created_at, expires_at)
VALUES (:id, :org_id, :email, :role, :hash, :invited_by, :at, :expires_at)

-- invitation_of_token --
-- One that can still be accepted.
SELECT invitations.id, invitations.org_id, organizations.name AS org_name, invitations.email, invitations.role,
    users.email AS invited_by, invitations.created_at, invitations.expires_at
FROM invitations JOIN organizations ON organizations.id = invitations.org_id
    JOIN users ON users.id = invitations.invited_by
WHERE invitations.hash = :hash AND invitations.expires_at > :at
    AND invitations.accepted_at IS NULL AND invitations.revoked_at IS NULL

-- invitations_for_email --
-- Those that can still be accepted, oldest first.
SELECT invitations.id, invitations.org_id, organizations.name AS org_name, invitations.email, invitations.role,
    users.email AS invited_by, invitations.created_at, invitations.expires_at
FROM invitations JOIN organizations ON organizations.id = invitations.org_id
    JOIN users ON users.id = invitations.invited_by
WHERE invitations.email = :email AND invitations.expires_at > :at
    AND invitations.accepted_at IS NULL AND invitations.revoked_at IS NULL
ORDER BY invitations.created_at, invitations.id

-- invitations_in --
-- Those of an organization that can still be accepted, newest first.
SELECT invitations.id, invitations.org_id, organizations.name AS org_name, invitations.email, invitations.role,
    users.email AS invited_by, invitations.created_at, invitations.expires_at
FROM invitations JOIN organizations ON organizations.id = invitations.org_id
    JOIN users ON users.id = invitations.invited_by
WHERE invitations.org_id = :org_id AND invitations.expires_at > :at
    AND invitations.accepted_at IS NULL AND invitations.revoked_at IS NULL
ORDER BY invitations.created_at DESC, invitations.id

-- accept_invitation --
-- No row: somebody has been faster, or it has been revoked or has expired.
UPDATE invitations SET accepted_at = :at
WHERE id = :id AND expires_at > :at AND accepted_at IS NULL AND revoked_at IS NULL

-- revoke_invitation --
UPDATE invitations SET revoked_at = :at
WHERE id = :id AND org_id = :org_id AND accepted_at IS NULL AND revoked_at IS NULL

-- revoke_invitations_for --
-- The former ones of who is invited anew.
UPDATE invitations SET revoked_at = :at
WHERE org_id = :org_id AND email = :email AND accepted_at IS NULL AND revoked_at IS NULL

-- revoke_invitations_by --
UPDATE invitations SET revoked_at = :at
WHERE org_id = :org_id AND invited_by = :user_id AND accepted_at IS NULL AND revoked_at IS NULL
