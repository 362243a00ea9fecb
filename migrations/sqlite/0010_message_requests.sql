-- Which request has an idempotency key, from the moment at which its message may be queued: of requests at once that ask for
-- different messages with one key, one has it. Once the message is queued it is found by its id, so this is kept for days only.
CREATE TABLE message_requests (
    tenant_id   BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Follows from the key.
    message_id  BLOB NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_requests_oldest ON message_requests (created_at);

-- Messages to somebody are listed, newest first.
CREATE INDEX messages_of_contact ON messages (tenant_id, contact_id, created_at DESC, id DESC);
DROP INDEX messages_contact;
