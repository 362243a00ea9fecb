-- Interactions that people work on: whose they are, what they are about, what became of them, and who is told when one is
-- overdue. As before: times in milliseconds, UTC; what people wrote is sealed.

-- Until now an assignee was any text, which nothing could set; from here on it is a member of the tenant.
CREATE TABLE interactions_0011 (
    id             BLOB PRIMARY KEY,
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    contact_id     BLOB NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('todo', 'in_progress', 'done')),
    -- Why it exists, as one word.
    reason         TEXT NOT NULL CHECK (reason <> ''),
    intent         TEXT,
    assignee       BLOB,
    -- The same, and zeros for nobody, so that an index has nobody's work in order, too.
    holder         BLOB NOT NULL GENERATED ALWAYS AS (COALESCE(assignee, x'00000000000000000000000000000000')) STORED,
    next_action_at INTEGER,
    notified_at    INTEGER,
    -- The message that tells it.
    told_by        BLOB,
    -- Why nobody could be told that it is overdue.
    warning        TEXT CHECK (warning IN ('no_channel', 'no_route', 'not_delivered')),
    -- Sealed, both.
    title          BLOB,
    note           BLOB,
    creator        TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    -- Grows with everything that people change.
    version        INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    -- Whoever leaves has no work any more before their membership ends.
    FOREIGN KEY (tenant_id, assignee) REFERENCES memberships (tenant_id, user_id)
) STRICT;

INSERT INTO interactions_0011
    (id, tenant_id, contact_id, status, reason, intent, next_action_at, notified_at, creator, created_at, updated_at)
SELECT id, tenant_id, contact_id, status, reason, intent, next_action_at, notified_at, creator, created_at, updated_at
FROM interactions;

-- Dropping a table is, to those that refer to it, deleting its rows: what they referred to is put back afterwards.
CREATE TABLE messages_0011 AS
    SELECT tenant_id, id, interaction_id FROM messages WHERE interaction_id IS NOT NULL;
CREATE TABLE inbound_messages_0011 AS
    SELECT id, interaction_id FROM inbound_messages WHERE interaction_id IS NOT NULL;
DROP TABLE interactions;
ALTER TABLE interactions_0011 RENAME TO interactions;
UPDATE messages SET interaction_id = kept.interaction_id FROM messages_0011 kept
    WHERE messages.tenant_id = kept.tenant_id AND messages.id = kept.id;
UPDATE inbound_messages SET interaction_id = kept.interaction_id FROM inbound_messages_0011 kept
    WHERE inbound_messages.id = kept.id;
DROP TABLE messages_0011;
DROP TABLE inbound_messages_0011;

CREATE INDEX interactions_newest ON interactions (tenant_id, created_at DESC, id DESC);
CREATE INDEX interactions_contact ON interactions (tenant_id, contact_id);
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
    tenant_id      BLOB NOT NULL,
    interaction_id BLOB NOT NULL,
    -- That the change made.
    version        INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    actor          TEXT NOT NULL CHECK (actor <> ''),
    field          TEXT NOT NULL CHECK (field IN ('created', 'status', 'assignee', 'next_action_at')),
    before         TEXT,
    after          TEXT,
    PRIMARY KEY (tenant_id, interaction_id, version),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- What an interaction is found by: keyed hashes of the words of its texts and of how they begin.
CREATE TABLE interaction_words (
    tenant_id      BLOB NOT NULL,
    word_hash      BLOB NOT NULL CHECK (length(word_hash) = 16),
    -- The interaction's, so that what is found is in the list's order.
    created_at     INTEGER NOT NULL,
    interaction_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, word_hash, created_at, interaction_id),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX interaction_words_interaction ON interaction_words (tenant_id, interaction_id);

-- Whom something is still to be told about: written with the mark in notified_at, removed when a message is on its way.
CREATE TABLE reminders (
    tenant_id      BLOB NOT NULL,
    interaction_id BLOB NOT NULL,
    -- The next action's time that passed.
    due_at         INTEGER NOT NULL,
    assignee       BLOB NOT NULL,
    -- Those that are told together. Once it stands it stays, so that telling again tells the same.
    batch          BLOB,
    is_digest      INTEGER,
    PRIMARY KEY (tenant_id, interaction_id, due_at),
    FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, assignee) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
    CHECK ((batch IS NULL) = (is_digest IS NULL))
) STRICT;

CREATE INDEX reminders_assignee ON reminders (tenant_id, assignee, batch);

-- Whose clock a day is of; none: that of the quiet hours, or UTC.
ALTER TABLE tenant_settings ADD COLUMN time_zone TEXT;
-- More reminders than this come in one message.
ALTER TABLE tenant_settings ADD COLUMN digest_over INTEGER NOT NULL DEFAULT 3 CHECK (digest_over >= 0);

-- Whether it goes to somebody who works for the tenant, and so says nothing about a lead.
ALTER TABLE messages ADD COLUMN to_member INTEGER NOT NULL DEFAULT FALSE CHECK (to_member IN (FALSE, TRUE));
