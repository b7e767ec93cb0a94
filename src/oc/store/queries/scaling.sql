-- begin_scale --
-- Refused when it does not run, amid a restore, and when it is locked.
UPDATE sandboxes SET scaling = :scaling
WHERE id = :id AND status = 'running' AND restoring IS NULL AND scaling_locked = 0 RETURNING *

-- end_scale --
-- Whoever chooses a size ends autoscaling (contract 2.1.10); autoscaling itself does not.
UPDATE sandboxes SET scaling = NULL, cpus = :cpus, memory_mb = :memory_mb,
    autoscale_min_mb = CASE WHEN :chosen = 1 THEN NULL ELSE autoscale_min_mb END,
    autoscale_max_mb = CASE WHEN :chosen = 1 THEN NULL ELSE autoscale_max_mb END
WHERE id = :id AND scaling IS NOT NULL RETURNING *

-- undo_scale --
UPDATE sandboxes SET scaling = NULL WHERE id = :id

-- start_autoscale --
UPDATE sandboxes SET autoscale_min_mb = :least, autoscale_max_mb = :most
WHERE id = :id AND scaling_locked = 0 AND status NOT IN ('stopped', 'error') RETURNING *

-- end_autoscale --
UPDATE sandboxes SET autoscale_min_mb = NULL, autoscale_max_mb = NULL
WHERE id = :id AND status NOT IN ('stopped', 'error') RETURNING *

-- set_scaling_lock --
UPDATE sandboxes SET scaling_locked = :locked,
    autoscale_min_mb = CASE WHEN :locked = 1 THEN NULL ELSE autoscale_min_mb END,
    autoscale_max_mb = CASE WHEN :locked = 1 THEN NULL ELSE autoscale_max_mb END
WHERE id = :id AND status NOT IN ('stopped', 'error') RETURNING *

-- autoscaled_sandboxes --
-- Those that run, of all organizations.
SELECT * FROM sandboxes WHERE status = 'running' AND autoscale_min_mb IS NOT NULL
