-- Rows that are valid after migration 0012: rules of two tenants, a lead that became hot twice, and one in the archive.

INSERT INTO score_rules
    (tenant_id, first_open, repeated_open, first_click, repeated_click, bounce, decay_percent, decay_since, hot_from, hook_url,
     hook_secret, updated_at) VALUES
    (x'00000001000040008000000000000001', 3, 1, 8, 2, -10, 10, 0, 20, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 1767225600000),
    (x'00000002000040008000000000000002', 0, 0, 1000, 0, -1000, 0, 2922, NULL, NULL, NULL, 1767225600000);

UPDATE lead_scores SET decayed_week = 2922 WHERE tenant_id = x'00000001000040008000000000000001';

INSERT INTO lead_ledger
    (tenant_id, contact_id, reason, points, moved, score_after, message_id, recorded_at) VALUES
    (x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 'bounce', -10, -4, 0, NULL, 1767225901000),
    (x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 'decay', -1, -1, 0, NULL, 1767225902000);

INSERT INTO lead_crossings (id, tenant_id, contact_id, score, hot_from, crossed_at, handed_at) VALUES
    (x'000000a10000400080000000000000a1', x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 21, 20, 1767225600000, 1767225660000),
    (x'000000a20000400080000000000000a2', x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 20, 20, 1767312000000, NULL);

INSERT INTO lead_archive (tenant_id, contact_id, score, last_event_at, reasons, archived_at) VALUES
    (x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 4, 1700000000000, '[{"reason":"first_open","moved":3,"lines":1}]', 1767225600000);

INSERT INTO retention_totals (kind, gone) VALUES ('messages', 2), ('scores', 0);
