-- Checkpoints and their patches; what sandboxes are started from, and how they sleep.

CREATE TABLE checkpoints (
    id TEXT PRIMARY KEY, -- of its artifact too
    org_id TEXT NOT NULL REFERENCES organizations (id),
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT, -- of a failure; while it is processed: what it waits for
    size_bytes BIGINT NOT NULL,
    public BIGINT NOT NULL,
    template TEXT NOT NULL,
    cpus DOUBLE PRECISION NOT NULL,
    memory_mb BIGINT NOT NULL,
    disk_mb BIGINT NOT NULL,
    envs TEXT NOT NULL,
    metadata TEXT NOT NULL,
    keep BIGINT, -- how many of its kind its sandbox is to keep, once this one is saved
    awaited BIGINT NOT NULL, -- 1: made under an Idempotency-Key, so that its client will ask for it again
    created_at BIGINT NOT NULL,
    saved_at BIGINT, -- when the worker had it whole
    failed_at BIGINT,
    deleted_at BIGINT
);

-- What failed or was deleted leaves its name free.
CREATE UNIQUE INDEX checkpoint_names ON checkpoints (sandbox_id, name) WHERE deleted_at IS NULL AND failed_at IS NULL;
CREATE INDEX checkpoints_by_sandbox ON checkpoints (sandbox_id, created_at);
CREATE INDEX checkpoints_by_status ON checkpoints (status);

CREATE TABLE patches (
    id TEXT PRIMARY KEY,
    checkpoint_id TEXT NOT NULL REFERENCES checkpoints (id),
    sequence BIGINT NOT NULL,
    script TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (checkpoint_id, sequence)
);

CREATE TABLE unwanted_artifacts ( -- that the worker is to delete, as soon as nothing needs them any more
    id TEXT PRIMARY KEY,
    sandbox_id TEXT NOT NULL,
    at BIGINT NOT NULL
);

ALTER TABLE sandboxes ADD COLUMN origin TEXT NOT NULL DEFAULT '{"kind":"image","name":"base"}'; -- of its last start
ALTER TABLE sandboxes ADD COLUMN from_checkpoint TEXT; -- that it is a fork of
ALTER TABLE sandboxes ADD COLUMN applied BIGINT NOT NULL DEFAULT 0; -- sequence of its last patch
ALTER TABLE sandboxes ADD COLUMN patch_error TEXT;
ALTER TABLE sandboxes ADD COLUMN hibernated_at BIGINT;
ALTER TABLE sandboxes ADD COLUMN tier TEXT; -- of a hibernated one: frozen, storing or stored
ALTER TABLE sandboxes ADD COLUMN hibernation TEXT; -- artifact of its last hibernation that was stored or begun to be
ALTER TABLE sandboxes ADD COLUMN hibernation_bytes BIGINT; -- once it is in the blob store
ALTER TABLE sandboxes ADD COLUMN waking BIGINT NOT NULL DEFAULT 0; -- 1: a wake has begun, and counts as running
ALTER TABLE sandboxes ADD COLUMN restoring TEXT; -- checkpoint of a restore that has begun
ALTER TABLE sandboxes ADD COLUMN restore_error TEXT; -- why the last restore left it as it was
ALTER TABLE sandboxes ADD COLUMN memory_kills BIGINT NOT NULL DEFAULT 0; -- processes killed in it for want of memory

CREATE INDEX sandboxes_by_checkpoint ON sandboxes (from_checkpoint);
