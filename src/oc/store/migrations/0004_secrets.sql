-- Secrets, what they and policies let out of sandboxes, and who did what.

CREATE TABLE secret_stores (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    egress_allowlist TEXT NOT NULL, -- JSON array of host patterns; empty: any host
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE secrets (
    store_id TEXT NOT NULL REFERENCES secret_stores (id) ON DELETE CASCADE,
    name TEXT NOT NULL, -- of the environment variable
    value TEXT NOT NULL, -- encrypted (server.vault)
    allowed_hosts TEXT NOT NULL, -- JSON array of host patterns; empty: any that is permitted
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (store_id, name)
);

ALTER TABLE sandboxes ADD COLUMN egress TEXT NOT NULL DEFAULT '{}'; -- JSON: what it may send (model.egress.Egress)
ALTER TABLE checkpoints ADD COLUMN egress TEXT NOT NULL DEFAULT '{}'; -- of its sandbox: what its forks begin with

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    at BIGINT NOT NULL,
    actor TEXT NOT NULL, -- a key's prefix and name, a person's e-mail address, or `host`
    actor_kind TEXT NOT NULL, -- key, person, host
    address TEXT NOT NULL, -- empty: on the host itself
    call TEXT NOT NULL, -- name of the call of the API, or of what was done on the dashboard or the host
    object TEXT NOT NULL, -- ids from the outside in, with slashes between them
    status BIGINT NOT NULL, -- of HTTP; 0: on the host
    request_id TEXT NOT NULL
);
CREATE INDEX audit_by_organization ON audit (org_id, at, id);
CREATE INDEX audit_by_time ON audit (at);

-- Memory between these follows what it uses; null: it does not.
ALTER TABLE sandboxes ADD COLUMN autoscale_min_mb BIGINT;
ALTER TABLE sandboxes ADD COLUMN autoscale_max_mb BIGINT;
ALTER TABLE sandboxes ADD COLUMN scaling_locked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sandboxes ADD COLUMN scaling TEXT; -- JSON: the size that it is being given (store.scaling.Scale)
