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
    body     bytea NOT NULL,
    -- What holds it back beside its time: the limit it counts under, its line, and whether that waits for it if it dies.
    limit_key text COLLATE "C",
    order_key text COLLATE "C",
    holds     boolean
);
-- Bodies are sealed, so trying to compress them is wasted.
ALTER TABLE queue_jobs ALTER COLUMN body SET STORAGE EXTERNAL;

-- What may start now, as runs of consecutive `seq` without holes. lane = queue + 10 × crashes. Jobs without a limit key
-- have the empty one.
CREATE TABLE queue_ready (
    lane      smallint NOT NULL,
    tenant    uuid NOT NULL,
    limit_key text COLLATE "C" NOT NULL DEFAULT '',
    pos       bigint NOT NULL,
    n         integer NOT NULL CHECK (n > 0),
    PRIMARY KEY (lane, limit_key, tenant, pos)
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
    queue     smallint NOT NULL,
    run_at    bigint NOT NULL,
    seq       bigint NOT NULL,
    lane      smallint NOT NULL,
    tenant    uuid NOT NULL,
    limit_key text COLLATE "C",
    -- It stands in a line, or joins one when its time has come.
    ordered   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (queue, run_at, seq)
);

-- What waits behind a gate.
CREATE TABLE queue_parked (
    seq       bigint PRIMARY KEY,
    lane      smallint NOT NULL,
    tenant    uuid NOT NULL,
    gate      text NOT NULL,
    limit_key text COLLATE "C"
);
CREATE INDEX queue_parked_gate ON queue_parked (lane, gate);

-- What limit keys allow. Also holds keys without a limit that are cooled.
CREATE TABLE queue_limits (
    queue       smallint NOT NULL,
    limit_key   text COLLATE "C" NOT NULL,
    concurrency bigint,
    rate_count  bigint,
    rate_per_us bigint,
    -- The theoretical arrival time of the rate, in microseconds.
    arrival_us  bigint NOT NULL DEFAULT 0,
    cool_until  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, limit_key)
) WITH (fillfactor = 50);
CREATE INDEX queue_limits_cooled ON queue_limits (queue, cool_until) WHERE concurrency IS NULL AND rate_count IS NULL;

-- The runs under leases whose jobs count under a limit key. Settled jobs are holes in them.
CREATE TABLE queue_uses (
    queue     smallint NOT NULL,
    limit_key text COLLATE "C" NOT NULL,
    first     bigint NOT NULL,
    n         integer NOT NULL,
    lease     bigint NOT NULL REFERENCES queue_leases ON DELETE CASCADE,
    PRIMARY KEY (queue, limit_key, first)
);
CREATE INDEX queue_uses_lease ON queue_uses (lease);

-- Which limit keys have ready jobs in a lane and are not known to be closed; one row for each call that made some ready.
CREATE TABLE queue_turns (
    lane      smallint NOT NULL,
    limit_key text COLLATE "C" NOT NULL,
    number    bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (lane, limit_key, number)
);

-- Which limit keys have ready jobs in a lane and were found closed: by rate or cooling until `opens_at`, or by their
-- concurrency (`is_full`) until one of their jobs ends; these are looked at again at `opens_at` all the same.
CREATE TABLE queue_closed (
    lane      smallint NOT NULL,
    limit_key text COLLATE "C" NOT NULL,
    opens_at  bigint NOT NULL,
    is_full   boolean NOT NULL,
    PRIMARY KEY (lane, limit_key)
);
-- Partial, so that neither can be taken to look for a key, which to the planner seems as good as long as the table is small.
CREATE INDEX queue_closed_opens ON queue_closed (lane, opens_at) WHERE NOT is_full;
CREATE INDEX queue_closed_full ON queue_closed (lane, opens_at) WHERE is_full;

-- Who goes first in each line; alive or, in a line that waits for it, dead.
CREATE TABLE queue_lines (
    queue     smallint NOT NULL,
    tenant    uuid NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    head      uuid NOT NULL,
    PRIMARY KEY (queue, tenant, order_key)
);

-- What waits behind the head of its line, in the order of `place`.
CREATE TABLE queue_behind (
    queue     smallint NOT NULL,
    tenant    uuid NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    place     bigint GENERATED ALWAYS AS IDENTITY,
    seq       bigint NOT NULL,
    PRIMARY KEY (queue, tenant, order_key, place)
);
CREATE UNIQUE INDEX queue_behind_seq ON queue_behind (seq);

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
    body     bytea NOT NULL,
    limit_key text COLLATE "C",
    order_key text COLLATE "C",
    holds     boolean
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
ALTER TABLE queue_uses SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_turns SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_closed SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_limits SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_lines SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE queue_behind SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
