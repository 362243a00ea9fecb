-- Rows that are valid after migration 0013: somebody who was erased, and an erasure under way.

INSERT INTO contacts (tenant_id, id, kind, external_id, address_hash, created_at, erased_at) VALUES
    (x'00000001000040008000000000000001', x'000000b10000400080000000000000b1', 'person', NULL, NULL, 1767225600000, 1767225600000);

INSERT INTO erased_contacts (tenant_id, contact_id, erased_at) VALUES
    (x'00000001000040008000000000000001', x'000000b20000400080000000000000b2', 1767225600000),
    (x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 1767225700000);

INSERT INTO erasures (tenant_id, id, remains_id, traces, place, begun_at) VALUES
    (x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', x'000000b10000400080000000000000b1', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '{"stage":"live","cursor":null,"met":0}', 1767225700000);

UPDATE dead_letter_edits SET tenant_id = x'00000001000040008000000000000001';
