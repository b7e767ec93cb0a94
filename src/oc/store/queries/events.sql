-- add_event --
INSERT INTO events (id, org_id, sandbox_id, type, reason, at) VALUES (:id, :org_id, :sandbox_id, :type, :reason, :at)

-- last_events_of_sandbox --
-- Newest first.
SELECT * FROM events WHERE sandbox_id = :sandbox_id ORDER BY at DESC, id DESC LIMIT :most

-- events_of_sandbox --
-- Oldest first.
SELECT * FROM events WHERE sandbox_id = :sandbox_id ORDER BY at, id
