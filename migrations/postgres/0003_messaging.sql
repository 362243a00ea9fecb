-- Messages that go out and what came of trying, everything that is reported of them, and what decides whether, how and
-- to whom. As before: times in milliseconds, UTC; what people wrote or where they can be reached is sealed, or a keyed
-- hash to find it by; everything hangs on its tenant.

ALTER TABLE messages
    DROP CONSTRAINT messages_channel_check,
    DROP CONSTRAINT messages_status_check,
    -- Who carries it, or was asked to last. Of a message that nobody was asked to carry yet: none.
    ALTER COLUMN provider DROP NOT NULL,
    ALTER COLUMN external_id DROP NOT NULL,
    -- The figures of delivery_daily that count it, one bit each.
    ADD COLUMN figures BIGINT NOT NULL DEFAULT 0,
    -- The latest code of what went wrong.
    ADD COLUMN error_code TEXT,
    -- Sealed, as subject and recipient are.
    ADD COLUMN content BYTEA,
    -- A keyed hash of the recipient, to find messages by.
    ADD COLUMN recipient_hash BYTEA CHECK (length(recipient_hash) = 32),
    -- Of a message that was only ever reported, everything from here to attempt_state is unknown.
    ADD COLUMN class TEXT CHECK (class IN ('transactional', 'code', 'marketing', 'critical')),
    ADD COLUMN fingerprint BYTEA CHECK (length(fingerprint) = 32),
    ADD COLUMN language TEXT,
    ADD COLUMN template_name TEXT,
    ADD COLUMN template_version BIGINT CHECK (template_version > 0),
    -- A JSON array of texts.
    ADD COLUMN tags TEXT,
    ADD COLUMN scheduled_at BIGINT,
    -- The last attempt to send it.
    ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN attempt_state TEXT CHECK (attempt_state IN ('intended', 'sent', 'rejected', 'not_sent', 'unclear')),
    -- When its provider was last heard of or asked, as long as something is to come of it.
    ADD COLUMN looked_at BIGINT,
    ADD CONSTRAINT messages_channel_check CHECK (channel IN ('email', 'sms', 'whatsapp')),
    ADD CONSTRAINT messages_status_check CHECK (status IN
        ('queued', 'accepted', 'sending', 'sent', 'canceled', 'expired', 'failed', 'undelivered', 'delivered', 'read',
         'opened', 'clicked', 'bounced', 'complained')),
    ADD CHECK (external_id IS NULL OR provider IS NOT NULL),
    ADD CHECK ((class IS NULL) = (fingerprint IS NULL)),
    ADD CHECK ((template_name IS NULL) = (template_version IS NULL)),
    ADD CHECK ((attempts = 0) = (attempt_state IS NULL));

-- Until now whatever had happened to a message had left a count. Its bits: accepted 1, sent 2, delivered 4, opened 16,
-- clicked 32, bounced 256, complained 512, unsubscribed 1024; and what arrived had been sent.
UPDATE messages message SET
    figures = CASE WHEN message.sent_count > 0 THEN 1 + 2 ELSE 0 END
        | CASE WHEN message.delivered_count > 0 THEN 1 + 2 + 4 ELSE 0 END
        | CASE WHEN message.open_count > 0 THEN 1 + 2 + 4 + 16 ELSE 0 END
        | CASE WHEN message.click_count > 0 THEN 1 + 2 + 4 + 32 ELSE 0 END
        | CASE WHEN message.bounce_count > 0 THEN 1 + 2 + 256 ELSE 0 END
        | CASE WHEN message.complaint_count > 0 THEN 1 + 2 + 4 + 512 ELSE 0 END
        | CASE WHEN message.unsubscribe_count > 0 THEN 1024 ELSE 0 END,
    recipient_hash = CASE WHEN message.recipient IS NOT NULL THEN contact.address_hash END
FROM contacts contact
WHERE contact.tenant_id = message.tenant_id AND contact.id = message.contact_id;

CREATE INDEX messages_recipient ON messages (tenant_id, recipient_hash, created_at DESC, id DESC)
    WHERE recipient_hash IS NOT NULL;
CREATE INDEX messages_open ON messages (looked_at) WHERE looked_at IS NOT NULL;

