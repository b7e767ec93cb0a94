-- add_audit --
INSERT INTO audit (id, org_id, at, actor, actor_kind, address, call, object, status, request_id)
VALUES (:id, :org_id, :at, :actor, :actor_kind, :address, :call, :object, :status, :request_id)

-- add_audit_of_person --
-- In each organization that somebody with this e-mail address belongs to.
INSERT INTO audit (id, org_id, at, actor, actor_kind, address, call, object, status, request_id)
SELECT :id || '/' || memberships.org_id, memberships.org_id, :at, :actor, :actor_kind, :address, :call, :object,
    :status, :request_id
FROM users JOIN memberships ON memberships.user_id = users.id WHERE users.email = :actor

-- add_audit_everywhere --
INSERT INTO audit (id, org_id, at, actor, actor_kind, address, call, object, status, request_id)
SELECT :id || '/' || id, id, :at, :actor, :actor_kind, :address, :call, :object, :status, :request_id
FROM organizations

-- audit --
-- Of one organization, newest first: those among the next :scanned that match. A pattern is one of LIKE.
SELECT * FROM (
    SELECT * FROM audit
    WHERE org_id = :org_id AND at >= :since AND (at < :before OR (at = :before AND id < :before_id))
    ORDER BY at DESC, id DESC LIMIT :scanned
) AS entries
WHERE (:call = '' OR call = :call)
    AND ('/' || object || '/') LIKE :object ESCAPE '!'
    AND lower(actor) LIKE :actor ESCAPE '!'
ORDER BY at DESC, id DESC LIMIT :most

-- audit_scanned --
-- Where those end that `audit` has looked at; none when there are fewer.
SELECT at, id FROM audit
WHERE org_id = :org_id AND at >= :since AND (at < :before OR (at = :before AND id < :before_id))
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :scanned - 1

-- forget_audit --
-- Some of what is older.
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < :before LIMIT :most)
