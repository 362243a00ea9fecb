-- Scores over time: by which rules they change, what goes of them with every week, when a lead becomes hot; and what is kept of
-- what is old. As before: times in milliseconds, UTC; what is secret is sealed; everything hangs on its tenant.

-- By which rules a tenant's scores change. One without a row never said.
CREATE TABLE score_rules (
    tenant_id      BLOB PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    first_open     INTEGER NOT NULL CHECK (first_open BETWEEN 0 AND 1000),
    repeated_open  INTEGER NOT NULL CHECK (repeated_open BETWEEN 0 AND 1000),
    first_click    INTEGER NOT NULL CHECK (first_click BETWEEN 0 AND 1000),
    repeated_click INTEGER NOT NULL CHECK (repeated_click BETWEEN 0 AND 1000),
    bounce         INTEGER NOT NULL CHECK (bounce BETWEEN -1000 AND 0),
    decay_percent  INTEGER NOT NULL CHECK (decay_percent BETWEEN 0 AND 100),
    -- The week in which that share was said, counted from that of 1970-01-01. Weeks until then take nothing by it.
    decay_since    INTEGER NOT NULL,
    -- From which score on a lead is hot, if somebody is to be told.
    hot_from       INTEGER CHECK (hot_from > 0),
    -- Sealed, both: where hot leads are told, and what that is signed with.
    hook_url       BLOB,
    hook_secret    BLOB,
    updated_at     INTEGER NOT NULL,
    CHECK ((hook_url IS NULL) = (hook_secret IS NULL))
) STRICT;

-- The last week that took its share, counted from that of 1970-01-01. 0: unknown, as of every score of before this; weeks
-- until the first that is known take nothing.
ALTER TABLE lead_scores ADD COLUMN decayed_week INTEGER NOT NULL DEFAULT 0;

-- What is to lose a share.
CREATE INDEX lead_scores_decay ON lead_scores (tenant_id, decayed_week, contact_id) WHERE score > 0;
CREATE INDEX lead_scores_idle ON lead_scores (tenant_id, last_event_at, contact_id);

-- By how much the score moved, which is less than the points where it would have gone below zero, and nothing where what moved
-- it stands in lines of its own. NULL: in lines of before this.
ALTER TABLE lead_ledger ADD COLUMN moved INTEGER;

-- When a lead became hot: once for each time that its score rose from below.
CREATE TABLE lead_crossings (
    id         BLOB PRIMARY KEY,
    tenant_id  BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    score      INTEGER NOT NULL,
    hot_from   INTEGER NOT NULL,
    crossed_at INTEGER NOT NULL,
    -- When the job that tells it was added.
    handed_at  INTEGER,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX lead_crossings_contact ON lead_crossings (tenant_id, contact_id);
CREATE INDEX lead_crossings_waiting ON lead_crossings (crossed_at, id) WHERE handed_at IS NULL;
CREATE INDEX lead_crossings_oldest ON lead_crossings (crossed_at) WHERE handed_at IS NOT NULL;

-- What is left of scores of which nothing was heard for long, and of their ledgers: sums.
CREATE TABLE lead_archive (
    entry         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id     BLOB NOT NULL,
    contact_id    BLOB NOT NULL,
    score         INTEGER NOT NULL CHECK (score >= 0),
    last_event_at INTEGER NOT NULL,
    -- JSON: for each reason, how many lines there were and by how much they moved the score.
    reasons       TEXT NOT NULL,
    archived_at   INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX lead_archive_contact ON lead_archive (tenant_id, contact_id, entry);

-- How many rows of what went because of their age, ever. They are counted before they go, in the same transaction.
CREATE TABLE retention_totals (
    kind TEXT PRIMARY KEY CHECK (kind <> ''),
    gone INTEGER NOT NULL CHECK (gone >= 0)
) STRICT;
