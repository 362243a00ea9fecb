-- The queue's tables. How they work together stands at the top of crates/queue/src/sql/mod.rs.

-- One row per unique key ever used, kept for some days after its job ended. The id is derived from the key. The rowid is
-- `seq`, so new rows go to the end of the table and of the index on `day`.
CREATE TABLE queue_keys (
    seq INTEGER PRIMARY KEY,
    id  BLOB NOT NULL UNIQUE,
    day INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_keys_day ON queue_keys (day);

-- The jobs that have not ended. `seq` is where a job is kept; it gets a new one whenever it must not belong to its last
-- lease any more. `run_at` is when it is or was due, if it ever had to wait for a time.
CREATE TABLE queue_jobs (
    seq      INTEGER PRIMARY KEY,
    run_at   INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    queue    INTEGER NOT NULL,
    crashes  INTEGER NOT NULL DEFAULT 0,
    id       BLOB NOT NULL,
    tenant   BLOB NOT NULL,
    body     BLOB NOT NULL,
    -- What holds it back beside its time: the limit it counts under, its line, and whether that waits for it if it dies.
    limit_key TEXT,
    order_key TEXT,
    holds     INTEGER
) STRICT;

-- What may start now, as runs of consecutive `seq` without holes. lane = queue + 10 × crashes. Jobs without a limit key
-- have the empty one.
CREATE TABLE queue_ready (
    lane      INTEGER NOT NULL,
    tenant    BLOB NOT NULL,
    limit_key TEXT NOT NULL DEFAULT '',
    pos       INTEGER NOT NULL,
    n         INTEGER NOT NULL CHECK (n > 0),
    PRIMARY KEY (lane, limit_key, tenant, pos)
) STRICT, WITHOUT ROWID;

-- What runs: one row per claim. Its runs are JSON here: [[tenant in hexadecimal, first seq, length], …]; settled jobs are
-- holes in them. AUTOINCREMENT: never the same claim number twice.
CREATE TABLE queue_leases (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    lane    INTEGER NOT NULL,
    session BLOB NOT NULL,
    until   INTEGER NOT NULL,
    runs    TEXT NOT NULL
) STRICT;

-- What waits for its time.
CREATE TABLE queue_later (
    queue     INTEGER NOT NULL,
    run_at    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    lane      INTEGER NOT NULL,
    tenant    BLOB NOT NULL,
    limit_key TEXT,
    -- It stands in a line, or joins one when its time has come.
    ordered   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, run_at, seq)
) STRICT, WITHOUT ROWID;

-- What waits behind a gate.
CREATE TABLE queue_parked (
    seq       INTEGER PRIMARY KEY,
    lane      INTEGER NOT NULL,
    tenant    BLOB NOT NULL,
    gate      TEXT NOT NULL,
    limit_key TEXT
) STRICT;
CREATE INDEX queue_parked_gate ON queue_parked (lane, gate);

-- What limit keys allow. Also holds keys without a limit that are cooled.
CREATE TABLE queue_limits (
    queue       INTEGER NOT NULL,
    limit_key   TEXT NOT NULL,
    concurrency INTEGER,
    rate_count  INTEGER,
    rate_per_us INTEGER,
    -- The theoretical arrival time of the rate, in microseconds.
    arrival_us  INTEGER NOT NULL DEFAULT 0,
    cool_until  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, limit_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_limits_cooled ON queue_limits (queue, cool_until) WHERE concurrency IS NULL AND rate_count IS NULL;

-- The runs under leases whose jobs count under a limit key. Settled jobs are holes in them.
CREATE TABLE queue_uses (
    queue     INTEGER NOT NULL,
    limit_key TEXT NOT NULL,
    first     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    lease     INTEGER NOT NULL REFERENCES queue_leases ON DELETE CASCADE,
    PRIMARY KEY (queue, limit_key, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_uses_lease ON queue_uses (lease);

-- Which limit keys have ready jobs in a lane and are not known to be closed.
CREATE TABLE queue_turns (
    lane      INTEGER NOT NULL,
    limit_key TEXT NOT NULL,
    PRIMARY KEY (lane, limit_key)
) STRICT, WITHOUT ROWID;

-- Which limit keys have ready jobs in a lane and were found closed: by rate or cooling until `opens_at`, or by their
-- concurrency (`is_full`) until one of their jobs ends.
CREATE TABLE queue_closed (
    lane      INTEGER NOT NULL,
    limit_key TEXT NOT NULL,
    opens_at  INTEGER NOT NULL,
    is_full   INTEGER NOT NULL,
    PRIMARY KEY (lane, limit_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_closed_opens ON queue_closed (lane, opens_at) WHERE is_full = 0;
CREATE INDEX queue_closed_full ON queue_closed (lane, opens_at) WHERE is_full = 1;

-- Who goes first in each line; alive or, in a line that waits for it, dead.
CREATE TABLE queue_lines (
    queue     INTEGER NOT NULL,
    tenant    BLOB NOT NULL,
    order_key TEXT NOT NULL,
    head      BLOB NOT NULL,
    PRIMARY KEY (queue, tenant, order_key)
) STRICT, WITHOUT ROWID;

-- What waits behind the head of its line, in the order of `place`.
CREATE TABLE queue_behind (
    place     INTEGER PRIMARY KEY,
    queue     INTEGER NOT NULL,
    tenant    BLOB NOT NULL,
    order_key TEXT NOT NULL,
    seq       INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX queue_behind_line ON queue_behind (queue, tenant, order_key, place);

-- Every failed attempt of jobs that live or are dead, in the order of `number`.
CREATE TABLE queue_errors (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    id      BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    error   TEXT NOT NULL
) STRICT;
CREATE INDEX queue_errors_id ON queue_errors (id);

CREATE TABLE queue_dead (
    id       BLOB NOT NULL PRIMARY KEY,
    queue    INTEGER NOT NULL,
    crashes  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    died_at  INTEGER NOT NULL,
    tenant   BLOB NOT NULL,
    reason   TEXT NOT NULL,
    body     BLOB NOT NULL,
    limit_key TEXT,
    order_key TEXT,
    holds     INTEGER
) STRICT;
CREATE INDEX queue_dead_died ON queue_dead (died_at, id);

-- Switches: a row `paused:QUEUE` stops claims.
CREATE TABLE queue_control (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Running jobs that their workers shall stop.
CREATE TABLE queue_cancels (
    id BLOB NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_counters (
    queue INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (queue, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_workers (
    session BLOB NOT NULL PRIMARY KEY,
    info    TEXT NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last numbers given to `seq`: `back` counts up, `front` counts down for what goes before everything that waits.
CREATE TABLE queue_sequences (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO queue_sequences (name, value) VALUES ('back', 0), ('front', 0);
