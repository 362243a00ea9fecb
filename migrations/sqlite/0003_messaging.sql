-- Messages that go out and what came of trying, everything that is reported of them, and what decides whether, how and
-- to whom. As before: times in milliseconds, UTC; what people wrote or where they can be reached is sealed, or a keyed
-- hash to find it by; everything hangs on its tenant.

-- SQLite cannot take a NOT NULL or a CHECK back, so messages and their events are moved into tables made anew.
ALTER TABLE message_events RENAME TO message_events_0002;
ALTER TABLE messages RENAME TO messages_0002;

CREATE TABLE messages (
    tenant_id         BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                BLOB NOT NULL,
    channel           TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    -- Who carries it, or was asked to last. Of a message that nobody was asked to carry yet: none.
    provider          TEXT CHECK (provider <> ''),
    external_id       TEXT CHECK (external_id <> ''),
    -- A person or an organisation; a contact without a name is made for a message that names nobody.
    contact_id        BLOB NOT NULL,
    status            TEXT NOT NULL DEFAULT 'queued' CHECK (status IN
                          ('queued', 'accepted', 'sending', 'sent', 'canceled', 'expired', 'failed', 'undelivered',
                           'delivered', 'read', 'opened', 'clicked', 'bounced', 'complained')),
    sent_count        INTEGER NOT NULL DEFAULT 0 CHECK (sent_count >= 0),
    delivered_count   INTEGER NOT NULL DEFAULT 0 CHECK (delivered_count >= 0),
    open_count        INTEGER NOT NULL DEFAULT 0 CHECK (open_count >= 0),
    click_count       INTEGER NOT NULL DEFAULT 0 CHECK (click_count >= 0),
    bounce_count      INTEGER NOT NULL DEFAULT 0 CHECK (bounce_count >= 0),
    complaint_count   INTEGER NOT NULL DEFAULT 0 CHECK (complaint_count >= 0),
    unsubscribe_count INTEGER NOT NULL DEFAULT 0 CHECK (unsubscribe_count >= 0),
    first_event_at    INTEGER,
    last_event_at     INTEGER,
    first_opened_at   INTEGER,
    last_opened_at    INTEGER,
    first_clicked_at  INTEGER,
    last_clicked_at   INTEGER,
    -- The figures of delivery_daily that count it, one bit each.
    figures           INTEGER NOT NULL DEFAULT 0,
    -- The latest code of what went wrong.
    error_code        TEXT,
    -- Sealed, all three.
    subject           BLOB,
    recipient         BLOB,
    content           BLOB,
    -- A keyed hash of the recipient, to find messages by.
    recipient_hash    BLOB CHECK (length(recipient_hash) = 32),
    interaction_id    BLOB REFERENCES interactions (id) ON DELETE SET NULL,
    -- Of a message that was only ever reported, everything from here to attempt_state is unknown.
    class             TEXT CHECK (class IN ('transactional', 'code', 'marketing', 'critical')),
    fingerprint       BLOB CHECK (length(fingerprint) = 32),
    language          TEXT,
    template_name     TEXT,
    template_version  INTEGER CHECK (template_version > 0),
    -- A JSON array of texts.
    tags              TEXT,
    scheduled_at      INTEGER,
    -- The last attempt to send it.
    attempts          INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    attempt_state     TEXT CHECK (attempt_state IN ('intended', 'sent', 'rejected', 'not_sent', 'unclear')),
    -- When its provider was last heard of or asked, as long as something is to come of it.
    looked_at         INTEGER,
    created_at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, external_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CHECK (external_id IS NULL OR provider IS NOT NULL),
    CHECK ((class IS NULL) = (fingerprint IS NULL)),
    CHECK ((template_name IS NULL) = (template_version IS NULL)),
    CHECK ((attempts = 0) = (attempt_state IS NULL))
) STRICT;

