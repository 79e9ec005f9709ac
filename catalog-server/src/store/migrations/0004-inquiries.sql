-- What operators ask hosts about commits, and what these answer.
CREATE TABLE inquiries (
    id TEXT PRIMARY KEY,
    about TEXT NOT NULL,
    asked_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE TABLE inquiry_hosts (
    inquiry TEXT NOT NULL,
    -- The host's place in the order of the inventory.
    place BIGINT NOT NULL,
    host TEXT NOT NULL,
    groups TEXT NOT NULL,
    told BIGINT NOT NULL,
    heard BIGINT NOT NULL,
    reply TEXT,
    PRIMARY KEY (inquiry, place)
);
CREATE INDEX inquiries_of_host ON inquiry_hosts (host, inquiry);
