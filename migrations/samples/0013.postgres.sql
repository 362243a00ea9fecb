-- Rows that are valid after migration 0013: somebody who was erased, and an erasure under way.

INSERT INTO contacts (tenant_id, id, kind, external_id, address_hash, created_at, erased_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '000000b1-0000-4000-8000-0000000000b1', 'person', NULL, NULL, 1767225600000, 1767225600000);

INSERT INTO erased_contacts (tenant_id, contact_id, erased_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '000000b2-0000-4000-8000-0000000000b2', 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '0000001f-0000-4000-8000-00000000001f', 1767225700000);

INSERT INTO erasures (tenant_id, id, remains_id, traces, place, begun_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '0000001f-0000-4000-8000-00000000001f', '000000b1-0000-4000-8000-0000000000b1', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '{"stage":"live","cursor":null,"met":0}', 1767225700000);

UPDATE dead_letter_edits SET tenant_id = '00000001-0000-4000-8000-000000000001';
