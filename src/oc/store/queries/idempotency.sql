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