ALTER TABLE message_events
    DROP CONSTRAINT message_events_kind_check,
    -- None when the event names no message.
    ALTER COLUMN message_id DROP NOT NULL,
    -- Who told it, and in which word; none when we found it out ourselves.
    ADD COLUMN provider TEXT,
    ADD COLUMN word TEXT,
    ADD COLUMN error_code TEXT,
    ADD COLUMN permanence TEXT CHECK (permanence IN ('permanent', 'transient')),
    -- What a failure says of the recipient.
    ADD COLUMN cause TEXT,
    ADD COLUMN by_machine BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN recipient_hash BYTEA CHECK (length(recipient_hash) = 32),
    -- Sealed, as the link is.
    ADD COLUMN raw BYTEA,
    ADD CONSTRAINT message_events_kind_check CHECK (kind IN
        ('accepted', 'sending', 'sent', 'delayed', 'delivered', 'read', 'opened', 'clicked', 'canceled', 'expired',
         'failed', 'undelivered', 'dropped', 'bounced', 'complained', 'unsubscribed', 'resubscribed', 'rejected',
         'not_sent', 'unclear', 'suppressed')),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE;

UPDATE message_events event SET provider = message.provider, word = event.kind
FROM messages message
WHERE message.tenant_id = event.tenant_id AND message.id = event.message_id;

-- Every call to a provider that was to send a message: written before it is made, completed after it.
CREATE TABLE message_attempts (
    tenant_id     UUID NOT NULL,
    message_id    UUID NOT NULL,
    -- Counted from 1.
    number        BIGINT NOT NULL CHECK (number > 0),
    provider      TEXT NOT NULL CHECK (provider <> ''),
    -- A note, not a key: the attempt still says how it was made when the credentials are gone.
    credential_id UUID,
    state         TEXT NOT NULL CHECK (state IN ('intended', 'sent', 'rejected', 'not_sent', 'unclear')),
    external_id   TEXT CHECK (external_id <> ''),
    code          TEXT,
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    PRIMARY KEY (tenant_id, message_id, number),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'intended') = (ended_at IS NULL)),
    CHECK ((state = 'sent') = (external_id IS NOT NULL))
);

CREATE INDEX message_attempts_external ON message_attempts (tenant_id, provider, external_id)
    WHERE external_id IS NOT NULL;

-- How many messages of a day came how far. A row is split into shards, so that messages of one tenant that are written
-- at once do not wait for each other.
CREATE TABLE delivery_daily (
    tenant_id    UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Days since 1970: that on which the message was begun.
    day          BIGINT NOT NULL,
    channel      TEXT NOT NULL,
    provider     TEXT NOT NULL,
    shard        BIGINT NOT NULL,
    accepted     BIGINT NOT NULL,
    sent         BIGINT NOT NULL,
    delivered    BIGINT NOT NULL,
    read         BIGINT NOT NULL,
    opened       BIGINT NOT NULL,
    clicked      BIGINT NOT NULL,
    failed       BIGINT NOT NULL,
    undelivered  BIGINT NOT NULL,
    bounced      BIGINT NOT NULL,
    complained   BIGINT NOT NULL,
    unsubscribed BIGINT NOT NULL,
    canceled     BIGINT NOT NULL,
    expired      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, channel, provider, shard)
);

INSERT INTO delivery_daily
    (tenant_id, day, channel, provider, shard, accepted, sent, delivered, read, opened, clicked, failed, undelivered,
     bounced, complained, unsubscribed, canceled, expired)
SELECT tenant_id, created_at / 86400000, channel, provider, 0, SUM(figures & 1), SUM((figures & 2) / 2),
       SUM((figures & 4) / 4), 0, SUM((figures & 16) / 16), SUM((figures & 32) / 32), 0, 0, SUM((figures & 256) / 256),
       SUM((figures & 512) / 512), SUM((figures & 1024) / 1024), 0, 0
FROM messages
WHERE figures > 0
GROUP BY tenant_id, created_at / 86400000, channel, provider;

-- Why somebody is not written to. A row stands from `since` on unless it was lifted then or later; rows that were lifted
-- stay, so that what is reported late does not bring them back.
CREATE TABLE suppressions (
    -- Derived from all that makes it unique.
    id             UUID PRIMARY KEY,
    tenant_id      UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    recipient_hash BYTEA NOT NULL CHECK (length(recipient_hash) = 32),
    reason         TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribed', 'stop', 'manual')),
    -- None when it was lifted before it was ever heard of.
    since          BIGINT,
    lifted_at      BIGINT,
    -- Who said so, as one word.
    source         TEXT NOT NULL,
    -- Sealed. None when only the hash is known.
    recipient      BYTEA,
    UNIQUE (tenant_id, channel, recipient_hash, reason),
    CHECK (since IS NOT NULL OR lifted_at IS NOT NULL)
);

CREATE INDEX suppressions_newest ON suppressions (tenant_id, since DESC, id DESC)
    WHERE since IS NOT NULL AND (lifted_at IS NULL OR lifted_at < since);

