-- What providers told that nothing is made of yet: calls, the state of senders, and what this version does not know.

CREATE TABLE kept_events (
    -- Derived from the endpoint and the event's identity there, as that of a message's event.
    id          UUID PRIMARY KEY,
    tenant_id   UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    provider    TEXT NOT NULL CHECK (provider <> ''),
    -- The provider's own word for it.
    word        TEXT NOT NULL CHECK (word <> ''),
    occurred_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    -- Sealed.
    content     BYTEA NOT NULL
);

CREATE INDEX kept_events_newest ON kept_events (tenant_id, recorded_at DESC, id DESC);
