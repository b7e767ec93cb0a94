-- People and how they come in, logins of command lines, and preview URLs.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE, -- in lower case
    name TEXT NOT NULL,
    password_hash TEXT, -- argon2; none: comes in by OIDC only
    oidc_subject TEXT UNIQUE, -- "ISSUER SUBJECT", once they have come in by OIDC
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    org_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL, -- admin or member
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);

CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE, -- SHA-256 of the token in its link
    invited_by TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX invitations_by_organization ON invitations (org_id, created_at);

CREATE TABLE web_sessions ( -- of browsers that are signed in
    hash TEXT PRIMARY KEY, -- SHA-256 of the cookie
    user_id TEXT NOT NULL REFERENCES users (id),
    org_id TEXT NOT NULL REFERENCES organizations (id), -- that is being looked at
    csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX web_sessions_by_user ON web_sessions (user_id);

CREATE TABLE device_logins ( -- `oc login` (RFC 8628)
    hash TEXT PRIMARY KEY, -- SHA-256 of the device code
    user_code TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL, -- pending, approved, denied or taken
    address TEXT NOT NULL, -- that asked, to be shown to who approves
    user_id TEXT REFERENCES users (id),
    org_id TEXT REFERENCES organizations (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    polled_at BIGINT
);

CREATE TABLE previews (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id),
    port BIGINT NOT NULL,
    custom_hostname TEXT UNIQUE, -- in lower case; the other one is made of sandbox, port and the setting `domain`
    auth_config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (sandbox_id, port)
);

ALTER TABLE api_keys ADD COLUMN user_id TEXT REFERENCES users (id); -- who made it; none: `oc-host`
ALTER TABLE api_keys ADD COLUMN login BIGINT NOT NULL DEFAULT 0; -- 1: made by `oc login`

ALTER TABLE sandboxes ADD COLUMN preview_hash TEXT; -- SHA-256 of the token that its previews ask for; none: open
