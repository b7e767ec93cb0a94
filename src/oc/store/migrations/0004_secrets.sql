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
