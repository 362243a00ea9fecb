-- Erasure of a person: what is left of them hangs on a contact that is nobody's, and what is told late of them is known as such.

-- Since when it is nobody's. Nothing personal is written of such a contact, and it never becomes anybody again.
ALTER TABLE contacts ADD COLUMN erased_at BIGINT;

-- Whoever was erased, by the id that their contact had and would have again. What happened until then is written without them;
-- whoever comes back afterwards is met anew.
CREATE TABLE erased_contacts (
    tenant_id  UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    contact_id UUID NOT NULL,
    erased_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_id)
);

-- Erasures under way. When one is done its row goes, and with it the only link between the contact and what is left of it.
CREATE TABLE erasures (
    tenant_id  UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- The contact's.
    id         UUID NOT NULL,
    remains_id UUID NOT NULL,
    -- Sealed: by what they are found, for as long as they are looked for.
    traces     BYTEA NOT NULL,
    -- How far the looking came, as JSON of ids and words.
    place      TEXT,
    begun_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, remains_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
);

-- Whose letter it was. None: the installation's own, or changed before this.
ALTER TABLE dead_letter_edits ADD COLUMN tenant_id UUID REFERENCES tenants (id) ON DELETE CASCADE;
CREATE INDEX dead_letter_edits_tenant ON dead_letter_edits (tenant_id, id);