CREATE TABLE templates (
    id                  UUID PRIMARY KEY,
    tenant_id           UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name                TEXT NOT NULL CHECK (name <> ''),
    language            TEXT NOT NULL,
    version             BIGINT NOT NULL CHECK (version > 0),
    subject             TEXT,
    text                TEXT,
    html                TEXT,
    provider_content_id TEXT,
    created_at          BIGINT NOT NULL,
    -- When a later version was written. All else never changes.
    superseded_at       BIGINT,
    UNIQUE (tenant_id, name, language, version),
    CONSTRAINT templates_say_something
        CHECK (text IS NOT NULL OR html IS NOT NULL OR provider_content_id IS NOT NULL)
);

CREATE INDEX templates_latest ON templates (tenant_id, created_at DESC, id DESC) WHERE superseded_at IS NULL;
CREATE INDEX templates_versions ON templates (tenant_id, name, created_at DESC, id DESC);

CREATE TABLE credentials (
    tenant_id  UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         UUID NOT NULL,
    provider   TEXT NOT NULL CHECK (provider <> ''),
    label      TEXT NOT NULL CHECK (label <> ''),
    -- Sealed, both.
    clear      BYTEA NOT NULL,
    previous   BYTEA,
    -- As much as may be shown.
    preview    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, label)
);

-- Which credentials a channel's messages go by: the first one, and those that stand in for it.
CREATE TABLE routes (
    tenant_id     UUID NOT NULL,
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    position      BIGINT NOT NULL CHECK (position >= 0),
    credential_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, channel, position),
    UNIQUE (tenant_id, channel, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX routes_credential ON routes (tenant_id, credential_id);

-- Credentials that failed lately. One without a row is as good as new.
CREATE TABLE circuits (
    tenant_id     UUID NOT NULL,
    credential_id UUID NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    -- In a row.
    failures      BIGINT NOT NULL CHECK (failures >= 0),
    -- Until when it is open, or the one who probes has it to itself.
    until         BIGINT,
    -- Grows whenever the state changes.
    epoch         BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'closed') = (until IS NULL))
);

ALTER TABLE interactions ADD COLUMN intent TEXT;

CREATE TABLE inbound_messages (
    -- Derived from the endpoint and the event's identity there.
    id             UUID PRIMARY KEY,
    tenant_id      UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    provider       TEXT NOT NULL CHECK (provider <> ''),
    external_id    TEXT NOT NULL CHECK (external_id <> ''),
    contact_id     UUID NOT NULL,
    sender_hash    BYTEA NOT NULL CHECK (length(sender_hash) = 32),
    -- Sealed, all four.
    sender         BYTEA NOT NULL,
    recipient      BYTEA,
    text           BYTEA,
    raw            BYTEA,
    intent         TEXT NOT NULL,
    -- A note, not a key: what was answered may have been purged.
    answers        UUID,
    interaction_id UUID REFERENCES interactions (id) ON DELETE SET NULL,
    occurred_at    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX inbound_messages_newest ON inbound_messages (tenant_id, created_at DESC, id DESC);
CREATE INDEX inbound_messages_contact ON inbound_messages (tenant_id, contact_id, created_at DESC, id DESC);
CREATE INDEX inbound_messages_answers ON inbound_messages (tenant_id, answers) WHERE answers IS NOT NULL;
CREATE INDEX inbound_messages_interaction ON inbound_messages (interaction_id) WHERE interaction_id IS NOT NULL;

-- One-time codes that were asked for. The codes are nowhere: each follows from a key and the challenge's id.
CREATE TABLE otp_challenges (
    tenant_id      UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id             UUID NOT NULL,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    language       TEXT NOT NULL,
    -- Sealed.
    recipient      BYTEA NOT NULL,
    recipient_hash BYTEA NOT NULL CHECK (length(recipient_hash) = 32),
    code_key_id    TEXT NOT NULL,
    -- The API key that asked. A note, not a key.
    caller         UUID NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    tries_left     BIGINT NOT NULL CHECK (tries_left >= 0),
    used_at        BIGINT,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX otp_challenges_recipient ON otp_challenges (tenant_id, recipient_hash, created_at DESC);
CREATE INDEX otp_challenges_caller ON otp_challenges (tenant_id, caller, created_at DESC);
CREATE INDEX otp_challenges_expires ON otp_challenges (expires_at);

-- How a tenant wants to send. One without a row never said.
CREATE TABLE tenant_settings (
    tenant_id       UUID PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    -- JSON.
    quiet_hours     TEXT,
    language        TEXT NOT NULL,
    tracking        BOOLEAN NOT NULL,
    -- Sealed, all three: whom messages come from.
    sender_email    BYTEA,
    sender_sms      BYTEA,
    sender_whatsapp BYTEA,
    updated_at      BIGINT NOT NULL
);
