-- discard_artifact --
INSERT INTO unwanted_artifacts (id, sandbox_id, at) VALUES (:id, :sandbox_id, :at) ON CONFLICT (id) DO NOTHING

-- unneeded_artifacts --
-- Unwanted ones that nothing is being started from. An old hibernation stays until the next is in the blob store: most
-- of its chunks are the same. (An origin is JSON: `replace` tells whether it names the artifact.)
SELECT id FROM unwanted_artifacts AS unwanted WHERE NOT EXISTS (SELECT 1 FROM sandboxes WHERE
    (status = 'pending' AND replace(origin, unwanted.id, '') <> origin)
    OR (status = 'hibernated' AND hibernation = unwanted.id)
    OR restoring = unwanted.id
    OR (sandboxes.id = unwanted.sandbox_id AND status = 'hibernated' AND tier IN ('storing', 'stored')
        AND hibernation_bytes IS NULL))

-- forget_artifact --
DELETE FROM unwanted_artifacts WHERE id = :id

-- known_artifacts --
-- Which of these have a row that names them.
SELECT id FROM checkpoints WHERE id IN (:ids) AND deleted_at IS NULL
UNION SELECT hibernation FROM sandboxes WHERE hibernation IN (:ids) AND status IN ('pending', 'running', 'hibernated')
UNION SELECT id FROM unwanted_artifacts WHERE id IN (:ids)
