-- Dead letters by what they died of.

-- Of which letters there are how many. `grp` is made of kind, reason and error (the last one, without what differs from case
-- to case); a group has a row for each queue and tenant, so that those of any filter are a few rows that are summed.
CREATE TABLE queue_dead_buckets (
    id      INTEGER PRIMARY KEY,
    grp     INTEGER NOT NULL,
    queue   INTEGER NOT NULL,
    tenant  BLOB NOT NULL,
    kind    TEXT NOT NULL,
    reason  TEXT NOT NULL,
    error   TEXT NOT NULL,
    letters INTEGER NOT NULL,
    UNIQUE (grp, queue, tenant)
) STRICT;

-- NULL: not in its bucket yet, as everything that was dead before this: the next sweep, or whoever looks, puts it there.
ALTER TABLE queue_dead ADD COLUMN bucket INTEGER;
CREATE INDEX queue_dead_bucket ON queue_dead (bucket, died_at, id);
