-- add_event --
INSERT INTO events (id, org_id, sandbox_id, type, reason, at) VALUES (:id, :org_id, :sandbox_id, :type, :reason, :at)

-- events_of_sandbox --
-- Oldest first.
SELECT * FROM events WHERE sandbox_id = :sandbox_id ORDER BY at, id
