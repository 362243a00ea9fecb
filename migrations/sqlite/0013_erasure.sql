-- Erasure of a person: what is left of them hangs on a contact that is nobody's, and what is told late of them is known as such.

-- Since when it is nobody's. Nothing personal is written of such a contact, and it never becomes anybody again.
ALTER TABLE contacts ADD COLUMN erased_at INTEGER;

-- Whoever was erased, by the id that their contact had and would have again. What happened until then is written without them;
-- whoever comes back afterwards is met anew.
CREATE TABLE erased_contacts (
    tenant_id  BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    contact_id BLOB NOT NULL,
    erased_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, contact_id)
) STRICT;

-- Erasures under way. When one is done its row goes, and with it the only link between the contact and what is left of it.
CREATE TABLE erasures (
    tenant_id  BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- The contact's.
    id         BLOB NOT NULL,
    remains_id BLOB NOT NULL,
    -- Sealed: by what they are found, for as long as they are looked for.
    traces     BLOB NOT NULL,
    -- How far the looking came, as JSON of ids and words.
    place      TEXT,
    begun_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, remains_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Whose letter it was. None: the installation's own, or changed before this.
ALTER TABLE dead_letter_edits ADD COLUMN tenant_id BLOB REFERENCES tenants (id) ON DELETE CASCADE;
CREATE INDEX dead_letter_edits_tenant ON dead_letter_edits (tenant_id, id);
