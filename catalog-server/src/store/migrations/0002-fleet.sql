-- What hosts say of themselves, what they were given, and what came of it.
CREATE TABLE facts (
    host TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    facts TEXT NOT NULL,
    received_ms BIGINT NOT NULL
);
-- The last catalogs of each host: what it may read, and what was declared in them.
CREATE TABLE deliveries (
    number NUMBERED,
    host TEXT NOT NULL,
    catalog TEXT NOT NULL,
    environment TEXT NOT NULL,
    revision TEXT NOT NULL,
    delivered_ms BIGINT NOT NULL,
    definitions BLOB NOT NULL,
    contents BLOB NOT NULL
);
CREATE INDEX deliveries_of_host ON deliveries (host, number);
-- The newest word of each host, by which gates are judged.
CREATE TABLE words (
    host TEXT PRIMARY KEY,
    word TEXT NOT NULL
);
-- The body of a report in which nothing happened is not kept.
CREATE TABLE reports (
    number NUMBERED,
    host TEXT NOT NULL,
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    received_ms BIGINT NOT NULL,
    quiet BIGINT NOT NULL,
    condition TEXT NOT NULL,
    summary TEXT NOT NULL,
    body BLOB,
    UNIQUE (host, id)
);
CREATE INDEX reports_of_host ON reports (host, number);
CREATE INDEX reports_by_age ON reports (quiet, received_ms);
-- In which reports a resource was not simply unchanged.
CREATE TABLE history (
    host TEXT NOT NULL,
    address TEXT NOT NULL,
    report BIGINT NOT NULL,
    PRIMARY KEY (host, address, report)
);
CREATE INDEX history_of_report ON history (report);
-- How each host is, by its newest report.
CREATE TABLE statuses (
    host TEXT PRIMARY KEY,
    condition TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    silent_ms BIGINT NOT NULL,
    oldest_owed_ms BIGINT,
    series TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    missing BIGINT NOT NULL,
    summary TEXT NOT NULL,
    waiting_for TEXT NOT NULL,
    -- What of it has not become news yet.
    awaited TEXT NOT NULL,
    owed TEXT NOT NULL
);
CREATE TABLE news (
    number NUMBERED,
    host TEXT NOT NULL,
    news TEXT NOT NULL
);
CREATE INDEX news_of_host ON news (host, number);
CREATE TABLE environments (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL
);