-- Until now whatever had happened to a message had left a count. Its bits: accepted 1, sent 2, delivered 4, opened 16,
-- clicked 32, bounced 256, complained 512, unsubscribed 1024; and what arrived had been sent.
INSERT INTO messages
    (tenant_id, id, channel, provider, external_id, contact_id, status, sent_count, delivered_count, open_count,
     click_count, bounce_count, complaint_count, unsubscribe_count, first_event_at, last_event_at, first_opened_at,
     last_opened_at, first_clicked_at, last_clicked_at, figures, subject, recipient, recipient_hash, interaction_id,
     created_at)
SELECT message.tenant_id, message.id, message.channel, message.provider, message.external_id, message.contact_id,
       message.status, message.sent_count, message.delivered_count, message.open_count, message.click_count,
       message.bounce_count, message.complaint_count, message.unsubscribe_count, message.first_event_at,
       message.last_event_at, message.first_opened_at, message.last_opened_at, message.first_clicked_at,
       message.last_clicked_at,
       CASE WHEN message.sent_count > 0 THEN 1 + 2 ELSE 0 END
       | CASE WHEN message.delivered_count > 0 THEN 1 + 2 + 4 ELSE 0 END
       | CASE WHEN message.open_count > 0 THEN 1 + 2 + 4 + 16 ELSE 0 END
       | CASE WHEN message.click_count > 0 THEN 1 + 2 + 4 + 32 ELSE 0 END
       | CASE WHEN message.bounce_count > 0 THEN 1 + 2 + 256 ELSE 0 END
       | CASE WHEN message.complaint_count > 0 THEN 1 + 2 + 4 + 512 ELSE 0 END
       | CASE WHEN message.unsubscribe_count > 0 THEN 1024 ELSE 0 END,
       message.subject, message.recipient,
       CASE WHEN message.recipient IS NOT NULL THEN contact.address_hash END,
       message.interaction_id, message.created_at
FROM messages_0002 message
JOIN contacts contact ON contact.tenant_id = message.tenant_id AND contact.id = message.contact_id;

CREATE TABLE message_events (
    -- Derived from the endpoint and the event's identity there, which is what makes an event count once.
    id             BLOB PRIMARY KEY,
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- None when the event names no message.
    message_id     BLOB,
    kind           TEXT NOT NULL CHECK (kind IN
                       ('accepted', 'sending', 'sent', 'delayed', 'delivered', 'read', 'opened', 'clicked', 'canceled',
                        'expired', 'failed', 'undelivered', 'dropped', 'bounced', 'complained', 'unsubscribed',
                        'resubscribed', 'rejected', 'not_sent', 'unclear', 'suppressed')),
    -- Who told it, and in which word; none when we found it out ourselves.
    provider       TEXT,
    word           TEXT,
    occurred_at    INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    error_code     TEXT,
    permanence     TEXT CHECK (permanence IN ('permanent', 'transient')),
    -- What a failure says of the recipient.
    cause          TEXT,
    by_machine     INTEGER NOT NULL DEFAULT 0,
    recipient_hash BLOB CHECK (length(recipient_hash) = 32),
    -- Sealed, both.
    url            BLOB,
    raw            BLOB,
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE
) STRICT;

INSERT INTO message_events (id, tenant_id, message_id, kind, provider, word, occurred_at, recorded_at, url)
SELECT event.id, event.tenant_id, event.message_id, event.kind, message.provider, event.kind, event.occurred_at,
       event.recorded_at, event.url
FROM message_events_0002 event
JOIN messages_0002 message ON message.tenant_id = event.tenant_id AND message.id = event.message_id;

DROP TABLE message_events_0002;
DROP TABLE messages_0002;

CREATE INDEX messages_newest ON messages (tenant_id, created_at DESC, id DESC);
CREATE INDEX messages_contact ON messages (tenant_id, contact_id);
CREATE INDEX messages_interaction ON messages (interaction_id) WHERE interaction_id IS NOT NULL;
CREATE INDEX messages_recipient ON messages (tenant_id, recipient_hash, created_at DESC, id DESC)
    WHERE recipient_hash IS NOT NULL;
