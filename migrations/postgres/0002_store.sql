-- What is remembered. Times are milliseconds since 1970, UTC. Columns that hold what people wrote or where they can be
-- reached are sealed by the program: here they are bytes, bound to their row.
--
-- Everything hangs on its tenant, through keys that carry the tenant's id: a row cannot refer to another tenant's, and
-- deleting a tenant deletes all it has.

CREATE TABLE tenants (
    id          UUID PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE CHECK (name <> ''),
    -- Sealed. What the hashes of this tenant's addresses are keyed with.
    address_key BYTEA NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id           UUID PRIMARY KEY,
    tenant_id    UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- SHA-256; the key itself is nowhere.
    key_hash     BYTEA NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    role         TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'sales', 'member')),
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);

CREATE INDEX api_keys_tenant ON api_keys (tenant_id);

CREATE TABLE endpoints (
    id              UUID PRIMARY KEY,
    tenant_id       UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    provider        TEXT NOT NULL CHECK (provider <> ''),
    -- Sealed, both. The previous one is good too until it is retired.
    secret          BYTEA NOT NULL,
    secret_previous BYTEA,
    created_at      BIGINT NOT NULL
);

CREATE INDEX endpoints_tenant ON endpoints (tenant_id);

CREATE TABLE contacts (
    tenant_id    UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id           UUID NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('person', 'organisation')),
    -- The tenant's own id of the person or organisation.
    external_id  TEXT CHECK (external_id <> ''),
    -- Of a person known by address only: a keyed hash to find them by. The address itself is with their messages.
    address_hash BYTEA CHECK (length(address_hash) = 32),
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (kind = 'person' OR external_id IS NOT NULL),
    CHECK (external_id IS NULL OR address_hash IS NULL)
);

CREATE UNIQUE INDEX contacts_external ON contacts (tenant_id, kind, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX contacts_address ON contacts (tenant_id, address_hash) WHERE address_hash IS NOT NULL;

CREATE TABLE interactions (
    id             UUID PRIMARY KEY,
    tenant_id      UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    contact_id     UUID NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('todo', 'in_progress', 'done')),
    -- Why it exists, as one word.
    reason         TEXT NOT NULL CHECK (reason <> ''),
    assignee       TEXT,
    next_action_at BIGINT,
    notified_at    BIGINT,
    creator        TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX interactions_status ON interactions (tenant_id, status, assignee, created_at DESC, id DESC);
CREATE INDEX interactions_newest ON interactions (tenant_id, created_at DESC, id DESC);
CREATE INDEX interactions_due ON interactions (next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX interactions_assignee ON interactions (tenant_id, assignee, created_at DESC, id DESC) WHERE assignee IS NOT NULL;
CREATE INDEX interactions_contact ON interactions (tenant_id, contact_id);

CREATE TABLE messages (
    tenant_id         UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                UUID NOT NULL,
    channel           TEXT NOT NULL CHECK (channel IN ('email')),
    provider          TEXT NOT NULL CHECK (provider <> ''),
    external_id       TEXT NOT NULL CHECK (external_id <> ''),
    -- A person or an organisation; a contact without a name is made for a message that names nobody.
    contact_id        UUID NOT NULL,
    status            TEXT NOT NULL DEFAULT 'queued' CHECK (status IN
                          ('queued', 'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained')),
    sent_count        BIGINT NOT NULL DEFAULT 0 CHECK (sent_count >= 0),
    delivered_count   BIGINT NOT NULL DEFAULT 0 CHECK (delivered_count >= 0),
    open_count        BIGINT NOT NULL DEFAULT 0 CHECK (open_count >= 0),
    click_count       BIGINT NOT NULL DEFAULT 0 CHECK (click_count >= 0),
    bounce_count      BIGINT NOT NULL DEFAULT 0 CHECK (bounce_count >= 0),
    complaint_count   BIGINT NOT NULL DEFAULT 0 CHECK (complaint_count >= 0),
    unsubscribe_count BIGINT NOT NULL DEFAULT 0 CHECK (unsubscribe_count >= 0),
    first_event_at    BIGINT,
    last_event_at     BIGINT,
    first_opened_at   BIGINT,
    last_opened_at    BIGINT,
    first_clicked_at  BIGINT,
    last_clicked_at   BIGINT,
    -- Sealed, both.
    subject           BYTEA,
    recipient         BYTEA,
    interaction_id    UUID REFERENCES interactions (id) ON DELETE SET NULL,
    created_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, external_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX messages_newest ON messages (tenant_id, created_at DESC, id DESC);
CREATE INDEX messages_contact ON messages (tenant_id, contact_id);
CREATE INDEX messages_interaction ON messages (interaction_id) WHERE interaction_id IS NOT NULL;

CREATE TABLE message_events (
    -- Derived from the endpoint and the event's identity there, which is what makes an event count once.
    id          UUID PRIMARY KEY,
    tenant_id   UUID NOT NULL,
    message_id  UUID NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN
                    ('sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained', 'unsubscribed')),
    occurred_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    -- Sealed.
    url         BYTEA,
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX message_events_message ON message_events (tenant_id, message_id, occurred_at, id);

CREATE TABLE lead_scores (
    tenant_id     UUID NOT NULL,
    contact_id    UUID NOT NULL,
    score         BIGINT NOT NULL CHECK (score >= 0),
    last_event_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX lead_scores_hot ON lead_scores (tenant_id, score DESC, contact_id) WHERE score > 0;

CREATE TABLE lead_ledger (
    -- Numbers grow in the order a contact's points were given, because the contact's row is locked meanwhile.
    entry       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   UUID NOT NULL,
    contact_id  UUID NOT NULL,
    -- What it was for, as one word.
    reason      TEXT NOT NULL CHECK (reason <> ''),
    points      BIGINT NOT NULL,
    score_after BIGINT NOT NULL CHECK (score_after >= 0),
    -- A note, not a key: the entry still explains the score when the message has been purged.
    message_id  UUID,
    recorded_at BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX lead_ledger_contact ON lead_ledger (tenant_id, contact_id, entry);
