-- The queue's tables. How they work together stands at the top of crates/queue/src/sql/mod.rs.

-- One row per unique key ever used, kept for some days after its job ended. The id is derived from the key.
CREATE TABLE queue_keys (
    id  uuid PRIMARY KEY,
    seq bigint NOT NULL,
    day integer NOT NULL
);
CREATE INDEX queue_keys_day ON queue_keys (day);

-- The jobs that have not ended. `seq` is where a job is kept; it gets a new one whenever it must not belong to its last
-- lease any more. `run_at` is when it is or was due, if it ever had to wait for a time.
CREATE TABLE queue_jobs (
    seq      bigint PRIMARY KEY,
    run_at   bigint,
    attempts integer NOT NULL DEFAULT 0,
    queue    smallint NOT NULL,
    crashes  smallint NOT NULL DEFAULT 0,
    id       uuid NOT NULL,
    tenant   uuid NOT NULL,
    body     bytea NOT NULL
);
-- Bodies are sealed, so trying to compress them is wasted.
ALTER TABLE queue_jobs ALTER COLUMN body SET STORAGE EXTERNAL;

-- What may start now, as runs of consecutive `seq` without holes. lane = queue + 10 × crashes.
CREATE TABLE queue_ready (
    lane   smallint NOT NULL,
    tenant uuid NOT NULL,
    pos    bigint NOT NULL,
    n      integer NOT NULL CHECK (n > 0),
    PRIMARY KEY (lane, tenant, pos)
);

-- What runs: one row per claim. Settled jobs are holes in its runs.
CREATE TABLE queue_leases (
    id      bigint PRIMARY KEY,
    lane    smallint NOT NULL,
    session uuid NOT NULL,
    until   bigint NOT NULL,
    tenants uuid[] NOT NULL,
    firsts  bigint[] NOT NULL,
    lens    integer[] NOT NULL,
    -- Numbers of jobs that were cancelled while they ran under this lease.
    cancelled bigint[] NOT NULL DEFAULT '{}'
);

-- What waits for its time.
CREATE TABLE queue_later (
    queue  smallint NOT NULL,
    run_at bigint NOT NULL,
    seq    bigint NOT NULL,
    lane   smallint NOT NULL,
    tenant uuid NOT NULL,
    PRIMARY KEY (queue, run_at, seq)
);

-- What waits behind a gate.
CREATE TABLE queue_parked (
    seq    bigint PRIMARY KEY,
    lane   smallint NOT NULL,
    tenant uuid NOT NULL,
    gate   text NOT NULL
);
CREATE INDEX queue_parked_gate ON queue_parked (gate);

-- Every failed attempt of jobs that live or are dead, in the order of `number`.
CREATE TABLE queue_errors (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      uuid NOT NULL,
    attempt integer NOT NULL,
    at      bigint NOT NULL,
    error   text NOT NULL
);
CREATE INDEX queue_errors_id ON queue_errors (id);

CREATE TABLE queue_dead (
    id       uuid PRIMARY KEY,
    queue    smallint NOT NULL,
    crashes  smallint NOT NULL,
    attempts integer NOT NULL,
    died_at  bigint NOT NULL,
    tenant   uuid NOT NULL,
    reason   text NOT NULL,
    body     bytea NOT NULL
);
ALTER TABLE queue_dead ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX queue_dead_died ON queue_dead (died_at, id);

-- Switches: a row `paused:QUEUE` stops claims.
CREATE TABLE queue_control (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- Running jobs that their workers shall stop.
CREATE TABLE queue_cancels (
    id uuid PRIMARY KEY,
    at bigint NOT NULL
);

CREATE TABLE queue_counters (
    queue smallint NOT NULL,
    kind  text NOT NULL,
    name  text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (queue, kind, name)
) WITH (fillfactor = 50);

CREATE TABLE queue_workers (
    session uuid PRIMARY KEY,
    info    text NOT NULL,
    until   bigint NOT NULL
) WITH (fillfactor = 50);

-- One number reserves the 2047 after it (before it, at the front), which is more than one call ever needs.
CREATE SEQUENCE queue_blocks START 2048 INCREMENT 2048;
CREATE SEQUENCE queue_front START -2048 INCREMENT -2048 MINVALUE -9223372036854775807 MAXVALUE -1;
-- Claim numbers: never the same one twice.
CREATE SEQUENCE queue_claims;

-- These tables turn over completely all day long. The default (a fifth of the table, with pauses) would let dead rows
-- outnumber the living many times.
ALTER TABLE queue_jobs SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_ready SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_later SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_leases SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_counters SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
