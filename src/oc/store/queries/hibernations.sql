-- hibernate_sandbox --
-- A transition to hibernated, refused from any state but those that may lead there and amid a restore, or while it is
-- being scaled.
UPDATE sandboxes SET status = 'hibernated', hibernated_at = :at, tier = 'frozen'
WHERE id = :id AND status IN (:sources) AND restoring IS NULL AND scaling IS NULL RETURNING *

-- begin_storing --
UPDATE sandboxes SET tier = 'storing', hibernation = :artifact, hibernation_bytes = NULL
WHERE id = :id AND status = 'hibernated' AND tier = 'frozen' AND waking = 0 RETURNING *

-- undo_storing --
UPDATE sandboxes SET tier = 'frozen', hibernation = NULL WHERE id = :id AND tier = 'storing' RETURNING *

-- end_storing --
UPDATE sandboxes SET tier = 'stored' WHERE id = :id AND tier = 'storing' RETURNING *

-- hibernations_in_tiers --
-- Longest asleep first, without those that are waking up.
SELECT * FROM sandboxes WHERE status = 'hibernated' AND tier IN (:tiers) AND waking = 0 ORDER BY hibernated_at

-- unsized_hibernations --
-- Those whose artifacts are not known to be in the blob store.
SELECT * FROM sandboxes WHERE status = 'hibernated' AND tier = 'stored' AND hibernation_bytes IS NULL

-- size_hibernation --
UPDATE sandboxes SET hibernation_bytes = :bytes WHERE id = :id AND hibernation = :artifact

-- begin_wake --
-- Counting and changing are one statement, as in add_sandbox. One that has begun already may go on.
UPDATE sandboxes SET waking = 1, origin = :origin
WHERE id = :id AND status = 'hibernated' AND (waking = 1
    OR (SELECT count(*) FROM sandboxes WHERE org_id = :org_id AND (status IN (:active) OR waking = 1)) < :most)
RETURNING *

-- end_wake --
-- It has failed, and may be tried again.
UPDATE sandboxes SET waking = 0 WHERE id = :id
