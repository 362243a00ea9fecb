-- Alerts: what goes wrong with the installation, since when, and who was told. Times in milliseconds, UTC. Nothing here is any
-- tenant's but the counts of failed signatures, which go with their endpoint.

-- What is remembered from one look to the next; one row. Whoever looks writes it if nobody else did since it was read.
CREATE TABLE alert_watch (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    version   BIGINT NOT NULL,
    -- JSON.
    memory    TEXT NOT NULL,
    looked_at BIGINT NOT NULL
);

INSERT INTO alert_watch (id, version, memory, looked_at) VALUES (1, 0, '{}', 0);

CREATE TABLE alerts (
    id           UUID PRIMARY KEY,
    rule         TEXT NOT NULL CHECK (rule <> ''),
    -- A queue's name, an endpoint's or an account's id.
    subject      TEXT NOT NULL CHECK (subject <> ''),
    -- What was found last while it fired.
    value        BIGINT NOT NULL,
    since        BIGINT NOT NULL,
    fired_at     BIGINT NOT NULL,
    recovered_at BIGINT
);

CREATE UNIQUE INDEX alerts_firing ON alerts (rule, subject) WHERE recovered_at IS NULL;
CREATE INDEX alerts_fired ON alerts (fired_at, id);

-- What is to be told, to whom, and whether it was.
CREATE TABLE alert_notices (
    alert_id    UUID NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    change      TEXT NOT NULL CHECK (change IN ('fired', 'recovered')),
    destination TEXT NOT NULL CHECK (destination <> ''),
    -- What was found then.
    value       BIGINT NOT NULL,
    made_at     BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    -- When to try, or to try again if nothing is heard of who does. NULL: told, or given up.
    next_at     BIGINT,
    told_at     BIGINT,
    PRIMARY KEY (alert_id, change, destination)
);

CREATE INDEX alert_notices_due ON alert_notices (next_at) WHERE next_at IS NOT NULL;

-- How many notices ended how, ever.
CREATE TABLE alert_totals (
    destination TEXT NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('told', 'given_up')),
    notices     BIGINT NOT NULL CHECK (notices >= 0),
    PRIMARY KEY (destination, outcome)
);

-- How many requests to an endpoint had no good signature, by minute, counted from 1970-01-01.
CREATE TABLE signature_failures (
    endpoint_id UUID NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    minute      BIGINT NOT NULL,
    failures    BIGINT NOT NULL CHECK (failures > 0),
    PRIMARY KEY (endpoint_id, minute)
);

CREATE INDEX signature_failures_minute ON signature_failures (minute);