CREATE INDEX messages_open ON messages (looked_at) WHERE looked_at IS NOT NULL;
CREATE INDEX message_events_message ON message_events (tenant_id, message_id, occurred_at, id);

-- Every call to a provider that was to send a message: written before it is made, completed after it.
CREATE TABLE message_attempts (
    tenant_id     BLOB NOT NULL,
    message_id    BLOB NOT NULL,
    -- Counted from 1.
    number        INTEGER NOT NULL CHECK (number > 0),
    provider      TEXT NOT NULL CHECK (provider <> ''),
    -- A note, not a key: the attempt still says how it was made when the credentials are gone.
    credential_id BLOB,
    state         TEXT NOT NULL CHECK (state IN ('intended', 'sent', 'rejected', 'not_sent', 'unclear')),
    external_id   TEXT CHECK (external_id <> ''),
    code          TEXT,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    PRIMARY KEY (tenant_id, message_id, number),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'intended') = (ended_at IS NULL)),
    CHECK ((state = 'sent') = (external_id IS NOT NULL))
) STRICT;

CREATE INDEX message_attempts_external ON message_attempts (tenant_id, provider, external_id)
    WHERE external_id IS NOT NULL;

-- How many messages of a day came how far. A row is split into shards, so that messages of one tenant that are written
-- at once do not wait for each other.
CREATE TABLE delivery_daily (
    tenant_id    BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Days since 1970: that on which the message was begun.
    day          INTEGER NOT NULL,
    channel      TEXT NOT NULL,
    provider     TEXT NOT NULL,
    shard        INTEGER NOT NULL,
    accepted     INTEGER NOT NULL,
    sent         INTEGER NOT NULL,
    delivered    INTEGER NOT NULL,
    read         INTEGER NOT NULL,
    opened       INTEGER NOT NULL,
    clicked      INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    undelivered  INTEGER NOT NULL,
    bounced      INTEGER NOT NULL,
    complained   INTEGER NOT NULL,
    unsubscribed INTEGER NOT NULL,
    canceled     INTEGER NOT NULL,
    expired      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, day, channel, provider, shard)
) STRICT;

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
    id             BLOB PRIMARY KEY,
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    recipient_hash BLOB NOT NULL CHECK (length(recipient_hash) = 32),
    reason         TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribed', 'stop', 'manual')),
    -- None when it was lifted before it was ever heard of.
    since          INTEGER,
    lifted_at      INTEGER,
    -- Who said so, as one word.
    source         TEXT NOT NULL,
    -- Sealed. None when only the hash is known.
    recipient      BLOB,
    UNIQUE (tenant_id, channel, recipient_hash, reason),
    CHECK (since IS NOT NULL OR lifted_at IS NOT NULL)
) STRICT;

CREATE INDEX suppressions_newest ON suppressions (tenant_id, since DESC, id DESC)
    WHERE since IS NOT NULL AND (lifted_at IS NULL OR lifted_at < since);

CREATE TABLE templates (
    id                  BLOB PRIMARY KEY,
    tenant_id           BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name                TEXT NOT NULL CHECK (name <> ''),
    language            TEXT NOT NULL,
    version             INTEGER NOT NULL CHECK (version > 0),
    subject             TEXT,
    text                TEXT,
    html                TEXT,
    provider_content_id TEXT,
    created_at          INTEGER NOT NULL,
    -- When a later version was written. All else never changes.
    superseded_at       INTEGER,
    UNIQUE (tenant_id, name, language, version),
    CONSTRAINT templates_say_something
        CHECK (text IS NOT NULL OR html IS NOT NULL OR provider_content_id IS NOT NULL)
) STRICT;

CREATE INDEX templates_latest ON templates (tenant_id, created_at DESC, id DESC) WHERE superseded_at IS NULL;
CREATE INDEX templates_versions ON templates (tenant_id, name, created_at DESC, id DESC);

