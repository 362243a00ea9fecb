-- Who works with a tenant's data: people and what they may do, how they come in, and who did what. As before: times in
-- milliseconds, UTC; where people can be reached and what they are called is sealed, or a keyed hash to find it by.

-- What hashes are keyed with that belong to no tenant. Sealed.
CREATE TABLE installation_keys (
    purpose TEXT PRIMARY KEY CHECK (purpose <> ''),
    key     BLOB NOT NULL
) STRICT;

-- People, each once, whichever tenants they work for. One who works for none any more is not kept.
CREATE TABLE users (
    id         BLOB PRIMARY KEY,
    -- Keyed by the installation.
    email_hash BLOB NOT NULL UNIQUE CHECK (length(email_hash) = 32),
    -- Sealed.
    email      BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What somebody is to a tenant. What else is known of them is the tenant's own: another tenant does not see it.
CREATE TABLE memberships (
    tenant_id      BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id        BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role           TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'sales', 'member')),
    -- Sealed.
    name           BLOB,
    -- How they are told what they have to do.
    notify_channel TEXT NOT NULL CHECK (notify_channel IN ('none', 'email', 'sms', 'whatsapp')),
    -- Sealed. Mail without one goes where they sign in.
    notify_address BLOB,
    -- None: the tenant's.
    language       TEXT,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    CHECK (notify_channel IN ('none', 'email') OR notify_address IS NOT NULL)
) STRICT;

CREATE INDEX memberships_user ON memberships (user_id);
CREATE INDEX memberships_newest ON memberships (tenant_id, created_at DESC, user_id DESC);

CREATE TABLE invitations (
    tenant_id   BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id          BLOB NOT NULL,
    email_hash  BLOB NOT NULL CHECK (length(email_hash) = 32),
    -- Sealed.
    email       BLOB NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'sales', 'member')),
    -- Who invited: an actor.
    invited_by  TEXT NOT NULL CHECK (invited_by <> ''),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    accepted_at INTEGER,
    revoked_at  INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- One at a time for an address.
CREATE UNIQUE INDEX invitations_open ON invitations (tenant_id, email_hash) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_newest ON invitations (tenant_id, created_at DESC, id DESC);
CREATE INDEX invitations_expires ON invitations (expires_at);

-- Links that let somebody in, once. What proves a link is computed and stands nowhere.
CREATE TABLE sign_in_links (
    tenant_id  BLOB NOT NULL,
    id         BLOB NOT NULL,
    user_id    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
) STRICT;

CREATE INDEX sign_in_links_member ON sign_in_links (tenant_id, user_id);
CREATE INDEX sign_in_links_expires ON sign_in_links (expires_at);

-- When links were asked for lately: for an address, from a place on the network. Both as keyed hashes.
CREATE TABLE sign_in_tries (
    id      BLOB PRIMARY KEY,
    subject BLOB NOT NULL CHECK (length(subject) = 32),
    at      INTEGER NOT NULL
) STRICT;

CREATE INDEX sign_in_tries_subject ON sign_in_tries (subject, at DESC);
CREATE INDEX sign_in_tries_age ON sign_in_tries (at);

CREATE TABLE sessions (
    tenant_id    BLOB NOT NULL,
    id           BLOB NOT NULL,
    user_id      BLOB NOT NULL,
    -- Grows with every token that takes the place of the one before.
    generation   INTEGER NOT NULL CHECK (generation > 0),
    created_at   INTEGER NOT NULL,
    rotated_at   INTEGER NOT NULL,
    -- Of the present token.
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
) STRICT;

CREATE INDEX sessions_member ON sessions (tenant_id, user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- What the tenant calls it.
ALTER TABLE api_keys ADD COLUMN name TEXT CHECK (name <> '');
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
-- The key that it took the place of. A note, not a key.
ALTER TABLE api_keys ADD COLUMN replaces BLOB;

DROP INDEX api_keys_tenant;
CREATE INDEX api_keys_newest ON api_keys (tenant_id, created_at DESC, id DESC);

-- Who did what, when and from where. Holds nothing that is secret or personal, so nothing in it is sealed.
CREATE TABLE audit_log (
    id        BLOB PRIMARY KEY,
    -- None: the installation's own.
    tenant_id BLOB REFERENCES tenants (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL CHECK (actor <> ''),
    action    TEXT NOT NULL CHECK (action <> ''),
    -- What it was done to: an id.
    target    TEXT,
    origin    TEXT NOT NULL CHECK (origin <> ''),
    -- JSON, both: as much as may be shown of what was there.
    before    TEXT,
    after     TEXT
) STRICT;

CREATE INDEX audit_log_newest ON audit_log (tenant_id, at DESC, id DESC);
CREATE INDEX audit_log_action ON audit_log (tenant_id, action, at DESC, id DESC);
CREATE INDEX audit_log_own ON audit_log (at DESC, id DESC) WHERE tenant_id IS NULL;
CREATE INDEX audit_log_own_action ON audit_log (action, at DESC, id DESC) WHERE tenant_id IS NULL;

-- Entries are added and never changed, and leave with their tenant only.
CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON audit_log BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;

CREATE TRIGGER audit_log_stays BEFORE DELETE ON audit_log
WHEN OLD.tenant_id IS NULL OR EXISTS (SELECT 1 FROM tenants WHERE id = OLD.tenant_id) BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;
