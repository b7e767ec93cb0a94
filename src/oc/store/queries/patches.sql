-- add_patch --
-- A highest number that was deleted is given again (contract 2.7).
INSERT INTO patches (id, checkpoint_id, sequence, script, description, created_at)
SELECT :id, :checkpoint_id, coalesce(max(sequence), 0) + 1, :script, :description, :at
FROM patches WHERE checkpoint_id = :checkpoint_id

-- patch --
SELECT * FROM patches WHERE id = :id

-- patches_after --
-- Of one checkpoint that is not deleted, in the order in which they are applied.
SELECT patches.* FROM patches JOIN checkpoints ON checkpoints.id = patches.checkpoint_id
WHERE checkpoint_id = :checkpoint_id AND sequence > :sequence AND deleted_at IS NULL ORDER BY sequence

-- delete_patch --
DELETE FROM patches WHERE id = :id AND checkpoint_id = :checkpoint_id
