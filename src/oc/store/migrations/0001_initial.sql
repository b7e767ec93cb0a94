-- Organizations, their keys, sandboxes, remembered answers and the log of what happened.
-- Instants are microseconds since 1970. JSON is text. Portable: no types or functions of one database.

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE sandboxes (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    status TEXT NOT NULL,
    reason TEXT,
    template TEXT NOT NULL,
    cpus DOUBLE PRECISION NOT NULL,
    memory_mb BIGINT NOT NULL,
    disk_mb BIGINT NOT NULL,
    envs TEXT NOT NULL,
    metadata TEXT NOT NULL,
    timeout_s BIGINT NOT NULL,
    awaited BIGINT NOT NULL, -- 1: made under an Idempotency-Key, so that its client will ask for it again
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    stopped_at BIGINT,
    last_active_at BIGINT NOT NULL
);

CREATE INDEX sandboxes_by_organization ON sandboxes (org_id, created_at);
CREATE INDEX sandboxes_by_status ON sandboxes (status);

CREATE TABLE idempotency (
    org_id TEXT NOT NULL REFERENCES organizations (id),
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    subject TEXT, -- id of what the request makes, once that is recorded
    answer TEXT, -- once there is one
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, key)
);

CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    sandbox_id TEXT NOT NULL,
    type TEXT NOT NULL,
    reason TEXT,
    at BIGINT NOT NULL
);

CREATE INDEX events_by_sandbox ON events (sandbox_id, at);
