-- What operators do with dead letters: to many of them at once, and to the payload of one. These are the installation's
-- own, so they hang on no tenant. Jobs are named by id; they live in the queue, which may be elsewhere.

CREATE TABLE bulk_actions (
    id               UUID PRIMARY KEY,
    act              TEXT NOT NULL CHECK (act IN ('retry', 'delete')),
    -- Which letters, as JSON.
    filter           TEXT NOT NULL,
    -- How many go first.
    canary           BIGINT CHECK (canary > 0),
    canary_passed_at BIGINT,
    -- Letters per second.
    rate             BIGINT NOT NULL CHECK (rate > 0),
    state            TEXT NOT NULL CHECK (state IN
                         ('running', 'watching_canary', 'watching', 'paused', 'cancelled', 'stopped', 'done')),
    -- The number of the job that works on it. What one with another number finds is somebody else's work.
    step             BIGINT NOT NULL DEFAULT 0 CHECK (step >= 0),
    -- Where the queue's list of dead letters goes on, how many were taken up since its beginning, and whether it was gone
    -- through without any.
    cursor           TEXT,
    pass_taken       BIGINT NOT NULL DEFAULT 0 CHECK (pass_taken >= 0),
    exhausted        BOOLEAN NOT NULL DEFAULT FALSE,
    -- How many letters there were when it was asked for.
    matched          BIGINT NOT NULL CHECK (matched >= 0),
    -- How many were acted on; of the retried ones, how many ended well; how many could not be acted on or died again.
    done             BIGINT NOT NULL DEFAULT 0 CHECK (done >= 0),
    ended            BIGINT NOT NULL DEFAULT 0 CHECK (ended >= 0),
    failed           BIGINT NOT NULL DEFAULT 0 CHECK (failed >= 0),
    asked_by         TEXT NOT NULL CHECK (asked_by <> ''),
    -- Who paused, resumed or cancelled it last.
    changed_by       TEXT CHECK (changed_by <> ''),
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE INDEX bulk_actions_newest ON bulk_actions (created_at DESC, id DESC);

-- The letters of an action that were taken up and not seen to end yet, and those that failed.
CREATE TABLE bulk_action_letters (
    action_id UUID NOT NULL REFERENCES bulk_actions (id) ON DELETE CASCADE,
    job_id    UUID NOT NULL,
    -- intended: about to be acted on. ready, waiting: retried, and what they were when last looked at.
    state     TEXT NOT NULL CHECK (state IN ('intended', 'ready', 'waiting', 'failed')),
    -- When to look again; of a failed one, when it was found to have failed.
    look_at   BIGINT NOT NULL,
    reason    TEXT,
    PRIMARY KEY (action_id, job_id),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
);

CREATE INDEX bulk_action_letters_look ON bulk_action_letters (action_id, state, look_at);

-- What was changed in the payloads of dead letters.
CREATE TABLE dead_letter_edits (
    id        UUID PRIMARY KEY,
    job_id    UUID NOT NULL,
    edited_by TEXT NOT NULL CHECK (edited_by <> ''),
    edited_at BIGINT NOT NULL,
    -- Sealed: what stood there before and what stands there now.
    changes   BYTEA NOT NULL
);

CREATE INDEX dead_letter_edits_job ON dead_letter_edits (job_id, edited_at, id);
CREATE INDEX dead_letter_edits_age ON dead_letter_edits (edited_at);