CREATE TABLE credentials (
    tenant_id  BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         BLOB NOT NULL,
    provider   TEXT NOT NULL CHECK (provider <> ''),
    label      TEXT NOT NULL CHECK (label <> ''),
    -- Sealed, both.
    clear      BLOB NOT NULL,
    previous   BLOB,
    -- As much as may be shown.
    preview    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, label)
) STRICT;

-- Which credentials a channel's messages go by: the first one, and those that stand in for it.
CREATE TABLE routes (
    tenant_id     BLOB NOT NULL,
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    position      INTEGER NOT NULL CHECK (position >= 0),
    credential_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, channel, position),
    UNIQUE (tenant_id, channel, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX routes_credential ON routes (tenant_id, credential_id);

-- Credentials that failed lately. One without a row is as good as new.
CREATE TABLE circuits (
    tenant_id     BLOB NOT NULL,
    credential_id BLOB NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    -- In a row.
    failures      INTEGER NOT NULL CHECK (failures >= 0),
    -- Until when it is open, or the one who probes has it to itself.
    until         INTEGER,
    -- Grows whenever the state changes.
    epoch         INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'closed') = (until IS NULL))
) STRICT;

ALTER TABLE interactions ADD COLUMN intent TEXT;

CREATE TABLE inbound_messages (
    -- Derived from the endpoint and the event's identity there.
    id             BLOB PRIMARY KEY,
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    provider       TEXT NOT NULL CHECK (provider <> ''),
    external_id    TEXT NOT NULL CHECK (external_id <> ''),
    contact_id     BLOB NOT NULL,
    sender_hash    BLOB NOT NULL CHECK (length(sender_hash) = 32),
    -- Sealed, all four.
    sender         BLOB NOT NULL,
    recipient      BLOB,
    text           BLOB,
    raw            BLOB,
    intent         TEXT NOT NULL,
    -- A note, not a key: what was answered may have been purged.
    answers        BLOB,
    interaction_id BLOB REFERENCES interactions (id) ON DELETE SET NULL,
    occurred_at    INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX inbound_messages_newest ON inbound_messages (tenant_id, created_at DESC, id DESC);
CREATE INDEX inbound_messages_contact ON inbound_messages (tenant_id, contact_id, created_at DESC, id DESC);
CREATE INDEX inbound_messages_answers ON inbound_messages (tenant_id, answers) WHERE answers IS NOT NULL;
CREATE INDEX inbound_messages_interaction ON inbound_messages (interaction_id) WHERE interaction_id IS NOT NULL;

-- One-time codes that were asked for. The codes are nowhere: each follows from a key and the challenge's id.
CREATE TABLE otp_challenges (
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id             BLOB NOT NULL,
    channel        TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    language       TEXT NOT NULL,
    -- Sealed.
    recipient      BLOB NOT NULL,
    recipient_hash BLOB NOT NULL CHECK (length(recipient_hash) = 32),
    code_key_id    TEXT NOT NULL,
    -- The API key that asked. A note, not a key.
    caller         BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    tries_left     INTEGER NOT NULL CHECK (tries_left >= 0),
    used_at        INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE INDEX otp_challenges_recipient ON otp_challenges (tenant_id, recipient_hash, created_at DESC);
CREATE INDEX otp_challenges_caller ON otp_challenges (tenant_id, caller, created_at DESC);
CREATE INDEX otp_challenges_expires ON otp_challenges (expires_at);

-- How a tenant wants to send. One without a row never said.
CREATE TABLE tenant_settings (
    tenant_id       BLOB PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    -- JSON.
    quiet_hours     TEXT,
    language        TEXT NOT NULL,
    tracking        INTEGER NOT NULL,
    -- Sealed, all three: whom messages come from.
    sender_email    BLOB,
    sender_sms      BLOB,
    sender_whatsapp BLOB,
    updated_at      INTEGER NOT NULL
) STRICT;
