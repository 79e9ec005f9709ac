-- Leases of guards: who may interrupt its host as a member of a cluster, and who waits for that. No lease has an end
-- of its own: its holder gives it back, or an operator takes it.
CREATE TABLE leases (
    guard TEXT NOT NULL,
    host TEXT NOT NULL,
    -- 1 where the host holds it, 0 where it waits.
    held BIGINT NOT NULL,
    -- The members of the guard in the host's catalog, as JSON.
    members TEXT NOT NULL,
    run TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    -- Until when its agent waits for the answer.
    asking_until_ms BIGINT NOT NULL,
    -- Of the other members' proofs those count that answer this demand or a later one.
    demand BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (guard, host)
);
-- The newest proof of each member.
CREATE TABLE proofs (
    guard TEXT NOT NULL,
    host TEXT NOT NULL,
    demand BIGINT NOT NULL,
    found TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (guard, host)
);
-- The number of the newest demand. Whoever changes leases holds this row.
CREATE TABLE demands (
    number BIGINT NOT NULL
);
INSERT INTO demands (number) VALUES (0);
