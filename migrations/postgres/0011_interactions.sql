-- Interactions that people work on: whose they are, what they are about, what became of them, and who is told when one is
-- overdue. As before: times in milliseconds, UTC; what people wrote is sealed.

-- Until now an assignee was any text, which nothing could set; from here on it is a member of the tenant.
ALTER TABLE interactions
    DROP COLUMN assignee,
    ADD COLUMN assignee UUID,
    -- The same, and zeros for nobody, so that an index has nobody's work in order, too.
    ADD COLUMN holder UUID NOT NULL
        GENERATED ALWAYS AS (COALESCE(assignee, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
    -- Sealed, both.
    ADD COLUMN title BYTEA,
    ADD COLUMN note BYTEA,
    -- Grows with everything that people change.
    ADD COLUMN version BIGINT NOT NULL DEFAULT 1 CHECK (version > 0),
    -- The message that tells it.
    ADD COLUMN told_by UUID,
    -- Why nobody could be told that it is overdue.
    ADD COLUMN warning TEXT CHECK (warning IN ('no_channel', 'no_route', 'not_delivered')),
    ADD UNIQUE (tenant_id, id),
    -- Whoever leaves has no work any more before their membership ends.
    ADD FOREIGN KEY (tenant_id, assignee) REFERENCES memberships (tenant_id, user_id);

DROP INDEX interactions_due;
-- All of a tenant's, newest first: interactions_newest. Of a status, of somebody, of both:
CREATE INDEX interactions_status ON interactions (tenant_id, status, created_at DESC, id DESC);
CREATE INDEX interactions_holder ON interactions (tenant_id, holder, created_at DESC, id DESC);
CREATE INDEX interactions_holder_status ON interactions (tenant_id, holder, status, created_at DESC, id DESC);
-- Open work by the time of its next action, of everybody and of somebody; and what has none.
CREATE INDEX interactions_planned ON interactions (tenant_id, status, next_action_at, id)
    WHERE next_action_at IS NOT NULL AND status <> 'done';
CREATE INDEX interactions_holder_planned ON interactions (tenant_id, holder, status, next_action_at, id)
    WHERE next_action_at IS NOT NULL AND status <> 'done';
CREATE INDEX interactions_unplanned ON interactions (tenant_id, status, created_at DESC, id DESC)
    WHERE next_action_at IS NULL AND status <> 'done';
CREATE INDEX interactions_holder_unplanned ON interactions (tenant_id, holder, status, created_at DESC, id DESC)
    WHERE next_action_at IS NULL AND status <> 'done';
-- What somebody is to be told about, of all tenants.
CREATE INDEX interactions_to_remind ON interactions (next_action_at, id)
    WHERE notified_at IS NULL AND assignee IS NOT NULL AND next_action_at IS NOT NULL AND status <> 'done';
-- What a message told, should it not arrive.
CREATE INDEX interactions_told_by ON interactions (tenant_id, told_by, id) WHERE told_by IS NOT NULL;
-- For members who leave.
CREATE INDEX interactions_assignee ON interactions (tenant_id, assignee) WHERE assignee IS NOT NULL;

-- Every change that a person made, and what stood there before and after.
CREATE TABLE interaction_changes (
    tenant_id      UUID NOT NULL,
    interaction_id UUID NOT NULL,
    -- That the change made.
    version        BIGINT NOT NULL,
    at             BIGINT NOT NULL,
    actor          TEXT NOT NULL CHECK (actor <> ''),
    field          TEXT NOT NULL CHECK (field IN ('created', 'status', 'assignee', 'next_action_at')),
    before         TEXT,
    after          TEXT,
    PRIMARY KEY (tenant_id, interaction_id, version),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE
);

-- What an interaction is found by: keyed hashes of the words of its texts and of how they begin.
CREATE TABLE interaction_words (
    tenant_id      UUID NOT NULL,
    word_hash      BYTEA NOT NULL CHECK (length(word_hash) = 16),
    -- The interaction's, so that what is found is in the list's order.
    created_at     BIGINT NOT NULL,
    interaction_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, word_hash, created_at, interaction_id),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX interaction_words_interaction ON interaction_words (tenant_id, interaction_id);

-- Whom something is still to be told about: written with the mark in notified_at, removed when a message is on its way.
CREATE TABLE reminders (
    tenant_id      UUID NOT NULL,
    interaction_id UUID NOT NULL,
    -- The next action's time that passed.
    due_at         BIGINT NOT NULL,
    assignee       UUID NOT NULL,
    -- Those that are told together. Once it stands it stays, so that telling again tells the same.
    batch          UUID,
    is_digest      BOOLEAN,
    PRIMARY KEY (tenant_id, interaction_id, due_at),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, assignee) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
    CHECK ((batch IS NULL) = (is_digest IS NULL))
);

CREATE INDEX reminders_assignee ON reminders (tenant_id, assignee, batch);

ALTER TABLE tenant_settings
    -- Whose clock a day is of; none: that of the quiet hours, or UTC.
    ADD COLUMN time_zone TEXT,
    -- More reminders than this come in one message.
    ADD COLUMN digest_over BIGINT NOT NULL DEFAULT 3 CHECK (digest_over >= 0);

-- Whether it goes to somebody who works for the tenant, and so says nothing about a lead.
ALTER TABLE messages ADD COLUMN to_member BOOLEAN NOT NULL DEFAULT FALSE;
