-- Dead letters by what they died of.

-- Of which letters there are how many. `grp` is made of kind, reason and error (the last one, without what differs from case
-- to case); a group has a row for each queue and tenant, so that those of any filter are a few rows that are summed.
CREATE TABLE queue_dead_buckets (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grp     bigint NOT NULL,
    queue   smallint NOT NULL,
    tenant  uuid NOT NULL,
    kind    text NOT NULL,
    reason  text NOT NULL,
    error   text NOT NULL,
    letters bigint NOT NULL,
    UNIQUE (grp, queue, tenant)
);

-- NULL: not in its bucket yet, as everything that was dead before this: the next sweep, or whoever looks, puts it there.
ALTER TABLE queue_dead ADD COLUMN bucket bigint;
CREATE INDEX queue_dead_bucket ON queue_dead (bucket, died_at, id);

-- Few rows that are changed again and again.
ALTER TABLE queue_dead_buckets SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
