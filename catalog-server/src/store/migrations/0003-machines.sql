-- Which machines spoke for each host, so that a copy of one is found.
CREATE TABLE machines (
    host TEXT PRIMARY KEY,
    machines TEXT NOT NULL,
    -- When a copy was refused last.
    copy_ms BIGINT
);
