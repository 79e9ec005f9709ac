-- Who may speak to the server: hosts with their certificates, join tokens, operators.
CREATE TABLE nodes (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    environment TEXT NOT NULL,
    recipient TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    approved_by TEXT,
    revoked_ms BIGINT,
    revoked_why TEXT
);
-- Every certificate that may still be presented; what is not listed is not let in.
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    issued_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);
CREATE INDEX certificates_of_host ON certificates (host);
CREATE TABLE enrolments (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    csr TEXT NOT NULL,
    recipient TEXT NOT NULL,
    state TEXT NOT NULL,
    certificate TEXT,
    asked_ms BIGINT NOT NULL
);
CREATE INDEX enrolments_of_host ON enrolments (host);
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    host TEXT,
    environment TEXT,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    used_by TEXT
);
CREATE TABLE operators (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);
-- What people and hosts did to each other's rights, for whoever asks later.
CREATE TABLE audit (
    number NUMBERED,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
);
